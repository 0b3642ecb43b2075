"""Instances through boto3."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from iaas.common import context, runtime
from iaas.db import ec2 as rows
from iaas.db.models.ec2 import terminated
from tests.fixtures.ec2 import Ec2

QUICK = {"Delay": 0.05, "MaxAttempts": 400}


def code_of(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return caught.value.response["Error"]["Code"]


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
