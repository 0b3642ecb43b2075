"""Tags through boto3: the same data as the native metadata."""

from __future__ import annotations

import pytest

from tests.fixtures.ec2 import Ec2, refused


def tags_of(ec2: Ec2, instance: str) -> dict[str, str]:
    return {each["Key"]: each["Value"] for each in ec2.show(instance)["Tags"]}


def test_tags_and_native_metadata_are_one(ec2: Ec2):
    first, second = ec2.run(count=2)
    client = ec2.client()
    client.create_tags(Resources=[first, second], Tags=[{"Key": "Name", "Value": "a"}, {"Key": "x y", "Value": ""}])
    assert tags_of(ec2, first) == tags_of(ec2, second) == {"Name": "a", "x y": ""}
    assert ec2.native(first)["metadata"] == {"Name": "a", "x y": ""}
    client.create_tags(Resources=[first], Tags=[{"Key": "Name", "Value": "b"}])
    assert tags_of(ec2, first) == {"Name": "b", "x y": ""}
    client.create_tags(Resources=[second], Tags=[{"Key": "kubernetes.io/cluster/a", "Value": "owned"}])
    assert tags_of(ec2, second)["kubernetes.io/cluster/a"] == "owned"


def test_tags_are_deleted_by_key_by_value_or_all(ec2: Ec2):
    (instance,) = ec2.run()
    client = ec2.client()
    client.create_tags(Resources=[instance], Tags=[{"Key": key, "Value": key} for key in "abcd"])
    client.delete_tags(Resources=[instance], Tags=[{"Key": "a"}, {"Key": "absent"}])
    assert tags_of(ec2, instance) == {"b": "b", "c": "c", "d": "d"}
    client.delete_tags(Resources=[instance], Tags=[{"Key": "b", "Value": "b"}, {"Key": "c", "Value": ""}])
    assert tags_of(ec2, instance) == {"c": "c", "d": "d"}
    client.delete_tags(Resources=[instance])
    assert "Tags" not in ec2.show(instance) or ec2.show(instance)["Tags"] == []


@pytest.mark.parametrize(
    ("resource", "code"),
    [
        ("i-00000000000000000", "InvalidInstanceID.NotFound"),
        ("i-1", "InvalidInstanceID.Malformed"),
        ("thing-1", "InvalidID"),
        ("ami-00000000000000000", "UnsupportedOperation"),
        ("key-00000000000000000", "UnsupportedOperation"),
    ],
)
def test_what_cannot_be_tagged_leaves_the_others_untagged(ec2: Ec2, resource: str, code: str):
    (instance,) = ec2.run()
    with refused(code):
        ec2.client().create_tags(Resources=[instance, resource], Tags=[{"Key": "a", "Value": "b"}])
    with refused(code):
        ec2.client().delete_tags(Resources=[instance, resource])
    assert tags_of(ec2, instance) == {}


@pytest.mark.parametrize(
    "tags",
    [
        [{"Key": "", "Value": "x"}],
        [{"Key": "x" * 128, "Value": "x"}],
        [{"Key": "x", "Value": "x" * 256}],
        [{"Key": "AWS:x", "Value": "x"}],
        [{"Key": "x", "Value": "1"}, {"Key": "x", "Value": "2"}],
    ],
)
def test_a_tag_that_cannot_be_is_refused(ec2: Ec2, tags: list):
    (instance,) = ec2.run()
    with refused("InvalidParameterValue"):
        ec2.client().create_tags(Resources=[instance], Tags=tags)


def test_no_more_tags_than_the_quota_has_metadata(ec2: Ec2):
    (instance,) = ec2.run()
    client = ec2.client()
    client.create_tags(Resources=[instance], Tags=[{"Key": f"k{n}", "Value": ""} for n in range(128)])
    with refused("TagLimitExceeded"):
        client.create_tags(Resources=[instance], Tags=[{"Key": "one more", "Value": ""}])


def test_readers_and_strangers_tag_nothing(ec2: Ec2):
    (instance,) = ec2.run()
    with refused("UnauthorizedOperation"):
        ec2.client("reader").create_tags(Resources=[instance], Tags=[{"Key": "a", "Value": "b"}])
    with refused("InvalidInstanceID.NotFound"):
        ec2.client("stranger").create_tags(Resources=[instance], Tags=[{"Key": "a", "Value": "b"}])
    assert ec2.client("stranger").describe_tags()["Tags"] == []


def test_tags_are_described_page_by_page_each_once(ec2: Ec2):
    made = ec2.run(count=3)
    client = ec2.client()
    for index, instance in enumerate(made):
        client.create_tags(Resources=[instance], Tags=[{"Key": f"k{n}", "Value": str(index)} for n in range(4)])
    wanted = sorted((instance, f"k{n}") for instance in made for n in range(4))
    for size in (5, 6, 7, 12, 1000):
        pages = list(client.get_paginator("describe_tags").paginate(PaginationConfig={"PageSize": size}))
        found = [(each["ResourceId"], each["Key"]) for page in pages for each in page["Tags"]]
        assert sorted(found) == wanted
        assert all(len(page["Tags"]) == size for page in pages[:-1])


def test_tags_are_filtered(ec2: Ec2):
    first, second = ec2.run(count=2)
    client = ec2.client()
    client.create_tags(Resources=[first], Tags=[{"Key": "role", "Value": "web"}])
    client.create_tags(Resources=[second], Tags=[{"Key": "role", "Value": "db"}, {"Key": "x", "Value": "web"}])

    def found(name: str, *values: str) -> list[str]:
        answer = client.describe_tags(Filters=[{"Name": name, "Values": list(values)}])
        return sorted(each["ResourceId"] + each["Key"] for each in answer["Tags"])

    assert found("resource-id", first) == [first + "role"]
    assert found("key", "role") == sorted([first + "role", second + "role"])
    assert found("value", "w*") == sorted([first + "role", second + "x"])
    assert found("tag:role", "db") == [second + "role"]
    assert found("resource-type", "volume") == []
    with refused("InvalidParameterValue"):
        found("colour", "red")
