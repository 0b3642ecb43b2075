"""Unmodified openstacksdk and boto3 in each kind of cloud."""

from __future__ import annotations

import pytest


@pytest.fixture
def sdk(cloud_rc):
    openstack = pytest.importorskip("openstack", reason="NO OPENSTACK SDK: pip install openstacksdk")
    rc = cloud_rc
    connection = openstack.connect(
        load_yaml_config=False, load_envvars=False, auth_url=rc["OS_AUTH_URL"], username=rc["OS_USERNAME"],
        password=rc["OS_PASSWORD"], project_name=rc["OS_PROJECT_NAME"], user_domain_name="Default",
        project_domain_name="Default", region_name=rc["OS_REGION_NAME"],
    )  # fmt: skip
    yield connection
    connection.close()


@pytest.fixture
def ec2(cloud_rc):
    boto3 = pytest.importorskip("boto3", reason="NO BOTO3: pip install boto3")
    return boto3.client(
        "ec2", endpoint_url=cloud_rc["EC2_URL"], aws_access_key_id=cloud_rc["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=cloud_rc["AWS_SECRET_ACCESS_KEY"], region_name=cloud_rc["AWS_DEFAULT_REGION"],
    )  # fmt: skip


def test_the_sdk_creates_finds_and_deletes_a_server(sdk, guest_image):
    made = sdk.create_server(
        "sdk-vm", image=guest_image, flavor="m1.nano", network="shared", wait=True, auto_ip=False, timeout=60
    )
    assert made.status == "ACTIVE"
    assert sdk.get_server("sdk-vm").id == made.id
    assert "login:" in sdk.get_server_console(made.id)
    assert sdk.delete_server("sdk-vm", wait=True, timeout=60)
    assert sdk.get_server("sdk-vm") is None


def test_the_sdk_shares_a_key_an_image_and_a_group(sdk, tmp_path):
    file = tmp_path / "disk"
    file.write_bytes(b"\1" * 4096)
    image = sdk.create_image("sdk-image", filename=str(file), disk_format="raw", container_format="bare", wait=True)
    assert image.status == "active"
    assert sdk.create_keypair("sdk-key").private_key
    group = sdk.create_security_group("sdk-group", "words")
    assert sdk.create_security_group_rule(group.id, port_range_min=80, port_range_max=80, protocol="tcp")
    assert sdk.delete_security_group(group.id)
    assert sdk.delete_keypair("sdk-key")
    assert sdk.delete_image(image.id, wait=True)


def test_boto3_runs_and_terminates_instances(ec2, guest_image):
    image = next(i["ImageId"] for i in ec2.describe_images()["Images"] if i["Name"] == "guest")
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "ec2-vm"}]}]
    made = ec2.run_instances(
        ImageId=image, InstanceType="m1.nano", MinCount=2, MaxCount=2, TagSpecifications=tags, ClientToken="t-1"
    )["Instances"]
    ids = [instance["InstanceId"] for instance in made]
    assert len(ids) == 2
    fast = {"Delay": 1, "MaxAttempts": 60}
    ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig=fast)
    ec2.create_tags(Resources=ids[:1], Tags=[{"Key": "role", "Value": "web"}])
    found = ec2.describe_instances(Filters=[{"Name": "tag:role", "Values": ["web"]}])["Reservations"]
    assert [i["InstanceId"] for r in found for i in r["Instances"]] == ids[:1]
    ec2.stop_instances(InstanceIds=ids[:1])
    ec2.get_waiter("instance_stopped").wait(InstanceIds=ids[:1], WaiterConfig=fast)
    ec2.terminate_instances(InstanceIds=ids)
    ec2.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig=fast)


def test_boto3_keys_types_zones_and_regions(ec2):
    assert ec2.create_key_pair(KeyName="ec2-key")["KeyMaterial"]
    assert [k["KeyName"] for k in ec2.describe_key_pairs(KeyNames=["ec2-key"])["KeyPairs"]] == ["ec2-key"]
    ec2.delete_key_pair(KeyName="ec2-key")
    assert "m1.nano" in [t["InstanceType"] for t in ec2.describe_instance_types()["InstanceTypes"]]
    assert ec2.describe_availability_zones()["AvailabilityZones"]
    assert ec2.describe_regions()["Regions"]
