"""Roles that projects below inherit: https://docs.openstack.org/api-ref/identity/v3/#os-inherit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.fixtures.identity import OTHER_PASSWORD, Cloud

ACTORS = ("user", "group")
TARGETS = ("domain", "project")


@dataclass
class Scene:
    """A tree of projects, beside one outside of it, and a user who is in a group and has no role anywhere."""

    cloud: Cloud
    admin: str
    ids: dict[str, str]

    def base(self, target: str, actor: str) -> str:
        return f"/v3/OS-INHERIT/{target}s/{self.ids[target]}/{actor}s/{self.ids[actor]}/roles"

    def one(self, target: str, actor: str, role: str = "manager") -> str:
        return f"{self.base(target, actor)}/{self.cloud.ids.role_ids[role]}/inherited_to_projects"

    def status(self, method: str, path: str) -> int:
        return self.cloud.request(method, path, token=self.admin).status_int

    def give(self, target: str, actor: str, role: str = "manager") -> None:
        assert self.status("PUT", self.one(target, actor, role)) == 204

    def login(self, project: str) -> Any:
        scope = {"project": {"id": self.ids[project]}}
        return self.cloud.login(password=OTHER_PASSWORD, id=self.ids["user"], scope=scope)

    def roles(self, project: str) -> set[str]:
        """The roles in the user's token for a project; empty where it gets none."""
        answer = self.login(project)
        if answer.status_int == 401:
            return set()
        assert answer.status_int == 201, answer.text
        return {role["name"] for role in answer.json["token"]["roles"]}

    def listed(self, target: str, actor: str) -> list[str]:
        answer = self.cloud.request("GET", self.base(target, actor) + "/inherited_to_projects", token=self.admin)
        assert answer.status_int == 200, answer.text
        return [role["name"] for role in answer.json["roles"]]

    def assignments(self, query: str) -> list[dict[str, Any]]:
        answer = self.cloud.request("GET", f"/v3/role_assignments?{query}", token=self.admin)
        assert answer.status_int == 200, answer.text
        return answer.json["role_assignments"]


@pytest.fixture
def scene(cloud: Cloud) -> Scene:
    domain = cloud.make("domain", "domains", name="acme")["id"]

    def project(name: str, parent_id: str | None = None, domain_id: str = domain) -> str:
        return cloud.make("project", "projects", name=name, domain_id=domain_id, parent_id=parent_id or domain_id)["id"]

    ids = {"domain": domain, "project": project("top"), "beside": project("beside")}
    ids["child"] = project("child", ids["project"])
    ids["grandchild"] = project("grandchild", ids["child"])
    ids["elsewhere"] = project("elsewhere", domain_id="default")
    ids["user"] = cloud.make("user", "users", name="alice", password=OTHER_PASSWORD, domain_id=domain)["id"]
    ids["group"] = cloud.make("group", "groups", name="staff", domain_id=domain)["id"]
    admin = cloud.token()
    assert cloud.request("PUT", f"/v3/groups/{ids['group']}/users/{ids['user']}", token=admin).status_int == 204
    return Scene(cloud, admin, ids)


@pytest.mark.parametrize("actor", ACTORS)
@pytest.mark.parametrize("target", TARGETS)
def test_an_inherited_role_is_given_checked_listed_and_taken(scene, target, actor):
    path = scene.one(target, actor)
    assert [scene.status(method, path) for method in ("HEAD", "GET", "DELETE")] == [404, 404, 404]
    assert scene.listed(target, actor) == []
    for _ in range(2):
        assert scene.status("PUT", path) == 204
    assert [scene.status(method, path) for method in ("HEAD", "GET")] == [204, 204]
    assert scene.listed(target, actor) == ["manager"]
    assert scene.status("HEAD", scene.one(target, actor, "reader")) == 404  # implied, and not itself given
    assert [scene.status("DELETE", path) for _ in range(2)] == [204, 404]
    assert scene.listed(target, actor) == []


@pytest.mark.parametrize("actor", ACTORS)
@pytest.mark.parametrize("target", TARGETS)
def test_an_inherited_role_and_the_same_role_on_the_target_are_two_assignments(scene, target, actor):
    plain = f"/v3/{target}s/{scene.ids[target]}/{actor}s/{scene.ids[actor]}/roles"
    one = f"{plain}/{scene.cloud.ids.role_ids['manager']}"
    scene.give(target, actor)
    assert scene.status("GET", one) == 404
    assert scene.cloud.request("GET", plain, token=scene.admin).json["roles"] == []
    assert scene.status("PUT", one) == 204
    assert scene.status("DELETE", scene.one(target, actor)) == 204
    assert scene.status("GET", one) == 204
    assert scene.listed(target, actor) == []


@pytest.mark.parametrize("actor", ACTORS)
def test_a_role_inherited_from_a_domain_is_in_tokens_of_every_project_of_it_and_of_no_other(scene, actor):
    scene.give("domain", actor)
    for project in ("project", "beside", "child", "grandchild"):
        assert scene.roles(project) == {"manager", "member", "reader"}, project
    assert scene.roles("elsewhere") == set()
    on_domain = scene.cloud.login(
        password=OTHER_PASSWORD, id=scene.ids["user"], scope={"domain": {"id": scene.ids["domain"]}}
    )
    assert on_domain.status_int == 401


@pytest.mark.parametrize("actor", ACTORS)
def test_a_role_inherited_from_a_project_is_in_tokens_of_those_below_and_not_of_itself(scene, actor):
    scene.give("project", actor)
    for project in ("child", "grandchild"):
        assert scene.roles(project) == {"manager", "member", "reader"}, project
    for project in ("project", "beside", "elsewhere"):
        assert scene.roles(project) == set(), project


def test_inherited_roles_add_to_those_a_user_has_on_the_project(scene):
    scene.give("domain", "user", "reader")
    scene.give("project", "group", "member")
    own = f"/v3/projects/{scene.ids['child']}/users/{scene.ids['user']}/roles/{scene.cloud.ids.role_ids['service']}"
    assert scene.status("PUT", own) == 204
    assert scene.roles("project") == {"reader"}
    assert scene.roles("child") == {"reader", "member", "service"}


@pytest.mark.parametrize("actor", ACTORS)
@pytest.mark.parametrize("target", TARGETS)
def test_the_tokens_of_a_child_project_end_with_the_inherited_role(scene, target, actor):
    scene.give(target, actor)
    tokens = [scene.login(project).headers["X-Subject-Token"] for project in ("child", "grandchild")]
    assert all(scene.cloud.alive(token) for token in tokens)
    assert scene.status("DELETE", scene.one(target, actor)) == 204
    assert not any(scene.cloud.alive(token) for token in tokens)
    assert scene.roles("child") == set()
    scene.give(target, actor)
    assert not any(scene.cloud.alive(token) for token in tokens)  # the old ones do not come back with the role
    assert scene.cloud.alive(scene.login("child").headers["X-Subject-Token"])


def test_a_project_made_later_inherits_too(scene):
    scene.give("project", "user", "reader")
    late = scene.cloud.make(
        "project", "projects", name="late", domain_id=scene.ids["domain"], parent_id=scene.ids["grandchild"]
    )
    scene.ids["late"] = late["id"]
    assert scene.roles("late") == {"reader"}


@pytest.mark.parametrize(
    ("target", "below"),
    [("domain", {"project", "beside", "child", "grandchild"}), ("project", {"child", "grandchild"})],
)
@pytest.mark.parametrize("actor", ACTORS)
def test_in_effect_an_inherited_role_is_assigned_on_each_project_below(scene, target, below, actor):
    scene.give(target, actor, "member")
    role_ids, user = scene.cloud.ids.role_ids, {"id": scene.ids["user"]}
    found = scene.assignments(f"effective&user.id={user['id']}")
    pairs = {(line["scope"]["project"]["id"], line["role"]["id"]) for line in found}
    assert pairs == {(scene.ids[project], role_ids[role]) for project in below for role in ("member", "reader")}
    assert len(found) == len(pairs)
    assert all(line["user"] == user and line["scope"]["OS-INHERIT:inherited_to"] == "projects" for line in found)
    source = "http://127.0.0.1:5000" + scene.one(target, actor, "member")
    assert {line["links"]["assignment"] for line in found} == {source}
    membership = f"http://127.0.0.1:5000/v3/groups/{scene.ids['group']}/users/{user['id']}"
    assert {line["links"].get("membership") for line in found} == {membership if actor == "group" else None}


@pytest.mark.parametrize("actor", ACTORS)
def test_assignments_in_effect_of_one_project_have_what_it_inherits(scene, actor):
    scene.give("project", actor, "reader")
    for project, roles in (("child", ["reader"]), ("grandchild", ["reader"]), ("project", []), ("beside", [])):
        found = scene.assignments(f"effective&include_names&scope.project.id={scene.ids[project]}")
        mine = [line["role"]["name"] for line in found if line["user"]["id"] == scene.ids["user"]]
        assert mine == roles, project
    tree = scene.assignments(f"effective&include_subtree&scope.project.id={scene.ids['project']}")
    assert {line["scope"]["project"]["id"] for line in tree} == {scene.ids["child"], scene.ids["grandchild"]}


def test_assignments_as_they_were_made_are_found_by_being_inherited(scene):
    scene.give("domain", "group", "reader")
    own = f"/v3/projects/{scene.ids['child']}/groups/{scene.ids['group']}/roles/{scene.cloud.ids.role_ids['member']}"
    assert scene.status("PUT", own) == 204
    group = f"group.id={scene.ids['group']}"
    assert len(scene.assignments(group)) == 2
    (line,) = scene.assignments(f"{group}&scope.OS-INHERIT:inherited_to=projects")
    assert line["scope"] == {"domain": {"id": scene.ids["domain"]}, "OS-INHERIT:inherited_to": "projects"}
    assert line["links"] == {"assignment": "http://127.0.0.1:5000" + scene.one("domain", "group", "reader")}


@pytest.mark.parametrize("actor", ACTORS)
def test_a_user_is_shown_the_projects_it_inherits_a_role_on(scene, actor):
    scene.give("project", actor, "reader")
    token = scene.login("child").headers["X-Subject-Token"]
    for path in (f"/v3/users/{scene.ids['user']}/projects", "/v3/auth/projects"):
        shown = scene.cloud.request("GET", path, token=token).json["projects"]
        assert {row["id"] for row in shown} == {scene.ids["child"], scene.ids["grandchild"]}, path


@pytest.mark.parametrize("actor", ACTORS)
@pytest.mark.parametrize("target", TARGETS)
def test_an_inherited_role_needs_a_target_an_actor_and_a_role_that_exist(scene, target, actor):
    path = scene.one(target, actor)
    for known in (scene.ids[target], scene.ids[actor], scene.cloud.ids.role_ids["manager"]):
        assert scene.status("PUT", path.replace(known, "none")) == 404
    listing = scene.base(target, actor) + "/inherited_to_projects"
    for known in (scene.ids[target], scene.ids[actor]):
        assert scene.status("GET", listing.replace(known, "none")) == 404
    assert scene.listed(target, actor) == []


@pytest.mark.parametrize("actor", ACTORS)
@pytest.mark.parametrize("target", TARGETS)
def test_a_role_of_another_domain_is_not_inherited_here(scene, target, actor):
    role = scene.cloud.make("role", "roles", name="limited", domain_id="default")
    path = scene.one(target, actor).replace(scene.cloud.ids.role_ids["manager"], role["id"])
    assert scene.status("PUT", path) == 403
    assert scene.listed(target, actor) == []


@pytest.mark.parametrize("actor", ACTORS)
@pytest.mark.parametrize("target", TARGETS)
def test_a_member_gives_and_takes_no_inherited_role(scene, target, actor):
    scene.give("domain", "user", "member")
    token = scene.login("child").headers["X-Subject-Token"]
    path = scene.one(target, actor, "admin")
    assert [scene.cloud.request(method, path, token=token).status_int for method in ("PUT", "DELETE")] == [403, 403]
    assert scene.status("HEAD", path) == 404


def test_who_leaves_a_group_loses_what_it_inherits_by_it(scene):
    scene.give("domain", "group")
    token = scene.login("grandchild").headers["X-Subject-Token"]
    assert scene.status("DELETE", f"/v3/groups/{scene.ids['group']}/users/{scene.ids['user']}") == 204
    assert not scene.cloud.alive(token)
    assert scene.roles("grandchild") == set()
