"""The way of a request through the table of actions, whatever it holds."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from iaas.api.ec2 import errors as ec2
from iaas.api.ec2.action import Actions, Call
from iaas.common import errors
from iaas.common.context import RequestContext

CTX = RequestContext(request_id="req-1", project_id="p", roles=("member",))
RULE = "compute:servers:create"


class Rules:
    """A policy that allows what is listed and remembers what it was asked."""

    def __init__(self, *allowed):
        self.allowed = allowed
        self.asked = []

    def check(self, ctx, rule, target=None):
        self.asked.append(rule)
        if rule not in self.allowed:
            raise errors.Forbidden(action=rule)


@pytest.fixture
def clients():
    return SimpleNamespace(policy=Rules(RULE))


@pytest.fixture
def calls():
    return []


@pytest.fixture
def actions(calls):
    table = Actions()

    @table.action("StartInstances", policy=RULE)
    def start_instances(call: Call):
        """Start them."""
        calls.append(call)
        return {"instancesSet": [{"instanceId": instance_id} for instance_id in call.params["InstanceId"]]}

    @table.action("StopInstances", policy=RULE, checks_dry_run=True)
    def stop_instances(call: Call):
        if call.params["InstanceId"] == ["i-missing"]:
            raise ec2.InvalidInstanceIdNotFound(id="i-missing")
        call.stop_if_dry_run()
        calls.append(call)
        return {"instancesSet": []}

    @table.action("RebootInstances", policy="compute:servers:reboot")
    def reboot_instances(call: Call):
        calls.append(call)

    @table.action("GetConsoleOutput", policy=RULE)
    def get_console_output(call: Call):
        raise call.clients.failure

    return table


def send(actions, clients, *pairs, **params):
    """The status, and the AWS code of the error if it was one."""
    status, document = actions.dispatch(clients, CTX, [*params.items(), *pairs], "req-1")
    text = document.decode()
    assert "req-1" in text
    code = re.search("<Code>(.*)</Code><Message>.+</Message>", text)
    return status, code and code[1]


def test_an_action_reaches_its_handler_with_typed_parameters(actions, clients, calls):
    pairs = [("Action", "StartInstances"), ("InstanceId.1", "i-1"), ("DryRun", "false")]
    status, document = actions.dispatch(clients, CTX, pairs, "req-1")
    assert status == 200
    assert b"<instancesSet><item><instanceId>i-1</instanceId></item></instancesSet>" in document
    assert calls == [Call(clients, CTX, {"InstanceId": ["i-1"], "DryRun": False}, "req-1")]


@pytest.mark.parametrize(
    ("pairs", "code"),
    [
        ([], "MissingAction"),
        ([("Action", "")], "InvalidAction"),
        ([("Action", "Nonsense")], "InvalidAction"),
        ([("Action", "CreateVpc")], "InvalidAction"),
        ([("Action", "DescribeInstances")], "InvalidAction"),
        ([("Action", "StartInstances"), ("Action", "StopInstances")], "InvalidParameterValue"),
        ([("Action", "StartInstances")], "MissingParameter"),
        ([("Action", "StartInstances"), ("InstanceId.1", "i"), ("Nonsense", "1")], "UnknownParameter"),
        ([("Action", "StartInstances"), ("InstanceId.1", "i"), ("DryRun", "1")], "InvalidParameterValue"),
    ],
)
def test_a_request_that_cannot_succeed_is_refused_before_the_handler(actions, clients, calls, pairs, code):
    assert send(actions, clients, *pairs) == (400, code)
    assert not calls


def test_an_action_that_is_published_but_not_here_is_told_from_one_that_does_not_exist(actions, clients):
    assert b"not implemented by this cloud" in actions.dispatch(clients, CTX, [("Action", "CreateVpc")], "r")[1]
    assert b"not valid" in actions.dispatch(clients, CTX, [("Action", "CreateVpcs")], "r")[1]


def test_policy_comes_before_parameters_and_handler(actions, clients, calls):
    assert send(actions, clients, Action="RebootInstances", Nonsense="1") == (403, "UnauthorizedOperation")
    assert clients.policy.asked == ["compute:servers:reboot"]
    assert not calls


def test_a_dry_run_is_told_what_a_real_one_would_be_and_changes_nothing(actions, clients, calls):
    dry = {"InstanceId.1": "i-1", "DryRun": "true"}
    assert send(actions, clients, Action="StartInstances", **dry) == (412, "DryRunOperation")
    assert send(actions, clients, Action="StopInstances", **dry) == (412, "DryRunOperation")
    assert send(actions, clients, Action="RebootInstances", **dry) == (403, "UnauthorizedOperation")
    missing = {**dry, "InstanceId.1": "i-missing"}
    assert send(actions, clients, Action="StopInstances", **missing) == (400, "InvalidInstanceID.NotFound")
    assert not calls


class KeypairGone(errors.IaasError):
    kind = errors.Kind.NOT_FOUND
    template = "Key pair {name} could not be found."


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (errors.NotFound(what="Instance", id="x"), 400, "InvalidInstanceID.NotFound"),
        (errors.NotFound(what="Image", id="x"), 400, "InvalidAMIID.NotFound"),
        (errors.NotFound(what="Teapot", id="x"), 400, "InvalidRequest"),
        (errors.Invalid(reason="bad"), 400, "InvalidRequest"),
        (errors.QuotaExceeded(resource="cores", asked=1, used=1, limit=1), 400, "InstanceLimitExceeded"),
        (errors.QuotaExceeded(resource="volumes", asked=1, used=1, limit=1), 400, "ResourceLimitExceeded"),
        (
            errors.InvalidTransition(event="e", machine="instance", id="x", state="s"),
            400,
            "IncorrectInstanceState",
        ),
        (errors.StateConflict(event="e", machine="volume", id="x"), 400, "IncorrectState"),
        (errors.Unauthenticated(), 401, "AuthFailure"),
        (errors.Forbidden(action="x"), 403, "UnauthorizedOperation"),
        (errors.NoSpace(reason="full"), 500, "InsufficientInstanceCapacity"),
        (errors.Unavailable(reason="later"), 503, "Unavailable"),
        (errors.NotImplementedHere(what="x"), 400, "UnsupportedOperation"),
        (KeypairGone(name="k"), 400, "InvalidKeyPair.NotFound"),
        (KeyError("secret"), 500, "InternalError"),
        (errors.IaasError(), 500, "InternalError"),
    ],
)
def test_the_clouds_errors_have_aws_codes(actions, clients, monkeypatch, failure, status, code):
    monkeypatch.setattr(ec2, "BY_CLASS", {})
    ec2.declare(KeypairGone, ec2.InvalidKeyPairNotFound)
    clients.failure = failure
    assert send(actions, clients, Action="GetConsoleOutput", InstanceId="i-1") == (status, code)


def test_what_broke_inside_is_logged_and_not_told(actions, clients, caplog):
    clients.failure = KeyError("the database password")
    document = actions.dispatch(clients, CTX, [("Action", "GetConsoleOutput"), ("InstanceId", "i")], "r")[1]
    assert b"password" not in document
    assert "the database password" in caplog.text


def test_a_result_the_model_does_not_know_is_an_internal_error(clients):
    table = Actions()
    table.action("StartInstances", policy=RULE)(lambda call: {"instances": []})
    pairs = {"Action": "StartInstances", "InstanceId.1": "i-1"}
    assert send(table, clients, **pairs) == (500, "InternalError")


def test_the_tables_of_the_nouns_add_up(actions):
    whole = Actions([actions, Actions()])
    assert [action.name for action in whole] == [action.name for action in actions]
    assert next(iter(whole)).summary == "Start them."
    with pytest.raises(ValueError, match="twice"):
        Actions([actions, actions])


def test_an_action_outside_the_model_cannot_be_declared():
    with pytest.raises(ValueError, match=r"model\.json"):
        Actions().action("CreateVpcs", policy=RULE)(lambda call: None)


def test_one_class_has_one_code(monkeypatch):
    monkeypatch.setattr(ec2, "BY_CLASS", {})
    ec2.declare(KeypairGone, ec2.AuthFailure)
    with pytest.raises(TypeError):
        type("Copy", (ec2.Ec2Error,), {"code": "AuthFailure"})
    with pytest.raises(ValueError, match="already"):
        ec2.declare(KeypairGone, ec2.InvalidAction)


def test_every_kind_of_error_has_a_code():
    assert set(ec2.BY_KIND) == set(errors.Kind)
    assert all(code == cls.code for code, cls in ec2.Ec2Error.by_code.items())
