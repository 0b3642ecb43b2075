"""Users and groups."""

from __future__ import annotations

import pytest

from tests.fixtures.identity import OTHER_PASSWORD


@pytest.fixture
def admin(cloud):
    return cloud.token()


def names(response, plural):
    return [row["name"] for row in response.json[plural]]


def test_a_user_keeps_attributes_of_its_own_and_never_shows_a_password(cloud, admin):
    user = cloud.make("user", "users", name="alice", password=OTHER_PASSWORD, email="a@example.org", description="A")
    assert (user["email"], user["description"], user["enabled"], user["domain_id"]) == (
        "a@example.org", "A", True, "default",
    )  # fmt: skip
    shown = cloud.request("GET", f"/v3/users/{user['id']}", token=admin)
    assert shown.json["user"] == user
    assert "password_hash" not in shown.text
    assert OTHER_PASSWORD not in shown.text
    assert user["links"]["self"].endswith(f"/v3/users/{user['id']}")


def test_a_user_is_changed_and_deleted(cloud, admin):
    user = cloud.make("user", "users", name="alice", email="old")
    path = f"/v3/users/{user['id']}"
    changed = cloud.request("PATCH", path, {"user": {"name": "alicia", "email": "new", "phone": "1"}}, admin).json
    assert (changed["user"]["name"], changed["user"]["email"], changed["user"]["phone"]) == ("alicia", "new", "1")
    assert cloud.request("DELETE", path, token=admin).status_int == 204
    for method in ("GET", "PATCH", "DELETE"):
        body = {"user": {"name": "x"}} if method == "PATCH" else None
        assert cloud.request(method, path, body, admin).status_int == 404


def test_a_name_is_used_once_in_a_domain_and_again_in_another(cloud, admin):
    domain = cloud.make("domain", "domains", name="acme")
    first = cloud.make("user", "users", name="alice")
    cloud.make("user", "users", name="alice", domain_id=domain["id"])
    second = cloud.make("user", "users", name="bob")
    assert cloud.request("POST", "/v3/users", {"user": {"name": "alice"}}, admin).status_int == 409
    path = f"/v3/users/{second['id']}"
    assert cloud.request("PATCH", path, {"user": {"name": first["name"]}}, admin).status_int == 409
    assert cloud.request("GET", path, token=admin).json["user"]["name"] == "bob"


@pytest.mark.parametrize(
    "user",
    [
        {},
        {"name": ""},
        {"name": "   "},
        {"name": "x" * 256},
        {"name": "x", "enabled": "FALSE"},
        {"name": "x", "enabled": 0},
        {"name": "x", "enabled": None},
        {"name": "x", "id": "chosen"},
        {"name": "x", "links": {}},
        {"name": "x", "password_hash": "y"},
        {"name": "x", "password": 1},
        {"name": "x", "default_project_id": "default"},
    ],
)
def test_t33_a_user_that_cannot_be_is_400_and_leaves_nothing(cloud, admin, user):
    assert cloud.request("POST", "/v3/users", {"user": user}, admin).status_int == 400
    assert len(cloud.request("GET", "/v3/users", token=admin).json["users"]) == 2


def test_a_user_in_no_domain_is_404(cloud, admin):
    body = {"user": {"name": "x", "domain_id": "nowhere"}}
    assert cloud.request("POST", "/v3/users", body, admin).status_int == 404


def test_the_domain_of_a_user_cannot_be_changed(cloud, admin):
    user = cloud.make("user", "users", name="alice")
    domain = cloud.make("domain", "domains", name="acme")
    path = f"/v3/users/{user['id']}"
    assert cloud.request("PATCH", path, {"user": {"domain_id": domain["id"]}}, admin).status_int == 400
    assert cloud.request("PATCH", path, {"user": {"domain_id": "default", "id": user["id"]}}, admin).status_int == 200


def test_lists_are_filtered_and_paged(cloud, admin):
    for name in ("ann", "andy", "bob"):
        cloud.make("user", "users", name=name, enabled=name != "bob")

    def find(query):
        return cloud.request("GET", f"/v3/users?{query}", token=admin)

    assert names(find("name=ann"), "users") == ["ann"]
    assert names(find("enabled=false"), "users") == ["bob"]
    assert sorted(names(find("name__startswith=an"), "users")) == ["andy", "ann"]
    assert names(find("name__icontains=BO"), "users") == ["bob"]
    assert names(find("domain_id=nowhere"), "users") == []
    assert find("limit=x").status_int == 400
    seen, page = [], find("limit=2")
    while True:
        seen += names(page, "users")
        following = page.json["links"]["next"]
        if following is None:
            break
        assert page.json["truncated"] is True
        page = cloud.request("GET", following.partition(":5000")[2], token=admin)
    assert sorted(seen) == ["admin", "andy", "ann", "bob", "iaas"]


def test_a_password_is_changed_by_who_knows_the_old_one(cloud):
    alice, bob = cloud.user(), cloud.user("bob")
    path = f"/v3/users/{alice.id}/password"

    def change(token, old, new):
        return cloud.request("POST", path, {"user": {"original_password": old, "password": new}}, token).status_int

    assert change(alice.token(), "wrong", "new") == 401
    assert change(alice.token(), OTHER_PASSWORD, OTHER_PASSWORD) == 400
    assert change(alice.token(), OTHER_PASSWORD, "x" * 4097) == 400
    assert change(bob.token(), "wrong", "new") == 401
    assert change(cloud.token(), "", "new") == 401
    assert change(None, OTHER_PASSWORD, "new") == 401
    assert change(alice.token(), OTHER_PASSWORD, "new") == 204
    assert cloud.login("alice", "new").status_int == 201


def test_groups_and_their_members(cloud, admin):
    group = cloud.make("group", "groups", name="staff", description="all")
    user = cloud.make("user", "users", name="alice")
    path = f"/v3/groups/{group['id']}"
    member = f"{path}/users/{user['id']}"
    assert cloud.request("HEAD", member, token=admin).status_int == 404
    for _ in range(2):
        assert cloud.request("PUT", member, token=admin).status_int == 204
    assert cloud.request("HEAD", member, token=admin).status_int == 204
    assert names(cloud.request("GET", f"{path}/users", token=admin), "users") == ["alice"]
    assert names(cloud.request("GET", f"/v3/users/{user['id']}/groups", token=admin), "groups") == ["staff"]
    assert [cloud.request("DELETE", member, token=admin).status_int for _ in range(2)] == [204, 404]
    assert cloud.request("PUT", f"{path}/users/nobody", token=admin).status_int == 404
    changed = cloud.request("PATCH", path, {"group": {"description": ""}}, admin).json["group"]
    assert (changed["name"], changed["description"]) == ("staff", "")
    assert cloud.request("DELETE", path, token=admin).status_int == 204
    assert cloud.request("GET", path, token=admin).status_int == 404


def test_a_group_is_shown_as_it_was_made_and_as_it_was_changed(cloud, admin):
    group = cloud.make("group", "groups", name="staff", description="all", own="attribute")
    path = f"/v3/groups/{group['id']}"
    assert (group["domain_id"], group["own"]) == ("default", "attribute")
    assert group["links"]["self"] == f"http://127.0.0.1:5000{path}"
    assert cloud.request("GET", path, token=admin).json["group"] == group
    assert cloud.request("PATCH", path, {"group": {"name": "crew"}}, admin).status_int == 200
    assert cloud.request("GET", path, token=admin).json["group"] == {**group, "name": "crew"}
    assert cloud.request("GET", path, token=cloud.user().token()).status_int == 403
    assert cloud.request("GET", "/v3/groups/none", token=admin).status_int == 404


def test_group_names_are_used_once_and_have_a_length(cloud, admin):
    cloud.make("group", "groups", name="staff")
    assert cloud.request("POST", "/v3/groups", {"group": {"name": "staff"}}, admin).status_int == 409
    assert cloud.request("POST", "/v3/groups", {"group": {"name": "x" * 65}}, admin).status_int == 400


def test_a_user_sees_itself_and_nobody_else(cloud):
    alice, bob = cloud.user(), cloud.user("bob")
    token = alice.token()
    for path in ("", "/projects", "/groups"):
        assert cloud.request("GET", f"/v3/users/{alice.id}{path}", token=token).status_int == 200
        assert cloud.request("GET", f"/v3/users/{bob.id}{path}", token=token).status_int == 403
        assert cloud.request("GET", f"/v3/users/no-such-user{path}", token=token).status_int == 403
