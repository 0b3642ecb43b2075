"""Log-ins, scopes, validation and lifetimes."""

from __future__ import annotations

import pytest

from iaas.identity import issue
from tests.fixtures.identity import OTHER_PASSWORD, PASSWORD, make_cloud

SYSTEM = {"system": {"all": True}}


def expires(response):
    return issue.seconds(response.json["token"]["expires_at"])


def test_discovery_names_version_3_and_needs_no_token(cloud):
    versions = cloud.request("GET", "/")
    assert versions.status_int == 300
    assert [value["id"] for value in versions.json["versions"]["values"]] == ["v3.14"]
    for path in ("/v3", "/v3/"):
        assert cloud.request("GET", path).json["version"]["links"] == [
            {"rel": "self", "href": "http://127.0.0.1:5000/v3/"}
        ]


def test_t56_links_come_from_the_configuration_and_not_from_the_host_header(cloud):
    shown = cloud.request("GET", "/v3/users", token=cloud.token(), Host="evil.example")
    assert "evil" not in shown.text


def test_a_log_in_by_name_or_id_without_scope_is_unscoped(cloud):
    named = cloud.login()
    by_id = cloud.login(id=cloud.ids.user_id)
    for response in (named, by_id):
        token = response.json["token"]
        assert response.status_int == 201
        assert token["methods"] == ["password"]
        assert token["user"]["domain"] == {"id": "default", "name": "Default"}
        assert not {"project", "roles", "catalog", "domain", "system"} & token.keys()
        assert len(response.headers["X-Subject-Token"]) < 255


def test_a_project_token_has_the_implied_roles_and_a_catalog_for_its_project(cloud):
    token = cloud.login(scope={"project": {"name": "admin", "domain": {"name": "Default"}}}).json["token"]
    assert [role["name"] for role in token["roles"]] == ["admin", "manager", "member", "reader"]
    assert token["is_domain"] is False
    urls = {endpoint["url"] for service in token["catalog"] for endpoint in service["endpoints"]}
    assert urls == {"http://127.0.0.1:5000/v3", f"http://127.0.0.1:8774/v2.1/{cloud.ids.project_id}"}
    assert token["expires_at"][-8:] == token["issued_at"][-8:]  # microseconds and a Z
    assert abs(expires_in(token) - 3600) < 0.001


def expires_in(token):
    return issue.seconds(token["expires_at"]) - issue.seconds(token["issued_at"])


@pytest.mark.parametrize(
    ("scope", "shown"),
    [
        ({"domain": {"id": "default"}}, ("domain", {"id": "default", "name": "Default"})),
        ({"domain": {"name": "Default"}}, ("domain", {"id": "default", "name": "Default"})),
        (SYSTEM, ("system", {"all": True})),
    ],
)
def test_domain_and_system_scopes(cloud, scope, shown):
    token = cloud.login(scope=scope).json["token"]
    assert token[shown[0]] == shown[1]
    assert "admin" in [role["name"] for role in token["roles"]]


def test_a_default_project_is_the_scope_of_who_asks_for_none(cloud):
    alice = cloud.user()
    path = f"/v3/users/{alice.id}"
    changed = cloud.request("PATCH", path, {"user": {"default_project_id": alice.project_id}}, cloud.token())
    assert changed.json["user"]["default_project_id"] == alice.project_id
    assert cloud.login("alice", OTHER_PASSWORD).json["token"]["project"]["id"] == alice.project_id
    assert "project" not in cloud.login("alice", OTHER_PASSWORD, "unscoped").json["token"]
    assert "project" not in cloud.login("alice", OTHER_PASSWORD, {"unscoped": {}}).json["token"]


def test_a_default_project_without_a_role_is_no_scope(cloud):
    other = cloud.user("other")
    cloud.make("user", "users", name="bob", password=OTHER_PASSWORD, default_project_id=other.project_id)
    assert "project" not in cloud.login("bob", OTHER_PASSWORD).json["token"]


def test_t34_every_failed_log_in_is_the_same_answer(cloud):
    alice = cloud.user()
    cloud.make("user", "users", name="disabled", password=OTHER_PASSWORD, enabled=False)
    cloud.make("user", "users", name="no password")
    other = {"project": {"id": cloud.ids.project_id}}
    answers = [
        cloud.login("nobody", OTHER_PASSWORD),
        cloud.login("alice", "wrong"),
        cloud.login("disabled", OTHER_PASSWORD),
        cloud.login("no password", ""),
        cloud.login(id="no-such-id", password=OTHER_PASSWORD),
        cloud.login("alice", OTHER_PASSWORD, domain="no-such-domain"),
        cloud.login("alice", OTHER_PASSWORD, {"project": {"id": "no-such-project"}}),
        cloud.login("alice", OTHER_PASSWORD, {"project": {"name": "no such", "domain": {"id": "default"}}}),
        cloud.login("alice", OTHER_PASSWORD, {"domain": {"name": "no such domain"}}),
        cloud.login("alice", OTHER_PASSWORD, other),
        cloud.login("alice", OTHER_PASSWORD, SYSTEM),
    ]
    assert {answer.status_int for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert alice.id not in answers[0].text
    headers = [{name for name, _ in answer.headerlist} for answer in answers]
    assert all(names == headers[0] for names in headers)


def test_t34_an_unknown_user_costs_a_hash_too(cloud):
    asked = []
    verify = cloud.clients.passwords.verify
    cloud.clients.passwords.verify = lambda kept, password: asked.append(kept) or verify(kept, password)
    cloud.login("nobody", "x")
    assert asked == [None]


def test_t35_a_method_that_is_named_often_is_used_once(cloud):
    asked = []
    verify = cloud.clients.passwords.verify
    cloud.clients.passwords.verify = lambda kept, password: asked.append(kept) or verify(kept, password)
    who = {"user": {"name": "admin", "domain": {"id": "default"}, "password": PASSWORD}}
    auth = {"identity": {"methods": ["password"] * 900, "password": who}}
    response = cloud.request("POST", "/v3/auth/tokens", {"auth": auth})
    assert response.status_int == 201
    assert len(asked) == 1


def test_t35_a_password_over_4096_bytes_is_a_bad_request(cloud):
    assert cloud.login(password="x" * 4097).status_int == 400


@pytest.mark.parametrize(
    "auth",
    [
        {},
        {"identity": {}},
        {"identity": {"methods": []}},
        {"identity": {"methods": ["password"]}},
        {"identity": {"methods": ["password"], "password": {"user": {"name": "admin", "password": "x"}}}},
        {"identity": {"methods": ["password"], "password": {"user": {"id": 1, "password": "x"}}}},
        {"identity": {"methods": ["token"], "token": {}}},
        {"identity": {"methods": "password"}},
    ],
)
def test_a_request_that_cannot_be_understood_is_400(cloud, auth):
    assert cloud.request("POST", "/v3/auth/tokens", {"auth": auth}).status_int == 400


@pytest.mark.parametrize(
    "scope",
    [
        {"project": {"name": "admin"}},
        {"project": {"id": "x"}, "domain": {"id": "y"}},
        {"system": {"all": False}},
        {"elsewhere": {}},
        "somewhere",
        {"project": {}},
    ],
)
def test_a_scope_that_cannot_be_understood_is_400(cloud, scope):
    assert cloud.login(scope=scope).status_int == 400


def test_an_unknown_method_is_401(cloud):
    auth = {"identity": {"methods": ["magic"], "magic": {}}}
    assert cloud.request("POST", "/v3/auth/tokens", {"auth": auth}).status_int == 401


def test_two_methods_must_be_about_the_same_user(cloud):
    alice = cloud.user()
    who = {"user": {"id": alice.id, "password": alice.password}}
    for token, status in ((alice.token(), 201), (cloud.token(), 401)):
        identity = {"methods": ["password", "token"], "password": who, "token": {"id": token}}
        response = cloud.request("POST", "/v3/auth/tokens", {"auth": {"identity": identity}})
        assert response.status_int == status


def test_a_token_is_validated_by_itself_by_its_user_and_by_services_only(cloud):
    alice, bob = cloud.user(), cloud.user("bob")
    service = cloud.token("iaas", "service password", {"project": {"name": "service", "domain": {"id": "default"}}})
    subject = alice.token()
    for token, status in (
        (subject, 200),
        (alice.token(), 200),
        (cloud.token(), 200),
        (service, 200),
        (bob.token(), 403),
    ):
        for method in ("GET", "HEAD"):
            response = cloud.request(method, "/v3/auth/tokens", token=token, X_Subject_Token=subject)
            assert response.status_int == status
            if status == 200:
                assert response.headers["X-Subject-Token"] == subject
    assert not cloud.request("HEAD", "/v3/auth/tokens", token=service, X_Subject_Token=subject).body


def test_the_catalog_is_left_out_on_request(cloud):
    token = cloud.token()
    path = "/v3/auth/tokens"
    assert "catalog" in cloud.request("GET", path, token=token, X_Subject_Token=token).json["token"]
    assert "catalog" not in cloud.request("GET", path + "?nocatalog", token=token, X_Subject_Token=token).json["token"]


def test_what_is_no_token_is_404(cloud):
    alice = cloud.user()
    for token in (cloud.token(), alice.token()):
        response = cloud.request("GET", "/v3/auth/tokens", token=token, X_Subject_Token="gAAAAAbad")
        assert response.status_int == 404
        assert "gAAAAA" not in response.text
    assert cloud.request("GET", "/v3/auth/tokens", token=cloud.token()).status_int == 400
    assert cloud.request("GET", "/v3/auth/tokens", X_Subject_Token=alice.token()).status_int == 401


# -- T27: tokens made from tokens -----------------------------------------------------------------------------


def test_t27_a_hundred_rescopings_never_live_longer_than_the_first_token(cloud):
    first = cloud.login()
    token = first.headers["X-Subject-Token"]
    for turn in range(100):
        scope = SYSTEM if turn % 2 else {"project": {"id": cloud.ids.project_id}}
        response = cloud.rescoped(token, scope)
        assert expires(response) == expires(first)
        assert response.json["token"]["audit_ids"][1] == first.json["token"]["audit_ids"][0]
        token = response.headers["X-Subject-Token"]
        assert len(token) < 255
    assert response.json["token"]["methods"] == ["token", "password"]


def test_t27_an_expired_token_is_dead_and_makes_no_other(cloud, monkeypatch):
    token = cloud.token()
    look = cloud.clients.world.look
    monkeypatch.setattr(cloud.clients.world, "look", lambda ctx: look(ctx)._replace(now=look(ctx).now + 3600.001))
    assert not cloud.alive(token)
    assert cloud.rescoped(token, SYSTEM).status_int == 401


def test_t27_every_byte_of_a_token_counts(cloud):
    token, admin = cloud.token(), cloud.token()
    for place in range(0, len(token), 7):
        wrong = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        assert cloud.request("GET", "/v3/auth/tokens", token=admin, X_Subject_Token=wrong).status_int == 404
        assert cloud.request("GET", "/v3/users", token=wrong).status_int == 401


def test_what_a_token_can_be_scoped_to_is_listed(cloud):
    alice = cloud.user()
    token = alice.token({"project": {"id": alice.project_id}})
    assert [p["id"] for p in cloud.request("GET", "/v3/auth/projects", token=token).json["projects"]] == [
        alice.project_id
    ]
    assert cloud.request("GET", "/v3/auth/domains", token=token).json["domains"] == []
    assert cloud.request("GET", "/v3/auth/system", token=token).json["system"] == []
    assert cloud.request("GET", "/v3/auth/system", token=cloud.token()).json["system"] == [{"all": True}]
    assert cloud.request("GET", "/v3/auth/catalog", token=token).json["catalog"]


def test_t37_headers_that_only_a_filter_may_set_are_nothing(cloud):
    forged = {"X_User_Id": cloud.ids.user_id, "X_Roles": "admin", "X_Identity_Status": "Confirmed"}
    assert cloud.request("GET", "/v3/users", **forged).status_int == 401
    assert cloud.request("GET", "/v3/users", token=cloud.user().token(), **forged).status_int == 403


def test_two_processes_see_each_others_changes_at_the_next_request(cloud):
    other = make_cloud(cloud.settings, cloud.clients.db)
    token = cloud.token()
    assert other.alive(token)
    assert cloud.request("DELETE", "/v3/auth/tokens", token=token, X_Subject_Token=token).status_int == 204
    assert not other.alive(token)
