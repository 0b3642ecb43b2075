"""T32: every operation against every kind of caller, and who a delegated token may call."""

from __future__ import annotations

import pytest

from iaas.common import errors
from iaas.common.rest.operations import PUBLIC
from iaas.identity import app
from tests.api.identity.test_ec2 import ask, make_key, signed

OPERATIONS = [operation for resource in app.resources() for operation in resource]
IDS = [f"{operation.method} {operation.path}" for operation in OPERATIONS]

#: what a user without any role may call: about its own token, or about itself
OWN = {
    "identity:validate_own_token",
    "identity:revoke_own_token",
    "identity:get_auth_projects",
    "identity:get_auth_domains",
    "identity:get_auth_system",
    "identity:get_auth_catalog",
    "identity:get_region",
    "identity:list_regions",
    "identity:get_limit_model",
    "identity:change_password",
    # refused or answered by the target
    "identity:get_user",
    "identity:list_user_projects",
    "identity:list_groups_for_user",
    "identity:check_user_in_group",
    "identity:get_project",
    "identity:list_project_tags",
    "identity:get_domain",
    "identity:list_own_role_assignments",
    *(f"identity:{verb}_credential" for verb in ("get", "create", "update", "delete")),
    *(f"identity:ec2_{verb}_credential" for verb in ("get", "create", "delete")),
    *(f"identity:{verb}_application_credential" for verb in ("get", "create", "delete")),
    *(f"identity:{verb}_access_rule" for verb in ("get", "delete")),
    "identity:list_application_credentials",
    "identity:list_access_rules",
    "identity:list_credentials",
    "identity:ec2_list_credentials",
}
DELEGATED = {
    ("POST", "/auth/tokens"),
    ("GET", "/auth/tokens"),
    ("DELETE", "/auth/tokens"),
    ("GET", "/auth/projects"),
    ("GET", "/auth/domains"),
    ("GET", "/auth/system"),
    ("GET", "/auth/catalog"),
    ("GET", "/users/{user_id}/projects"),
    ("GET", "/projects/{project_id}"),
    ("GET", "/domains/{domain_id}"),
    ("GET", "/regions"),
    ("GET", "/regions/{region_id}"),
    ("GET", "/limits/model"),
}


def path_of(operation):
    """A path of the operation about things that are not there."""
    return "/v3" + "/".join("absent" if part.startswith("{") else part for part in operation.path.split("/"))


def send(cloud, operation, token):
    return cloud.request(operation.method, path_of(operation), token=token, X_Subject_Token="absent")


@pytest.mark.parametrize("operation", OPERATIONS, ids=IDS)
def test_t32_no_operation_but_the_log_in_is_for_anybody(cloud, operation):
    status = send(cloud, operation, None).status_int
    assert status == (400 if operation.policy == PUBLIC else 401)
    assert (operation.policy == PUBLIC) == (operation.key[:2] == ("POST", "/auth/tokens"))
    if operation.policy != PUBLIC:
        assert send(cloud, operation, "gAAAAAnonsense").status_int == 401


def test_t32_who_has_no_right_gets_403_before_anything_is_looked_up(cloud):
    token = cloud.user(roles=("reader",)).token()
    refused = [op for op in OPERATIONS if op.policy != PUBLIC and op.policy not in OWN]
    assert len(refused) > 80
    for operation in refused:
        assert send(cloud, operation, token).status_int == 403, operation.key


def test_t32_a_rule_that_nobody_declared_stops_the_start(cloud, monkeypatch):
    monkeypatch.delitem(cloud.clients.policy.rules, "identity:list_users")
    with pytest.raises(errors.IaasError, match="identity:list_users"):
        app.make(cloud.settings, cloud.clients)


def test_t32_a_policy_file_with_an_unknown_rule_or_that_cannot_be_read_stops_the_start(cloud, tmp_path):
    wrong = tmp_path / "policy.yaml"
    wrong.write_text('"identity:list_usesr": "@"\n')
    for path in (wrong, tmp_path / "absent"):
        with pytest.raises(errors.Invalid):
            app.make_clients(cloud.settings.replace({"api.policy_file": str(path)}))


def test_t29_a_delegated_token_may_call_this_list_and_no_more(cloud):
    alice = cloud.user(roles=("admin",))
    key = make_key(cloud, alice).json["credential"]
    service = cloud.token("iaas", "service password", {"project": {"name": "service", "domain": {"id": "default"}}})
    token = ask(cloud, service, signed(key["access"], key["secret"])).headers["X-Subject-Token"]
    for operation in OPERATIONS:
        status = send(cloud, operation, token).status_int
        if operation.key[:2] in DELEGATED:
            assert status in (200, 400, 404), operation.key
        else:
            # a body that is missing is seen first where one is needed
            assert status == 403 or (status == 400 and operation.body is not None), (operation.key, status)


def test_a_service_may_validate_and_nothing_else_of_an_administrators(cloud):
    user = cloud.user("agent", roles=("service",))
    token = user.token()
    answer = cloud.request("GET", "/v3/auth/tokens", token=token, X_Subject_Token=cloud.token())
    assert answer.status_int == 200
    for method, path in (("GET", "/v3/users"), ("POST", "/v3/users"), ("GET", "/v3/role_assignments")):
        body = {"user": {"name": "x"}} if method == "POST" else None
        assert cloud.request(method, path, body, token).status_int == 403


def test_system_readers_read_everything_and_change_nothing(cloud):
    alice = cloud.user(roles=())
    grant = f"/v3/system/users/{alice.id}/roles/{cloud.ids.role_ids['reader']}"
    cloud.request("PUT", grant, token=cloud.token())
    token = alice.token({"system": {"all": True}})
    for path in ("users", "groups", "projects", "domains", "roles", "services", "endpoints", "role_assignments"):
        assert cloud.request("GET", f"/v3/{path}", token=token).status_int == 200
    assert cloud.request("POST", "/v3/projects", {"project": {"name": "x"}}, token).status_int == 403
    assert cloud.request("DELETE", f"/v3/users/{cloud.ids.user_id}", token=token).status_int == 403
