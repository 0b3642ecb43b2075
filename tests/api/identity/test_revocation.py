"""T26: what is taken back is gone at the next request, in every kind of token."""

from __future__ import annotations

import pytest

from iaas.identity import periodic
from tests.fixtures.identity import CONTEXT, OTHER_PASSWORD, make_cloud

DOMAIN = {"domain": {"id": "default"}}


class Scene:
    """A user with roles of its own, by a group and by inheritance, and a token of each kind."""

    def __init__(self, cloud):
        self.cloud = cloud
        self.admin = cloud.token()
        self.domain = cloud.make("domain", "domains", name="acme")
        self.user = cloud.make("user", "users", name="alice", password=OTHER_PASSWORD, domain_id=self.domain["id"])
        self.group = cloud.make("group", "groups", name="staff", domain_id=self.domain["id"])
        self.project = cloud.make("project", "projects", name="own", domain_id=self.domain["id"])
        self.other = cloud.make("project", "projects", name="other", domain_id=self.domain["id"])
        self.role = cloud.make("role", "roles", name="tester")
        self.admin = cloud.token()
        self.grant = f"/v3/projects/{self.project['id']}/users/{self.user['id']}/roles/{self.role['id']}"
        self.group_grant = f"/v3/projects/{self.other['id']}/groups/{self.group['id']}/roles/{self.role['id']}"
        self.membership = f"/v3/groups/{self.group['id']}/users/{self.user['id']}"
        for path in (self.grant, self.group_grant, self.membership):
            self.do("PUT", path)

    def do(self, method, path, body=None, status=204):
        assert self.cloud.request(method, path, body, self.admin).status_int == status

    def token(self, scope=None):
        return self.cloud.login(
            password=OTHER_PASSWORD, id=self.user["id"], scope=scope or {"project": {"id": self.project["id"]}}
        ).headers.get("X-Subject-Token")

    def tokens(self):
        by_password = self.token()
        rescoped = self.cloud.rescoped(self.token({"unscoped": {}}), {"project": {"id": self.project["id"]}})
        return [by_password, rescoped.headers["X-Subject-Token"]]

    def patch(self, plural, noun, key, **values):
        self.do("PATCH", f"/v3/{plural}/{key}", {noun: values}, 200)


@pytest.fixture
def scene(cloud):
    return Scene(cloud)


USER_ENDS = {
    "the user is disabled": lambda s: s.patch("users", "user", s.user["id"], enabled=False),
    "the user is deleted": lambda s: s.do("DELETE", f"/v3/users/{s.user['id']}"),
    "an administrator sets a password": lambda s: s.patch("users", "user", s.user["id"], password="new"),
    "the role is taken": lambda s: s.do("DELETE", s.grant),
    "the role is deleted": lambda s: s.do("DELETE", f"/v3/roles/{s.role['id']}"),
    "the project is disabled": lambda s: s.patch("projects", "project", s.project["id"], enabled=False),
    "the project is deleted": lambda s: s.do("DELETE", f"/v3/projects/{s.project['id']}"),
    "the domain is disabled": lambda s: s.patch("domains", "domain", s.domain["id"], enabled=False),
}


@pytest.mark.parametrize("end", USER_ENDS.values(), ids=USER_ENDS.keys())
def test_t26_every_token_of_a_project_ends_when(scene, end):
    held = scene.tokens()
    assert all(scene.cloud.alive(token) for token in held)
    end(scene)
    assert not any(scene.cloud.alive(token) for token in held)
    for token in held:
        answer = scene.cloud.request("GET", "/v3/auth/tokens", token=scene.admin, X_Subject_Token=token)
        assert answer.status_int == 404


def test_t26_a_password_change_by_its_user_ends_the_old_tokens(scene):
    held = scene.tokens()
    body = {"user": {"original_password": OTHER_PASSWORD, "password": "new one"}}
    path = f"/v3/users/{scene.user['id']}/password"
    assert scene.cloud.request("POST", path, body, held[0]).status_int == 204
    assert not any(scene.cloud.alive(token) for token in held)
    assert scene.cloud.login(id=scene.user["id"], password=OTHER_PASSWORD).status_int == 401
    assert scene.cloud.login(id=scene.user["id"], password="new one").status_int == 201


GROUP_ENDS = {
    "the membership ends": lambda s: s.do("DELETE", s.membership),
    "the group loses the role": lambda s: s.do("DELETE", s.group_grant),
    "the group is deleted": lambda s: s.do("DELETE", f"/v3/groups/{s.group['id']}"),
}


@pytest.mark.parametrize("end", GROUP_ENDS.values(), ids=GROUP_ENDS.keys())
def test_t26_a_token_by_a_group_ends_and_the_others_stay_when(scene, end):
    by_group, own = scene.token({"project": {"id": scene.other["id"]}}), scene.token()
    end(scene)
    assert not scene.cloud.alive(by_group)
    assert scene.cloud.alive(own)


BACK_AGAIN = {
    "disabled and enabled": lambda s: [s.patch("users", "user", s.user["id"], enabled=on) for on in (False, True)],
    "role taken and given": lambda s: [s.do("DELETE", s.grant), s.do("PUT", s.grant)],
    "project disabled and enabled": lambda s: [
        s.patch("projects", "project", s.project["id"], enabled=on) for on in (False, True)
    ],
    "domain disabled and enabled": lambda s: [
        s.patch("domains", "domain", s.domain["id"], enabled=on) for on in (False, True)
    ],
    "same password again": lambda s: s.patch("users", "user", s.user["id"], password=OTHER_PASSWORD),
}


@pytest.mark.parametrize("change", BACK_AGAIN.values(), ids=BACK_AGAIN.keys())
def test_t26_what_comes_back_does_not_bring_old_tokens_back_and_new_ones_live_at_once(scene, change):
    old = scene.tokens()
    change(scene)
    assert not any(scene.cloud.alive(token) for token in old)
    assert all(scene.cloud.alive(token) for token in scene.tokens())


def test_t26_events_within_one_tick_of_the_clock_are_in_order(scene, monkeypatch):
    moment = scene.cloud.clients.world.look(CONTEXT).now
    monkeypatch.setattr("iaas.common.runtime.time", lambda: moment)
    with scene.cloud.clients.db.engine.connect() as connection:
        connection.connection.driver_connection.create_function("iaas_now", 0, lambda: moment)
    scene.admin = scene.cloud.token()
    old = scene.token()
    scene.patch("users", "user", scene.user["id"], password=OTHER_PASSWORD)
    new = scene.token()
    assert not scene.cloud.alive(old)
    assert scene.cloud.alive(new)


def test_t26_a_role_on_a_domain_and_on_the_system(scene):
    for kind, path in (
        (DOMAIN, f"/v3/domains/default/users/{scene.user['id']}/roles/{scene.role['id']}"),
        ({"system": {"all": True}}, f"/v3/system/users/{scene.user['id']}/roles/{scene.role['id']}"),
    ):
        scene.do("PUT", path)
        token, other = scene.token(kind), scene.token()
        scene.do("DELETE", path)
        assert not scene.cloud.alive(token)
        assert scene.cloud.alive(other)


def test_t26_an_inherited_role(scene):
    child = scene.cloud.make("project", "projects", name="child", parent_id=scene.project["id"])
    base = f"/v3/OS-INHERIT/projects/{scene.project['id']}/users/{scene.user['id']}/roles/{scene.role['id']}"
    assert scene.token({"project": {"id": child["id"]}}) is None
    scene.do("PUT", base + "/inherited_to_projects")
    token = scene.token({"project": {"id": child["id"]}})
    assert scene.cloud.alive(token)
    scene.do("DELETE", base + "/inherited_to_projects")
    assert not scene.cloud.alive(token)


def test_t26_a_token_is_revoked_alone(scene):
    first, second = scene.token(), scene.token()
    status = scene.cloud.request("DELETE", "/v3/auth/tokens", token=first, X_Subject_Token=first).status_int
    assert (status, scene.cloud.alive(first), scene.cloud.alive(second)) == (204, False, True)


def test_t26_an_implied_role_that_is_no_longer_implied_is_gone_from_tokens(scene):
    implied = scene.cloud.ids.role_ids["reader"]
    path = f"/v3/roles/{scene.role['id']}/implies/{implied}"
    scene.do("PUT", path, status=201)
    token = scene.token()

    def names():
        shown = scene.cloud.request("GET", "/v3/auth/tokens", token=token, X_Subject_Token=token).json["token"]
        return [role["name"] for role in shown["roles"]]

    assert names() == ["reader", "tester"]
    scene.do("DELETE", path)
    assert names() == ["tester"]


def test_t27_revoking_a_token_kills_what_was_made_from_it(scene):
    scope = {"project": {"id": scene.project["id"]}}
    root = scene.token({"unscoped": {}})
    child = scene.cloud.rescoped(root, scope).headers["X-Subject-Token"]
    grandchild = scene.cloud.rescoped(child, scope).headers["X-Subject-Token"]
    sibling = scene.cloud.rescoped(root, scope).headers["X-Subject-Token"]

    def revoke(token):
        scene.cloud.request("DELETE", "/v3/auth/tokens", token=scene.admin, X_Subject_Token=token)

    revoke(child)
    assert [scene.cloud.alive(token) for token in (root, child, grandchild, sibling)] == [True, False, False, True]
    revoke(root)
    assert not any(scene.cloud.alive(token) for token in (root, sibling))


def test_a_user_may_revoke_only_its_own_tokens(scene):
    bob = scene.cloud.user("bob")
    token = scene.token()
    path = "/v3/auth/tokens"
    assert scene.cloud.request("DELETE", path, token=bob.token(), X_Subject_Token=token).status_int == 403
    assert scene.cloud.alive(token)


def test_a_process_that_starts_later_knows_what_was_revoked(scene):
    token = scene.token()
    scene.cloud.request("DELETE", "/v3/auth/tokens", token=token, X_Subject_Token=token)
    later = make_cloud(scene.cloud.settings, scene.cloud.clients.db)
    assert not later.alive(token)


def test_revocation_events_are_listed_for_services(scene):
    scene.patch("users", "user", scene.user["id"], enabled=False)
    events = scene.cloud.request("GET", "/v3/OS-REVOKE/events", token=scene.admin).json["events"]
    assert events[0]["user_id"] == scene.user["id"]
    assert scene.cloud.request("GET", "/v3/OS-REVOKE/events?since=x", token=scene.admin).status_int == 400
    later = scene.cloud.request("GET", "/v3/OS-REVOKE/events?since=2999-01-01T00:00:00Z", token=scene.admin)
    assert later.json["events"] == []


def test_revocations_are_kept_as_long_as_the_tokens_they_are_about_could_live(scene, monkeypatch):
    token = scene.token()
    scene.cloud.request("DELETE", "/v3/auth/tokens", token=token, X_Subject_Token=token)
    assert periodic.purge(scene.cloud.clients) == 0
    assert not scene.cloud.alive(token)
    moment = scene.cloud.clients.world.look(CONTEXT)
    later = moment._replace(now=moment.now + scene.cloud.settings.identity.token_lifetime + 1)
    monkeypatch.setattr("iaas.db.identity.clock.look", lambda _tx: later)
    assert periodic.purge(scene.cloud.clients) == 1
    assert [row.name for row in periodic.table(scene.cloud.clients)] == ["purge revocations"]
