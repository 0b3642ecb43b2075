"""Instances through boto3."""

from __future__ import annotations

import pytest

from iaas.common import runtime
from iaas.db.models.ec2 import terminated
from tests.fixtures.ec2 import Ec2, refused

QUICK = {"Delay": 0.05, "MaxAttempts": 400}


def test_boto3_waits_for_an_instance_to_run_to_stop_and_to_terminate(ec2: Ec2):
    ec2.cloud.start()
    client = ec2.client()
    (instance,) = ec2.run()
    assert ec2.show(instance)["State"]["Name"] in ("pending", "running")
    client.get_waiter("instance_running").wait(InstanceIds=[instance], WaiterConfig=QUICK)
    assert ec2.show(instance)["Placement"]["AvailabilityZone"] == "nova"

    stopping = client.stop_instances(InstanceIds=[instance], Force=True)["StoppingInstances"][0]
    assert stopping["PreviousState"] == {"Code": 16, "Name": "running"}
    assert stopping["CurrentState"] == {"Code": 64, "Name": "stopping"}
    client.get_waiter("instance_stopped").wait(InstanceIds=[instance], WaiterConfig=QUICK)
    again = client.stop_instances(InstanceIds=[instance])["StoppingInstances"][0]
    assert again["CurrentState"] == again["PreviousState"] == {"Code": 80, "Name": "stopped"}

    starting = client.start_instances(InstanceIds=[instance])["StartingInstances"][0]
    assert starting["CurrentState"] == {"Code": 0, "Name": "pending"}
    client.get_waiter("instance_running").wait(InstanceIds=[instance], WaiterConfig=QUICK)
    client.reboot_instances(InstanceIds=[instance])

    ending = client.terminate_instances(InstanceIds=[instance])["TerminatingInstances"][0]
    assert ending["PreviousState"]["Name"] == "running"
    assert ending["CurrentState"] == {"Code": 32, "Name": "shutting-down"}
    client.get_waiter("instance_terminated").wait(InstanceIds=[instance], WaiterConfig=QUICK)
    gone = ec2.show(instance)
    assert (gone["State"]["Code"], gone["InstanceType"]) == (48, "tiny")
    again = client.terminate_instances(InstanceIds=[instance])["TerminatingInstances"][0]
    assert again["CurrentState"]["Name"] == again["PreviousState"]["Name"] == "terminated"


def ids_of(answer: dict) -> list[str]:
    return [each["InstanceId"] for found in answer["Reservations"] for each in found["Instances"]]


def test_a_launch_that_finds_no_host_is_terminated_and_says_why(ec2: Ec2):
    (instance,) = ec2.run()
    ec2.cloud.start("scheduler")
    shown = ec2.cloud.until(lambda: (s := ec2.show(instance))["State"]["Name"] == "terminated" and s)
    assert shown["StateReason"]["Code"] == "Server.InternalError"
    assert "No valid host" in shown["StateReason"]["Message"]


def test_a_terminated_instance_is_forgotten_after_an_hour(ec2: Ec2):
    ec2.cloud.start()
    (instance,) = ec2.run()
    client = ec2.client()
    client.terminate_instances(InstanceIds=[instance])
    client.get_waiter("instance_terminated").wait(InstanceIds=[instance], WaiterConfig=QUICK)
    assert ids_of(client.describe_instances()) == [instance]
    hour_ago = runtime.time() - 3601
    ec2.write(lambda tx: tx.execute(terminated.update().values(at=hour_ago)))
    assert ids_of(client.describe_instances()) == []
    with refused("InvalidInstanceID.NotFound"):
        ec2.show(instance)
    with refused("InvalidInstanceID.NotFound"):
        client.terminate_instances(InstanceIds=[instance])


def test_another_projects_instance_is_not_there(ec2: Ec2):
    (instance,) = ec2.run()
    stranger = ec2.client("stranger")
    assert ids_of(stranger.describe_instances()) == []
    for act in ("describe_instances", "terminate_instances", "start_instances", "stop_instances", "reboot_instances"):
        with refused("InvalidInstanceID.NotFound"):
            getattr(stranger, act)(InstanceIds=[instance])
    assert ec2.show(instance)["State"]["Name"] == "pending"


def test_one_unknown_id_leaves_all_instances_alone(ec2: Ec2):
    (instance,) = ec2.run()
    client = ec2.client()
    with refused("InvalidInstanceID.NotFound"):
        client.terminate_instances(InstanceIds=[instance, "i-00000000000000000"])
    with refused("InvalidInstanceID.Malformed"):
        client.terminate_instances(InstanceIds=[instance, "i-zz"])
    assert ec2.show(instance)["State"]["Name"] == "pending"


def test_a_state_that_forbids_the_action_is_said_with_the_ec2_id(ec2: Ec2):
    (instance,) = ec2.run()
    for act in ("start_instances", "stop_instances", "reboot_instances"):
        with refused("IncorrectInstanceState") as caught:
            getattr(ec2.client(), act)(InstanceIds=[instance])
    assert instance in str(caught.value)
    ec2.client().terminate_instances(InstanceIds=[instance])
    with refused("IncorrectInstanceState"):
        ec2.client().start_instances(InstanceIds=[instance])


def test_hibernation_is_refused_not_ignored(ec2: Ec2):
    (instance,) = ec2.run()
    with refused("UnsupportedOperation"):
        ec2.client().stop_instances(InstanceIds=[instance], Hibernate=True)


def test_a_locked_instance_is_not_terminated(ec2: Ec2):
    (instance,) = ec2.run()
    ec2.update(instance, locked=True)
    with refused("IncorrectState") as caught:
        ec2.client().terminate_instances(InstanceIds=[instance])
    assert instance in str(caught.value)


@pytest.mark.parametrize("act", ["terminate_instances", "stop_instances", "start_instances", "reboot_instances"])
def test_a_dry_run_changes_nothing_and_a_reader_may_not_even_try(ec2: Ec2, act: str):
    (instance,) = ec2.run()
    with refused("DryRunOperation"):
        getattr(ec2.client(), act)(InstanceIds=[instance], DryRun=True)
    with refused("UnauthorizedOperation"):
        getattr(ec2.client("reader"), act)(InstanceIds=[instance], DryRun=True)
    assert ec2.show(instance, "reader")["State"]["Name"] == "pending"


# -- describing ------------------------------------------------------------------------------------------


def test_instances_are_shown_under_the_request_that_made_them(ec2: Ec2):
    image = ec2.ami()
    first = ec2.run(count=2, ImageId=image)
    second = ec2.run(ImageId=image)
    found = ec2.client().describe_instances()["Reservations"]
    assert [[each["InstanceId"] for each in one["Instances"]] for one in found] == [second, first]
    assert len({one["ReservationId"] for one in found}) == 2
    assert {one["OwnerId"] for one in found} == {"5f70656e737461636b20342065766572"}
    assert found[1]["Instances"][1]["AmiLaunchIndex"] == 1
    assert found[0]["Instances"][0]["ImageId"] == image


def tagged(ec2: Ec2, name: str, **params: object) -> str:
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}]
    return ec2.run(TagSpecifications=tags, **params)[0]


def test_filters_choose_among_instances(ec2: Ec2):
    web, big = tagged(ec2, "web"), tagged(ec2, "data*base", InstanceType="big")
    shown = ec2.show(web)
    client = ec2.client()

    def chosen(*filters: tuple[str, list[str]]) -> list[str]:
        given = [{"Name": name, "Values": values} for name, values in filters]
        return ids_of(client.describe_instances(Filters=given))

    assert chosen(("tag:Name", ["web"])) == [web]
    assert chosen(("tag:Name", ["w?b", "none"])) == [web]
    assert chosen(("tag:Name", ["*"])) == [big, web]
    assert chosen(("tag:Name", ["data\\*base"])) == [big]
    assert chosen(("tag:Name", ["dat\\*"])) == []
    assert chosen(("tag:name", ["web"])) == []
    assert chosen(("tag-key", ["Name"]), ("instance-type", ["big"])) == [big]
    assert chosen(("instance-type", ["t*"])) == [web]
    assert chosen(("instance-state-name", ["pending"]), ("instance-state-code", ["0"])) == [big, web]
    assert chosen(("instance-state-name", ["running", "stopped"])) == []
    assert chosen(("image-id", [shown["ImageId"]])) == [web]
    assert chosen(("private-ip-address", [shown["PrivateIpAddress"]])) == [web]
    assert chosen(("subnet-id", [shown["SubnetId"]]), ("vpc-id", [shown["VpcId"]])) == [big, web]
    assert chosen(("instance-id", [web])) == [web]
    assert chosen(("instance-id", [web[:5] + "*"])) == [web]
    assert chosen(("owner-id", ["5f70656e737461636b20342065766572"]), ("instance.group-name", ["default"])) == [
        big,
        web,
    ]
    assert chosen(("reservation-id", ["r-0"])) == []
    assert chosen(("launch-time", [shown["LaunchTime"].strftime("%Y-%m-*")])) == [big, web]
    assert (
        client.describe_instances(InstanceIds=[web], Filters=[{"Name": "tag-key", "Values": ["x"]}])["Reservations"]
        == []
    )


@pytest.mark.parametrize(
    "filters",
    [
        [{"Name": "colour", "Values": ["red"]}],
        [{"Name": "tag:", "Values": ["red"]}],
        [{"Name": "instance-id", "Values": []}],
        [{"Values": ["x"]}],
        [{"Name": "instance-id", "Values": ["x"]}, {"Name": "instance-id", "Values": ["y"]}],
        [{"Name": "instance-id", "Values": ["x" * 1025]}],
        [{"Name": "instance-id", "Values": ["x"] * 201}],
    ],
)
def test_a_filter_that_means_nothing_is_refused(ec2: Ec2, filters: list):
    with refused("InvalidParameterValue"):
        ec2.client().describe_instances(Filters=filters)


def test_a_pattern_made_to_be_slow_is_matched_at_once(ec2: Ec2):
    tagged(ec2, "a" * 200)
    began = runtime.monotonic()
    found = ec2.client().describe_instances(Filters=[{"Name": "tag:Name", "Values": ["*a" * 100 + "b"]}])
    assert found["Reservations"] == []
    assert runtime.monotonic() - began < 2


def test_pages_show_each_instance_once_also_when_one_ends_between_them(ec2: Ec2):
    ec2.cloud.start()
    made = ec2.run(count=8)
    client = ec2.client()
    for instance in made:
        client.get_waiter("instance_running").wait(InstanceIds=[instance], WaiterConfig=QUICK)
    first = client.describe_instances(MaxResults=5)
    assert len(ids_of(first)) == 5
    last = ids_of(first)[-1]
    client.terminate_instances(InstanceIds=[last])
    client.get_waiter("instance_terminated").wait(InstanceIds=[last], WaiterConfig=QUICK)
    second = client.describe_instances(MaxResults=5, NextToken=first["NextToken"])
    left = set(made) - set(ids_of(first))
    assert left <= set(ids_of(second))
    assert "NextToken" not in second
    pages = client.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 5})
    everything = [each for page in pages for each in ids_of(page)]
    assert sorted(everything) == sorted(made)
    assert everything[-1] == last  # what is gone comes last


@pytest.mark.parametrize("token", ["x", "e30", "WzFd", "W3RydWUsMSwyXQ", "\u00e9", "A" * 600])
def test_a_token_that_was_never_given_out_is_refused(ec2: Ec2, token: str):
    with refused("InvalidNextToken"):
        ec2.client().describe_instances(NextToken=token)


@pytest.mark.parametrize("most", [0, 4, 1001, -1])
def test_pages_have_5_to_1000_results(ec2: Ec2, most: int):
    with refused("InvalidParameterValue"):
        ec2.client().describe_instances(MaxResults=most)


def test_ids_and_pages_exclude_each_other(ec2: Ec2):
    with refused("InvalidParameterCombination"):
        ec2.client().describe_instances(InstanceIds=ec2.run(), MaxResults=5)


def test_describing_takes_as_many_statements_for_nine_as_for_one(ec2: Ec2):
    client = ec2.client()
    image = ec2.ami()
    ec2.run(ImageId=image)
    one = ec2.statements(client.describe_instances)
    ec2.run(count=6, ImageId=image)
    ec2.run(count=2, ImageId=image)
    assert ec2.statements(client.describe_instances) == one <= 4
