"""Key pairs, images, types, consoles, regions and zones through boto3."""

from __future__ import annotations

import re

import pytest
from cryptography.hazmat.primitives import serialization

from iaas.db import flavors
from tests.fixtures.compute import PROJECT
from tests.fixtures.ec2 import REGION, Ec2, refused

PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJV4Sm2Gu8+CGu2LQsOgvMGmFBpqGd8Zs02aqV9+5lWc me@here"


def named(*pairs: tuple[str, list[str]]) -> list[dict]:
    return [{"Name": name, "Values": values} for name, values in pairs]


# -- key pairs -------------------------------------------------------------------------------------------


def test_a_generated_key_is_shown_once_and_opens(ec2: Ec2):
    client = ec2.client()
    made = client.create_key_pair(KeyName="mine")
    assert serialization.load_pem_private_key(made["KeyMaterial"].encode(), None)
    (shown,) = client.describe_key_pairs(IncludePublicKey=True)["KeyPairs"]
    assert shown["KeyPairId"] == made["KeyPairId"]
    assert shown["KeyFingerprint"] == made["KeyFingerprint"]
    assert shown["KeyType"] == "rsa"
    assert shown["PublicKey"].startswith("ssh-rsa ")
    assert "KeyMaterial" not in shown
    with refused("InvalidKeyPair.Duplicate"):
        client.create_key_pair(KeyName="mine")


def test_an_imported_key_is_found_by_name_id_and_filter(ec2: Ec2):
    client = ec2.client()
    made = client.import_key_pair(KeyName="k1", PublicKeyMaterial=PUBLIC.encode())
    client.import_key_pair(KeyName="k2", PublicKeyMaterial=PUBLIC.encode())
    for wanted in (
        {"KeyNames": ["k1"]},
        {"KeyPairIds": [made["KeyPairId"]]},
        {"Filters": named(("key-name", ["*1"]), ("fingerprint", [made["KeyFingerprint"]]))},
    ):
        (shown,) = client.describe_key_pairs(**wanted)["KeyPairs"]
        assert (shown["KeyName"], shown["KeyType"], "PublicKey" in shown) == ("k1", "ed25519", False)
    with refused("InvalidKeyPair.NotFound"):
        client.describe_key_pairs(KeyNames=["k1", "k3"])
    with refused("InvalidKeyPair.NotFound"):
        client.describe_key_pairs(KeyPairIds=["key-00000000000000000"])
    with refused("InvalidKeyPair.Format"):
        client.describe_key_pairs(KeyPairIds=["k1"])


def test_a_key_is_deleted_by_name_or_id_and_twice_is_fine(ec2: Ec2):
    client = ec2.client()
    for name in ("k1", "k2"):
        client.import_key_pair(KeyName=name, PublicKeyMaterial=PUBLIC.encode())
    by_id = client.describe_key_pairs(KeyNames=["k1"])["KeyPairs"][0]["KeyPairId"]
    for _ in range(2):
        assert client.delete_key_pair(KeyPairId=by_id)["Return"] is True
        assert client.delete_key_pair(KeyName="k2")["Return"] is True
    assert client.describe_key_pairs()["KeyPairs"] == []
    with refused("InvalidParameterCombination"):
        client.delete_key_pair()


def test_another_users_key_pairs_are_not_there(ec2: Ec2):
    made = ec2.client().import_key_pair(KeyName="k1", PublicKeyMaterial=PUBLIC.encode())
    stranger = ec2.client("stranger")
    assert stranger.describe_key_pairs()["KeyPairs"] == []
    stranger.delete_key_pair(KeyPairId=made["KeyPairId"])
    stranger.delete_key_pair(KeyName="k1")
    assert len(ec2.client().describe_key_pairs()["KeyPairs"]) == 1


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"KeyName": ""}, "InvalidParameterValue"),
        ({"KeyName": "x" * 256}, "InvalidParameterValue"),
        ({"KeyName": "é"}, "InvalidParameterValue"),
        ({"KeyName": "k", "KeyType": "ed25519"}, "UnsupportedOperation"),
        ({"KeyName": "k", "KeyFormat": "ppk"}, "UnsupportedOperation"),
        ({"KeyName": "k", "TagSpecifications": [{"ResourceType": "key-pair", "Tags": []}]}, "UnsupportedOperation"),
    ],
)
def test_a_key_that_cannot_be_made_is_refused(ec2: Ec2, params: dict, code: str):
    with refused(code):
        ec2.client().create_key_pair(**params)


@pytest.mark.parametrize("material", [b"", b"\xff\xfe", b"ssh-rsa AAAA", PUBLIC.encode() + b"\nssh-rsa x"])
def test_what_is_no_openssh_key_is_not_imported(ec2: Ec2, material: bytes):
    with refused("InvalidKey.Format"):
        ec2.client().import_key_pair(KeyName="k", PublicKeyMaterial=material)


# -- images ----------------------------------------------------------------------------------------------


def image_ids(answer: dict) -> list[str]:
    return [each["ImageId"] for each in answer["Images"]]


def test_images_are_chosen_by_id_owner_and_filter(ec2: Ec2):
    mine = ec2.ami(name="mine", visibility="private", properties={"architecture": "aarch64"})
    others = ec2.ami(name="others", owner="someone", status="queued")
    client = ec2.client()
    assert image_ids(client.describe_images()) == [mine, others]
    assert image_ids(client.describe_images(Owners=["self"])) == [mine]
    assert image_ids(client.describe_images(Owners=["someone", "amazon"])) == [others]
    assert image_ids(client.describe_images(ImageIds=[others])) == [others]
    assert image_ids(client.describe_images(ExecutableUsers=["all"])) == [others]
    assert image_ids(client.describe_images(Filters=named(("state", ["available"])))) == [mine]
    assert image_ids(client.describe_images(Filters=named(("name", ["oth*"]), ("is-public", ["true"])))) == [others]
    assert image_ids(client.describe_images(Filters=named(("architecture", ["arm64"])))) == [mine]
    (shown,) = client.describe_images(ImageIds=[mine])["Images"]
    assert (shown["Public"], shown["State"], shown["OwnerId"]) == (False, "available", PROJECT)
    assert shown["CreationDate"] == "2023-11-14T22:13:20.000Z"


def test_an_image_the_project_cannot_see_is_not_there(ec2: Ec2):
    secret, everybodys = ec2.ami(visibility="private"), ec2.ami(visibility="community")
    stranger = ec2.client("stranger")
    assert image_ids(ec2.client().describe_images(ImageIds=[secret])) == [secret]  # and now its id is remembered
    with refused("InvalidAMIID.NotFound"):
        stranger.describe_images(ImageIds=[secret])
    assert image_ids(stranger.describe_images()) == []
    assert image_ids(stranger.describe_images(ImageIds=[everybodys])) == [everybodys]


def test_images_come_in_pages(ec2: Ec2):
    made = [ec2.ami() for _ in range(7)]
    pages = list(ec2.client().get_paginator("describe_images").paginate(PaginationConfig={"PageSize": 5}))
    assert [image_ids(page) for page in pages] == [made[:5], made[5:]]


# -- types, regions, zones, consoles ---------------------------------------------------------------------


def test_instance_types_are_the_flavors_the_project_is_offered(ec2: Ec2):
    hidden = {"id": "9", "name": "hidden", "vcpus": 1, "memory_mb": 1, "disk_gb": 0, "is_public": False}
    ec2.write(lambda tx: flavors.add(tx, **hidden, extra_specs="{}", created_at=0.0))
    client = ec2.client()
    found = {each["InstanceType"]: each for each in client.describe_instance_types()["InstanceTypes"]}
    assert sorted(found) == ["big", "huge", "tiny"]
    assert found["big"]["VCpuInfo"]["DefaultVCpus"] == 8
    assert found["big"]["MemoryInfo"] == {"SizeInMiB": 4096}
    assert found["big"]["InstanceStorageInfo"]["TotalSizeInGB"] == 20
    chosen = client.describe_instance_types(Filters=named(("vcpu-info.default-vcpus", ["1"])))["InstanceTypes"]
    assert [each["InstanceType"] for each in chosen] == ["tiny"]
    assert len(client.describe_instance_types(InstanceTypes=["tiny"])["InstanceTypes"]) == 1
    with refused("InvalidInstanceType"):
        client.describe_instance_types(InstanceTypes=["hidden"])


def test_there_is_one_region_and_the_hosts_zones(ec2: Ec2):
    client = ec2.client()
    (region,) = client.describe_regions()["Regions"]
    assert (region["RegionName"], region["Endpoint"]) == (REGION, "127.0.0.1:8773")
    assert client.describe_regions(Filters=named(("region-name", ["x*"])))["Regions"] == []
    with refused("InvalidParameterValue"):
        client.describe_regions(RegionNames=["moon"])
    assert client.describe_availability_zones()["AvailabilityZones"] == []
    ec2.cloud.start()
    (zone,) = client.describe_availability_zones(ZoneNames=["nova"])["AvailabilityZones"]
    assert (zone["ZoneName"], zone["State"], zone["RegionName"]) == ("nova", "available", REGION)
    with refused("InvalidParameterValue"):
        client.describe_availability_zones(ZoneNames=["internal"])


def test_a_console_is_empty_first_and_then_what_the_guest_wrote(ec2: Ec2):
    (instance,) = ec2.run()
    client = ec2.client()
    assert client.get_console_output(InstanceId=instance)["Output"] == ""
    ec2.cloud.start("compute", "network", "scheduler")
    client.get_waiter("instance_running").wait(InstanceIds=[instance], WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})
    answer = client.get_console_output(InstanceId=instance)
    native = ec2.cloud.api.request("POST", f"/servers/{ec2.row(instance).id}/action", {"os-getConsoleOutput": {}})
    assert answer["Output"] == native.json["output"] != ""
    assert re.fullmatch(r"20\d\d", str(answer["Timestamp"].year))
    for access, code in (("reader", "UnauthorizedOperation"), ("stranger", "InvalidInstanceID.NotFound")):
        with refused(code):
            ec2.client(access).get_console_output(InstanceId=instance)
