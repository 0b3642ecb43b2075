"""Application credentials, what they are good for, and when they end."""

from __future__ import annotations

import datetime
from types import SimpleNamespace

import pytest
import webob

from iaas.identity import middleware
from iaas.identity.client import IdentityClient
from tests.api.identity.test_ec2 import make_key
from tests.api.identity.test_middleware import Wire


@pytest.fixture
def alice(cloud):
    return cloud.user(roles=("manager",))


def create(cloud, person, **values):
    path = f"/v3/users/{person.id}/application_credentials"
    body = {"application_credential": {"name": "agent", **values}}
    return cloud.request("POST", path, body, person.token())


def log_in(cloud, credential, secret=None, scope=None, **by):
    data = {"secret": secret or credential["secret"], **(by or {"id": credential["id"]})}
    auth = {"identity": {"methods": ["application_credential"], "application_credential": data}}
    return cloud.request("POST", "/v3/auth/tokens", {"auth": auth if scope is None else {**auth, "scope": scope}})


def roles_of(response):
    return [role["name"] for role in response.json["token"]["roles"]]


def test_a_program_logs_in_for_the_project_of_its_credential(cloud, alice):
    made = create(cloud, alice).json["application_credential"]
    by_id = log_in(cloud, made)
    by_name = log_in(cloud, made, name="agent", user={"name": "alice", "domain": {"id": "default"}})
    for response in (by_id, by_name, log_in(cloud, made, name="agent", user={"id": alice.id})):
        token = response.json["token"]
        assert (response.status_int, token["project"]["id"], token["user"]["id"]) == (201, alice.project_id, alice.id)
        assert token["application_credential"] == {"id": made["id"], "name": "agent", "restricted": True}
        assert token["methods"] == ["application_credential"]
        assert cloud.alive(response.headers["X-Subject-Token"])


def test_the_secret_is_shown_once_and_kept_as_a_hash(cloud, alice):
    made = create(cloud, alice, secret="chosen by me").json["application_credential"]
    path = f"/v3/users/{alice.id}/application_credentials"
    shown = cloud.request("GET", f"{path}/{made['id']}", token=alice.token())
    rows = cloud.request("GET", f"{path}?name=agent", token=alice.token())
    assert made.pop("secret") == "chosen by me"
    assert shown.json["application_credential"] == rows.json["application_credentials"][0] == made
    with cloud.clients.db.engine.connect() as connection:
        assert "chosen by me" not in "\n".join(connection.connection.driver_connection.iterdump())


def test_t29_it_has_at_most_the_roles_of_its_maker(cloud, alice):
    ids = cloud.ids.role_ids
    assert create(cloud, alice, roles=[{"name": "admin"}]).status_int == 400
    assert create(cloud, alice, roles=[{"id": ids["service"]}]).status_int == 400
    made = create(cloud, alice, roles=[{"name": "member"}]).json["application_credential"]
    assert roles_of(log_in(cloud, made)) == ["member", "reader"]


def test_t29_a_role_its_maker_loses_is_lost(cloud, alice):
    made = create(cloud, alice).json["application_credential"]
    base = f"/v3/projects/{alice.project_id}/users/{alice.id}/roles"
    admin = cloud.token()
    cloud.request("PUT", f"{base}/{cloud.ids.role_ids['reader']}", token=admin)
    cloud.request("DELETE", f"{base}/{cloud.ids.role_ids['manager']}", token=admin)
    assert roles_of(log_in(cloud, made)) == ["reader"]
    cloud.request("PUT", f"{base}/{cloud.ids.role_ids['admin']}", token=admin)
    assert roles_of(log_in(cloud, made)) == ["manager", "member", "reader"]


def test_t34_every_failed_log_in_is_the_same_answer(cloud, alice):
    made = create(cloud, alice).json["application_credential"]
    answers = [
        log_in(cloud, made, secret="wrong"),
        log_in(cloud, {**made, "id": "absent"}),
        log_in(cloud, made, name="absent", user={"id": alice.id}),
        log_in(cloud, made, name="agent", user={"name": "nobody", "domain": {"id": "default"}}),
        log_in(cloud, made, scope={"project": {"id": alice.project_id}}),
        log_in(cloud, made, scope="unscoped"),
        cloud.login("nobody"),
    ]
    assert {answer.status_int for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1


@pytest.mark.parametrize("unrestricted", [False, True])
def test_t29_its_tokens_change_no_secret_and_no_right(cloud, alice, unrestricted):
    made = create(cloud, alice, unrestricted=unrestricted).json["application_credential"]
    token = log_in(cloud, made).headers["X-Subject-Token"]
    base = f"/v3/users/{alice.id}"
    body = {"application_credential": {"name": "another"}}
    tries = [
        cloud.request("POST", f"{base}/application_credentials", body, token),
        cloud.request("DELETE", f"{base}/application_credentials/{made['id']}", token=token),
        make_key(cloud, alice, token),
        cloud.rescoped(token, {"project": {"id": alice.project_id}}),
    ]
    assert [response.status_int for response in tries] == [403] * 4


def test_t30_those_of_others_are_not_to_be_had(cloud, alice):
    made = create(cloud, alice).json["application_credential"]
    bob = cloud.user("bob")
    path = f"/v3/users/{alice.id}/application_credentials"
    for method, where in (("GET", path), ("GET", f"{path}/{made['id']}"), ("DELETE", f"{path}/{made['id']}")):
        assert cloud.request(method, where, token=bob.token()).status_int == 403
    stolen = f"/v3/users/{bob.id}/application_credentials/{made['id']}"
    assert cloud.request("GET", stolen, token=bob.token()).status_int == 404
    body = {"application_credential": {"name": "x"}}
    assert cloud.request("POST", path, body, bob.token()).status_int == 403
    assert cloud.request("POST", path, body, cloud.token()).status_int == 403
    assert create(cloud, alice, project_id=cloud.ids.project_id).status_int == 403


ENDS = {
    "it is deleted": lambda c, p, m: c.request(
        "DELETE", f"/v3/users/{p.id}/application_credentials/{m['id']}", token=p.token()
    ),
    "its user is disabled": lambda c, p, m: c.request(
        "PATCH", f"/v3/users/{p.id}", {"user": {"enabled": False}}, c.token()
    ),
    "its project is disabled": lambda c, p, m: c.request(
        "PATCH", f"/v3/projects/{p.project_id}", {"project": {"enabled": False}}, c.token()
    ),
    "its user loses the roles": lambda c, p, m: c.request(
        "DELETE", f"/v3/projects/{p.project_id}/users/{p.id}/roles/{c.ids.role_ids['manager']}", token=c.token()
    ),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_t26_it_and_its_tokens_end_when(cloud, alice, end):
    made = create(cloud, alice).json["application_credential"]
    token = log_in(cloud, made).headers["X-Subject-Token"]
    assert end(cloud, alice, made).status_int in (200, 204)
    assert not cloud.alive(token)
    assert log_in(cloud, made).status_int == 401


def test_a_token_ends_with_its_credential(cloud, alice, monkeypatch):
    soon = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=90)).replace(tzinfo=None).isoformat()
    made = create(cloud, alice, expires_at=soon).json["application_credential"]
    assert made["expires_at"] == soon
    assert log_in(cloud, made).json["token"]["expires_at"] == soon + "Z"
    look = cloud.clients.world.look
    monkeypatch.setattr(cloud.clients.world, "look", lambda ctx: (m := look(ctx))._replace(now=m.now + 91))
    assert log_in(cloud, made).status_int == 401


@pytest.mark.parametrize("when", ["yesterday", "2001-01-01T00:00:00"])
def test_an_end_that_is_none_is_400(cloud, alice, when):
    assert create(cloud, alice, expires_at=when).status_int == 400


def test_names_are_used_once_and_their_number_is_limited(cloud, alice, monkeypatch):
    monkeypatch.setattr("iaas.identity.api.application_credentials.MAX_PER_USER", 2)
    statuses = [create(cloud, alice, name=name).status_int for name in ("a", "a", "b", "c")]
    assert statuses == [201, 409, 201, 403]


RULE = {"service": "compute", "method": "GET", "path": "/v2.1/servers"}


def test_access_rules_are_kept_while_they_are_used(cloud, alice):
    made = create(cloud, alice, access_rules=[RULE]).json["application_credential"]
    other = create(cloud, alice, name="other", access_rules=[RULE]).json["application_credential"]
    rule_id = made["access_rules"][0]["id"]
    assert other["access_rules"] == [{**RULE, "id": rule_id}]
    base, token = f"/v3/users/{alice.id}", alice.token()
    assert [row["id"] for row in cloud.request("GET", f"{base}/access_rules", token=token).json["access_rules"]] == [
        rule_id
    ]
    path = f"{base}/access_rules/{rule_id}"
    assert cloud.request("DELETE", path, token=token).status_int == 403
    for credential in (made, other):
        cloud.request("DELETE", f"{base}/application_credentials/{credential['id']}", token=token)
    assert cloud.request("GET", path, token=token).json["access_rule"]["path"] == RULE["path"]
    assert cloud.request("DELETE", path, token=token).status_int == 204
    assert cloud.request("GET", path, token=token).status_int == 404


def test_t29_a_token_with_access_rules_is_good_for_nothing_else(cloud, alice):
    made = create(cloud, alice, access_rules=[RULE]).json["application_credential"]
    token = log_in(cloud, made).headers["X-Subject-Token"]
    assert cloud.request("GET", "/v3/auth/projects", token=token).status_int == 401
    client = IdentityClient(cloud.settings, Wire(cloud))

    def seen(path, service, service_token=None):
        contexts = []

        def app(environ, start_response):
            contexts.append(environ.get("iaas.context"))
            start_response("200 OK", [])
            return [b""]

        request = webob.Request.blank(path, headers={"X-Auth-Token": token})
        request.environ["iaas.clients"] = SimpleNamespace(identity=client)
        request.environ["iaas.service"] = service
        if service_token is not None:
            request.headers["X-Service-Token"] = service_token
        request.get_response(middleware.filter_factory({})(app))
        return contexts[0] is not None

    assert seen("/v2.1/servers", "compute")
    assert not seen("/v2.1/servers", "volume")
    assert not seen("/v2.1/flavors", "compute")
    assert not seen("/v2/images", "image", alice.token())
    assert seen("/v2/images", "image", client.token())


def test_t29_a_token_with_access_rules_is_not_validated_for_who_does_not_heed_them(cloud, alice):
    made = create(cloud, alice, access_rules=[RULE]).json["application_credential"]
    token = log_in(cloud, made).headers["X-Subject-Token"]
    path, admin = "/v3/auth/tokens", cloud.token()
    assert cloud.request("GET", path, token=admin, X_Subject_Token=token).status_int == 404
    heeding = {"X_Subject_Token": token, "OpenStack_Identity_Access_Rules": "1"}
    assert cloud.request("GET", path, token=admin, **heeding).json["token"]["application_credential"]["access_rules"]
