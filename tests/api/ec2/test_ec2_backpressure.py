"""EC2 while too much is under way: come back later, in its own words."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from iaas.jobs import submit
from tests.fixtures.ec2 import Ec2, ec2

__all__ = ["ec2"]


@pytest.mark.parametrize("action", ["run_instances", "stop_instances", "start_instances", "reboot_instances"])
def test_work_is_unavailable_with_retry_after_while_too_much_is_under_way(ec2: Ec2, action: str):
    instance = ec2.run()[0]  # nobody works: it stays under way
    few = ec2.clients.settings.replace({"jobs.max_pending": 1})
    ec2.clients.backlog = submit.Backlog(ec2.clients.db, few)
    words = {"InstanceIds": [instance]}
    if action == "run_instances":
        words = {"ImageId": ec2.ami(), "InstanceType": "tiny", "MinCount": 1, "MaxCount": 1}
    with pytest.raises(ClientError) as refused:
        getattr(ec2.client(), action)(**words)
    answer = refused.value.response
    assert answer["Error"]["Code"] == "Unavailable"
    told = answer["ResponseMetadata"]
    assert (told["HTTPStatusCode"], told["HTTPHeaders"]["retry-after"]) == (503, "5")
    assert ec2.client().terminate_instances(InstanceIds=[instance])["TerminatingInstances"]
