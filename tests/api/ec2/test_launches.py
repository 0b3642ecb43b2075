"""RunInstances through boto3."""

from __future__ import annotations

import base64

import pytest

from iaas.common import runtime
from iaas.db import quotas
from tests.fixtures.compute import PROJECT
from tests.fixtures.ec2 import Ec2, refused

TAGS = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "web"}, {"Key": "team", "Value": "é"}]}]


def count_of(ec2: Ec2) -> int:
    return len(ec2.client().describe_instances()["Reservations"])


def test_a_launch_keeps_what_was_asked_for(ec2: Ec2):
    client = ec2.client()
    client.create_key_pair(KeyName="mine")
    image = ec2.ami()
    (instance,) = ec2.run(ImageId=image, KeyName="mine", TagSpecifications=TAGS, UserData="#!/bin/sh\necho é")
    shown = ec2.show(instance)
    assert (shown["KeyName"], shown["InstanceType"], shown["ImageId"]) == ("mine", "tiny", image)
    assert shown["Tags"] == [{"Key": "Name", "Value": "web"}, {"Key": "team", "Value": "é"}]
    assert shown["PrivateDnsName"] == "web"
    native = ec2.native(instance)
    assert native["name"] == "web"
    assert native["metadata"] == {"Name": "web", "team": "é"}
    assert base64.b64decode(ec2.row(instance).user_data).decode() == "#!/bin/sh\necho é"


def test_the_same_client_token_makes_the_same_instances(ec2: Ec2):
    image = ec2.ami()
    first = ec2.run(count=2, ClientToken="once", ImageId=image)
    assert ec2.run(count=2, ClientToken="once", ImageId=image) == first
    assert count_of(ec2) == 1
    with refused("IdempotentParameterMismatch"):
        ec2.run(count=1, ClientToken="once", ImageId=image)
    assert ec2.run(count=2, ClientToken="once", ImageId=image, access="stranger") != first


def test_one_token_sent_by_many_at_once_makes_one_instance(ec2: Ec2):
    image = ec2.ami()
    clients = [ec2.client() for _ in range(6)]
    wanted = {"ImageId": image, "MinCount": 1, "MaxCount": 1, "InstanceType": "tiny", "ClientToken": "race"}
    tasks = [runtime.spawn(lambda client=client: client.run_instances(**wanted)) for client in clients]
    made = {task.wait()["Instances"][0]["InstanceId"] for task in tasks}
    assert len(made) == 1
    assert count_of(ec2) == 1


def test_a_dry_run_checks_everything_and_keeps_nothing(ec2: Ec2):
    image = ec2.ami()
    with refused("DryRunOperation"):
        ec2.run(ImageId=image, DryRun=True)
    with refused("InvalidAMIID.NotFound"):
        ec2.run(ImageId="ami-00000000000000000", DryRun=True)
    with refused("InvalidKeyPair.NotFound"):
        ec2.run(ImageId=image, KeyName="nobody's", DryRun=True)
    with refused("InstanceLimitExceeded"):
        ec2.run(ImageId=image, count=11, DryRun=True)
    with refused("InvalidParameterCombination"):
        ec2.run(ImageId=ec2.ami(min_ram_mb=10_000), DryRun=True)
    assert count_of(ec2) == 0
    used = {row.resource: row.used for row in ec2.write(lambda tx: quotas.of_project(tx, PROJECT))}
    assert used.get("instances", 0) == 0
    assert used.get("ports", 0) == 0
    with refused("UnauthorizedOperation"):
        ec2.run(ImageId=image, DryRun=True, access="reader")


def test_as_many_start_as_the_quota_allows(ec2: Ec2):
    made = ec2.client().run_instances(ImageId=ec2.ami(), InstanceType="tiny", MinCount=2, MaxCount=30)
    assert len(made["Instances"]) == 10
    with refused("InstanceLimitExceeded"):
        ec2.run()


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"ImageId": "ami-1"}, "InvalidAMIID.Malformed"),
        ({"ImageId": "ami-00000000000000000"}, "InvalidAMIID.NotFound"),
        ({"InstanceType": "t2.micro"}, "InvalidParameterValue"),
        ({"KeyName": "none"}, "InvalidKeyPair.NotFound"),
        ({"SecurityGroups": ["none"]}, "InvalidGroup.NotFound"),
        ({"SecurityGroupIds": ["sg-00000000000000000"]}, "InvalidGroup.NotFound"),
        ({"SecurityGroupIds": ["default"]}, "InvalidGroupId.Malformed"),
        ({"SubnetId": "subnet-00000000000000000"}, "InvalidSubnetID.NotFound"),
        ({"PrivateIpAddress": "10.20.0.9"}, "InvalidParameterCombination"),
        ({"Placement": {"AvailabilityZone": "moon"}}, "InvalidParameterValue"),
        ({"Placement": {"Tenancy": "dedicated"}}, "UnsupportedOperation"),
        ({"EbsOptimized": True}, "UnsupportedOperation"),
        ({"Monitoring": {"Enabled": True}}, "UnsupportedOperation"),
        ({"InstanceInitiatedShutdownBehavior": "terminate"}, "UnsupportedOperation"),
        ({"BlockDeviceMappings": [{"DeviceName": "/dev/vda"}]}, "UnsupportedOperation"),
        ({"IamInstanceProfile": {"Name": "x"}}, "UnsupportedOperation"),
        ({"TagSpecifications": [{"ResourceType": "volume", "Tags": []}]}, "UnsupportedOperation"),
        (
            {"TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "aws:x", "Value": ""}]}]},
            "InvalidParameterValue",
        ),
        ({"TagSpecifications": TAGS * 2}, "InvalidParameterValue"),
        ({"ClientToken": "x" * 65}, "InvalidParameterValue"),
        ({"UserData": "x" * 60_000}, "InvalidParameterValue"),
        ({"NetworkInterfaces": [{"DeviceIndex": 1}]}, "UnsupportedOperation"),
        ({"NetworkInterfaces": [{"DeviceIndex": 0, "AssociatePublicIpAddress": True}]}, "UnsupportedOperation"),
        ({"NetworkInterfaces": [{"DeviceIndex": 0}], "SecurityGroups": ["default"]}, "InvalidParameterCombination"),
        ({"count": 0}, "InvalidParameterValue"),
        ({"count": 1001}, "InvalidParameterValue"),
    ],
)
def test_what_cannot_be_done_is_refused_and_nothing_is_made(ec2: Ec2, params: dict, code: str):
    with refused(code):
        ec2.run(**params)
    assert count_of(ec2) == 0


def test_what_is_so_anyway_may_be_asked_for(ec2: Ec2):
    ec2.run(
        EbsOptimized=False,
        Monitoring={"Enabled": False},
        InstanceInitiatedShutdownBehavior="stop",
        DisableApiTermination=False,
        Placement={"Tenancy": "default"},
    )


def test_a_subnet_an_address_and_groups_are_given_either_way(ec2: Ec2):
    shown = ec2.show(ec2.run()[0])
    subnet, group = shown["SubnetId"], shown["SecurityGroups"][0]["GroupId"]
    (flat,) = ec2.run(SubnetId=subnet, SecurityGroupIds=[group])
    nic = {"DeviceIndex": 0, "SubnetId": subnet, "Groups": [group]}
    (nested,) = ec2.run(NetworkInterfaces=[nic])
    for each in (flat, nested):
        again = ec2.show(each)
        assert (again["SubnetId"], again["SecurityGroups"]) == (subnet, shown["SecurityGroups"])
    ec2.run(SecurityGroups=["default"])


def test_another_projects_private_image_is_not_there(ec2: Ec2):
    image = ec2.ami(visibility="private")
    ec2.run(ImageId=image)
    with refused("InvalidAMIID.NotFound"):
        ec2.run(ImageId=image, access="stranger")


def test_an_image_that_is_not_ready_is_unavailable(ec2: Ec2):
    with refused("InvalidAMIID.Unavailable"):
        ec2.run(ImageId=ec2.ami(status="queued"))


def test_a_known_image_is_not_looked_for_again(ec2: Ec2):
    image = ec2.ami()
    ec2.run(ImageId=image)
    before = ec2.images.listed
    ec2.run(ImageId=image)
    assert ec2.images.listed == before


def test_a_zone_places_the_instance(ec2: Ec2):
    ec2.cloud.start()
    (instance,) = ec2.run(Placement={"AvailabilityZone": "nova"})
    assert ec2.show(instance)["Placement"]["AvailabilityZone"] == "nova"


def test_a_launch_costs_few_statements_more_than_the_native_one(ec2: Ec2):
    image = ec2.images.add()
    client = ec2.client()
    wanted = {"InstanceType": "tiny", "MinCount": 1, "MaxCount": 1, "ImageId": ec2.ami()}
    client.run_instances(**wanted)
    native = ec2.statements(lambda: ec2.cloud.boot(imageRef=image.id, networks="auto"))
    # the client token that boto3 makes up (2), the type's name, the ids of the groups shown; what is under way is
    # counted once a second, so that either may count
    assert ec2.statements(lambda: client.run_instances(**wanted)) <= native + 4 + 1
