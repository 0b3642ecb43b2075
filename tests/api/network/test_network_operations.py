"""The table of operations: each has a declared policy and a place in the published contract."""

from __future__ import annotations

import pytest

from iaas.api.network.app import resources
from iaas.common.rest.operations import PUBLIC, Operation
from iaas.network.policies import RULES
from tests.fixtures import contract
from tests.fixtures.network import NetworkCloud

OPERATIONS = [operation for resource in resources() for operation in resource]
WITH_ID = [operation for operation in OPERATIONS if "{" in operation.path and operation.method != "PUT"]
UNPUBLISHED = {"/", "/quotas/{project_id}/details.json"}  # the second is how openstacksdk spells `details`


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: f"{operation.method} {operation.path}")
def test_each_operation_is_published_guarded_and_described(operation: Operation):
    assert operation.policy in RULES
    assert operation.policy != PUBLIC
    assert operation.summary
    if operation.path not in UNPUBLISHED:
        published = contract.find_operation("network", operation.method, f"/v2.0{operation.path}")
        assert published is not None
        assert operation.status in published.statuses


@pytest.mark.parametrize("operation", WITH_ID, ids=lambda operation: f"{operation.method} {operation.path}")
def test_each_operation_refuses_ids_that_are_none(operation: Operation):
    demo = NetworkCloud().as_user("demo")
    start, _, rest = operation.path.partition("{")
    for text in ("%00", "%ff", "..", "a" * 3000, "'%20or%201=1--"):
        answer = demo.send(operation.method, f"/v2.0{start}{text}{rest.partition('}')[2]}")
        assert answer.status in (403, 404), (text, answer.body)
