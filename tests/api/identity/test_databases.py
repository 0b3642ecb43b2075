"""The service on each database it is made for: one story with every kind of write."""

from __future__ import annotations

import pytest

from iaas.common import runtime
from iaas.identity.bootstrap import bootstrap
from tests.api.identity.test_ec2 import ask, make_key, signed
from tests.fixtures.identity import OTHER_PASSWORD, database_url, make_cloud, make_settings

__all__ = ["database_url"]


@pytest.fixture
def cloud(database_url, tmp_path):
    made = make_cloud(make_settings(tmp_path).replace({"database.identity_url": database_url}))
    yield made
    made.clients.db.close()


def test_a_domain_lives_and_dies(cloud):
    admin = cloud.token()
    domain = cloud.make("domain", "domains", name="acme", note="\u00e9\u4e2d\U0001f511")
    user = cloud.make("user", "users", name="Alice", password=OTHER_PASSWORD, domain_id=domain["id"])
    cloud.make("user", "users", name="alice", password=OTHER_PASSWORD, domain_id=domain["id"])  # case counts
    group = cloud.make("group", "groups", name="staff", domain_id=domain["id"])
    project = cloud.make("project", "projects", name="p", domain_id=domain["id"])
    for path in (
        f"/v3/groups/{group['id']}/users/{user['id']}",
        f"/v3/projects/{project['id']}/groups/{group['id']}/roles/{cloud.ids.role_ids['member']}",
    ):
        for _ in range(2):
            assert cloud.request("PUT", path, token=admin).status_int == 204
    scope = {"project": {"name": "p", "domain": {"name": "acme"}}}
    token = cloud.login("Alice", OTHER_PASSWORD, scope, domain=domain["id"]).headers["X-Subject-Token"]
    assert cloud.alive(token)
    assert (
        cloud.request("POST", "/v3/users", {"user": {"name": "Alice", "domain_id": domain["id"]}}, admin).status_int
        == 409
    )
    assert cloud.request("DELETE", f"/v3/groups/{group['id']}", token=admin).status_int == 204
    assert not cloud.alive(token)
    assert (
        cloud.request("PATCH", f"/v3/domains/{domain['id']}", {"domain": {"enabled": False}}, admin).status_int == 200
    )
    assert cloud.request("DELETE", f"/v3/domains/{domain['id']}", token=admin).status_int == 204
    assert cloud.request("GET", f"/v3/users/{user['id']}", token=admin).status_int == 404


def test_keys_make_tokens_that_end_with_them(cloud):
    alice = cloud.user()
    key = make_key(cloud, alice).json["credential"]
    held = ask(cloud, cloud.token(), signed(key["access"], key["secret"])).headers["X-Subject-Token"]
    assert cloud.alive(held)
    path = f"/v3/users/{alice.id}/credentials/OS-EC2/{key['access']}"
    assert cloud.request("DELETE", path, token=alice.token()).status_int == 204
    assert not cloud.alive(held)


def test_t23_requests_at_the_same_time_do_not_pass_a_limit_together(cloud, monkeypatch):
    monkeypatch.setattr("iaas.identity.api.credentials.MAX_PER_USER", 3)
    alice = cloud.user()
    token = alice.token()
    tasks = [runtime.spawn(make_key, cloud, alice, token) for _ in range(8)]
    statuses = sorted(task.wait().status_int for task in tasks)
    assert statuses == [201] * 3 + [403] * 5


def test_bootstrapping_again_changes_nothing_but_what_it_is_told(cloud):
    again = make_cloud(cloud.settings, cloud.clients.db)
    assert again.ids == cloud.ids
    token = cloud.token()
    assert again.alive(token)
    endpoints = cloud.request("GET", "/v3/endpoints", token=token).json["endpoints"]
    assert len(endpoints) == 6


def test_bootstrapping_with_another_password_and_url_sets_them_and_ends_old_tokens(cloud):
    token = cloud.token()
    moved = {"identity": ("keystone", "http://elsewhere/v3")}
    bootstrap(cloud.clients.db, cloud.settings, password="another", endpoints=moved)
    assert not cloud.alive(token)
    assert cloud.login().status_int == 401
    token = cloud.token(password="another")
    endpoints = cloud.request("GET", "/v3/endpoints", token=token).json["endpoints"]
    assert [row["url"] for row in endpoints].count("http://elsewhere/v3") == 3
