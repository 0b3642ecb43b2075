"""Who may call what: every operation of every API, asked by everybody (T32).

What is expected comes from the policy tables by the small evaluator below, which shares no code with the product's,
and lies in `policy_matrix.json` so that a changed rule is seen in review.  After a change that is meant::

    IAAS_WRITE_TABLES=1 .venv/bin/python -m pytest tests/tables/test_policy_matrix.py
"""

from __future__ import annotations

import ast
import json
import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import iaas
from iaas.api import ec2
from iaas.cmd.clients import RULES as CONTROLLER_RULES
from iaas.common import policy
from iaas.common.rest import pipeline
from iaas.common.rest.operations import PUBLIC
from iaas.identity.policies import RULES as IDENTITY_RULES
from iaas.image.policies import RULES as IMAGE_RULES
from tests.fixtures import matrix, matrix_bodies
from tests.fixtures.matrix import PERSONAS, Row, World, shared_world, world

__all__ = ["shared_world", "world"]
FILE = Path(__file__).with_name("policy_matrix.json")
ROWS = {str(row): row for row in matrix.rows()}
CONTROLLER = {**policy.BASE, **{name: check for table in CONTROLLER_RULES for name, check in table.items()}}
TABLES = {
    **dict.fromkeys(("compute", "network", "volume", "ec2"), CONTROLLER),
    "identity": {**policy.BASE, **IDENTITY_RULES},
    "image": {**policy.BASE, **IMAGE_RULES},
}
_TOKEN = re.compile(r"\s*((?:%\(\w+\)s|[^\s()])+|\(|\))")


def decides(rules: dict[str, str], check: str, caller: dict[str, Any], target: dict[str, Any]) -> bool:
    """Whether a check lets the caller do it: ``or`` of ``and`` of ``not`` of words and brackets."""
    words = _TOKEN.findall(check)

    def either() -> bool:
        found = both()
        while words and words[0].lower() == "or":
            words.pop(0)
            found = both() or found
        return found

    def both() -> bool:
        found = one()
        while words and words[0].lower() == "and":
            words.pop(0)
            found = one() and found
        return found

    def one() -> bool:
        word = words.pop(0)
        if word.lower() == "not":
            return not one()
        if word == "(":
            found = either()
            assert words.pop(0) == ")"
            return found
        if word in "@!":
            return word == "@"
        kind, _, value = word.partition(":")
        if kind == "rule":
            return decides(rules, rules[value], caller, target)
        if kind == "role":
            return value in caller["roles"]
        if value.startswith("%("):
            return kind in caller and caller[kind] is not None and target.get(value[2:-2]) == caller[kind]
        return caller.get(kind) == value

    found = either()
    assert not words, check
    return found


def caller_of(who: str) -> dict[str, Any]:
    """A persona in the words of rules; users are called as their personas."""
    project, roles = PERSONAS[who]
    return {"roles": roles, "project_id": project, "user_id": who}


def allowed(api: str, rule: str, who: str, target: dict[str, Any] | None = None) -> bool:
    """Whether the tables let ``who`` call an operation about ``target``, by default about what is their own."""
    caller = caller_of(who)
    own = {"project_id": caller["project_id"], "user_id": who}
    return decides(TABLES[api], TABLES[api][rule], caller, own if target is None else target)


def table() -> dict[str, dict[str, Any]]:
    """What the policy tables say today."""
    asked = {name: (row.api, row.operation.policy) for name, row in ROWS.items()}
    asked |= {f"ec2 {action.name}": ("ec2", action.policy) for action in ec2.actions()}
    found: dict[str, dict[str, Any]] = {}
    for name, (api, rule) in sorted(asked.items()):
        may = ["everybody"] if rule == PUBLIC else [who for who in PERSONAS if allowed(api, rule, who)]
        found[name] = {"rule": rule, "may": " ".join(may)}
    return found


def test_the_committed_table_is_what_the_rules_say() -> None:
    lines = [f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in table().items()]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    if os.environ.get("IAAS_WRITE_TABLES"):
        FILE.write_text(text)
    committed = json.loads(FILE.read_text())
    missing = [name for name in table() if name not in committed]
    assert not missing, f"write {FILE.name} again (IAAS_WRITE_TABLES=1) and look at the difference: {missing}"
    assert committed == table(), f"a rule was changed: write {FILE.name} again (IAAS_WRITE_TABLES=1) if it is meant"


@pytest.mark.parametrize(("check", "expected"), [
    ("@", True), ("!", False), ("role:a and not role:b", True), ("role:b or role:a and role:b", False),
    ("(role:b or role:a) and project_id:%(project_id)s", True), ("user_id:%(user_id)s", False), ("not @", False),
    ("rule:yes", True), ("system_scope:all", False),
])  # fmt: skip
def test_the_evaluator_reads_checks_as_the_product_does(check: str, expected: bool) -> None:
    from iaas.common import context

    caller = {"roles": ("a",), "project_id": "p", "user_id": None}
    assert decides({"yes": "@"}, check, caller, {"project_id": "p", "user_id": "u"}) is expected
    ctx = context.RequestContext("req-1", user_id="x", project_id="p", roles=("a",))
    rules = policy.Policy([{"yes": "@", "asked": check}])
    assert rules.allows(ctx, "asked", {"project_id": "p", "user_id": "u"}) is expected


# -- and what is answered -------------------------------------------------------------------------------------

#: operations whose handler asks for more than the operation's rule says, and why
STRICTER = {
    "compute GET /limits": "a token without a project has none",
    "identity POST /credentials": "whose credential it is stands in the body",
    "identity POST /ec2tokens": "401 is the answer to a wrong signature",
    "identity POST /users/{user_id}/password": "401 is the answer to a wrong old password",
    "identity GET /auth/catalog": "a token without a scope has none",
    "identity GET /role_assignments": "everybody's assignments are another rule than one's own",
    "identity DELETE /users/{user_id}/access_rules/{rule_id}": "not while a credential has it",
    "identity DELETE /domains/{domain_id}": "not while it is enabled",
    "image PUT /images/{image_id}/members/{member_id}": "the answer is the other project's",
    "image POST /images/{image_id}/actions/deactivate": "403 is the published answer for an image without data",
    "image POST /images/{image_id}/actions/reactivate": "403 is the published answer for an image without data",
}
#: of whom the target is that a path of project A's things names: the member, in project A
TARGET = {"project_id": "a", "user_id": "member"}


@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in ROWS.items()])
def test_everybody_is_answered_as_the_rules_say(world: World, row: Row) -> None:
    operation, name = row.operation, str(row)
    body = matrix_bodies.sample(operation.body.values[-1].schema) if operation.body is not None else None
    for who in ("nobody", "bad_token"):
        answer = world.send(row, body, who)
        if operation.body is None or operation.policy != PUBLIC:  # a log-in is public, and refused by a 401
            assert (answer.status == 401) == (operation.policy != PUBLIC), (who, answer.status, answer.data)
        assert answer.status < 500
        if answer.status == 401:
            assert answer.headers["Www-Authenticate"].startswith("Keystone uri=")
            assert matrix.is_fault(row.api, answer)
        assert operation.policy == PUBLIC or not world.changed()
        world.restore()
    for who in PERSONAS:
        answer = world.send(row, body, who)
        assert answer.status < 500 or answer.status == 501, (who, answer.status, answer.data)
        if operation.policy != PUBLIC and not allowed(row.api, operation.policy, who):
            assert answer.status == 403, (who, answer.status, answer.data)
            assert not world.changed()
        elif operation.policy != PUBLIC and name not in STRICTER:
            about = TARGET if "{" in operation.path else None
            if allowed(row.api, operation.policy, who, about):
                assert answer.status not in (401, 403), (who, answer.status, answer.data)
            elif "{" in operation.path and row.api == "identity":
                assert answer.status in (403, 404), (who, answer.status, answer.data)
                assert not world.changed()
        if answer.status >= 400:
            assert matrix.is_fault(row.api, answer), answer.data
        world.restore()


@pytest.mark.parametrize("name", [action.name for action in ec2.actions()])
def test_ec2_actions_are_refused_by_the_same_rules(world: World, name: str) -> None:
    actions = ec2.actions()
    rule = next(action.policy for action in actions if action.name == name)
    for who in PERSONAS:
        pairs = [("Action", name), ("Version", "2016-11-15"), ("DryRun", "true")]
        status, document = actions.dispatch(world.clients, world.context(who), pairs, "req-1")
        assert status < 500, document
        denied = b"UnauthorizedOperation" in document or b"AccessDenied" in document
        assert denied != allowed("ec2", rule, who), (who, status, document)
        assert not world.changed()
        world.restore()


# -- start-up -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["compute", "network", "volume", "ec2", "image", "identity"])
def test_a_service_with_an_operation_without_a_rule_does_not_start(name: str) -> None:
    empty = SimpleNamespace(policy=policy.Policy([{}]))
    with pytest.raises(policy.UnknownRule):
        pipeline.load(name, empty)


def test_a_policy_file_that_asks_for_an_unknown_rule_does_not_start(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text('"compute:servers:create": "rule:no_such_rule"\n')
    rules = policy.Policy(CONTROLLER_RULES, str(file))
    with pytest.raises(policy.UnknownRule, match="no_such_rule"):
        rules.require_rules([])


def test_every_rule_the_code_names_is_declared() -> None:
    """A rule a handler asks for by a wrong name would be a 500 at run time."""
    known = CONTROLLER.keys() | TABLES["identity"].keys() | TABLES["image"].keys()
    form = re.compile(r"identity:[a-z_0-9]*[a-z]|(compute|network|volume|image):[a-z_]+:[a-z_:]*[a-z]")
    for path in Path(iaas.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and form.fullmatch(node.value):
                assert node.value in known, f"{path.name}:{node.lineno} {node.value}"
