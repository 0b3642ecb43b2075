"""Every declared operation of every API, quantified over the tables."""

from __future__ import annotations

import pytest

from iaas.cmd.clients import RULES
from iaas.common import policy
from iaas.common.rest.operations import PUBLIC
from iaas.common.rest.pipeline import DEFAULT_FILE
from iaas.identity import policies as identity_policies
from iaas.image import policies as image_policies


def apis():
    from iaas.api.compute import app as compute
    from iaas.api.network import app as network
    from iaas.api.volume import app as volume
    from iaas.identity import app as identity
    from iaas.image import app as image

    return [factory.app_factory({}) for factory in (compute, network, volume, identity, image)]


OPERATIONS = [
    pytest.param(api, operation, id=f"{api.name} {operation.method} {operation.path} {operation.action or ''}")
    for api in apis()
    for operation in (*api.operations, *api.roots)
]
KNOWN = {
    **policy.BASE,
    **{rule: check for table in RULES for rule, check in table.items()},
    **identity_policies.RULES,
    **image_policies.RULES,
}


@pytest.mark.parametrize(("api", "operation"), OPERATIONS)
def test_every_operation_has_a_rule_that_exists(api, operation):
    assert operation.policy == PUBLIC or operation.policy in KNOWN


@pytest.mark.parametrize(("api", "operation"), OPERATIONS)
def test_every_operation_says_in_one_line_what_it_does(api, operation):
    assert operation.summary.endswith(".")


@pytest.mark.parametrize(("api", "operation"), OPERATIONS)
def test_what_takes_a_body_declares_its_schema(api, operation):
    if operation.action is not None:
        assert operation.body is not None


def test_the_misspelt_rule_is_a_refusal_and_not_a_permission():
    from iaas.common import context

    rules = policy.Policy([{"a:b": "rule:no_such_rule"}])
    caller = context.RequestContext("req-1", user_id="u", project_id="p", roles=("admin",))
    assert not rules.allows(caller, "a:b")
    with pytest.raises(policy.UnknownRule):
        rules.allows(caller, "a:c")


def test_every_pipeline_is_guarded():
    lines = [line for line in DEFAULT_FILE.read_text().splitlines() if line.startswith("pipeline =")]
    assert len(lines) == 7
    assert all(line.split("=")[1].split()[0].startswith("guard_") for line in lines)
