"""Projects, domains, roles and assignments."""

from __future__ import annotations

import pytest


@pytest.fixture
def admin(cloud):
    return cloud.token()


def test_a_project_is_at_the_top_of_a_domain_or_under_another(cloud, admin):
    top = cloud.make("project", "projects", name="top", note="mine")
    child = cloud.make("project", "projects", name="child", parent_id=top["id"])
    grandchild = cloud.make("project", "projects", name="grandchild", parent_id=child["id"])
    assert (top["parent_id"], top["is_domain"], top["note"], top["description"]) == ("default", False, "mine", "")
    assert child["parent_id"] == top["id"]

    def show(project, query):
        return cloud.request("GET", f"/v3/projects/{project['id']}?{query}", token=admin).json["project"]

    assert show(top, "subtree_as_ids")["subtree"] == {child["id"]: {grandchild["id"]: None}}
    assert show(grandchild, "parents_as_ids")["parents"] == {child["id"]: {top["id"]: {"default": None}}}
    assert [p["project"]["id"] for p in show(top, "subtree_as_list")["subtree"]] == [child["id"], grandchild["id"]]
    assert [p["project"]["id"] for p in show(grandchild, "parents_as_list")["parents"]] == [child["id"], top["id"]]
    under = cloud.request("GET", f"/v3/projects?parent_id={top['id']}", token=admin).json["projects"]
    assert [project["id"] for project in under] == [child["id"]]
    tops = cloud.request("GET", "/v3/projects?parent_id=default", token=admin).json["projects"]
    assert child["id"] not in {project["id"] for project in tops} >= {top["id"]}


def test_the_tree_of_projects_has_rules(cloud, admin):
    domain = cloud.make("domain", "domains", name="acme")
    top = cloud.make("project", "projects", name="top")
    child = cloud.make("project", "projects", name="child", parent_id=top["id"])
    path = f"/v3/projects/{top['id']}"

    def create(**values):
        return cloud.request("POST", "/v3/projects", {"project": {"name": "x", **values}}, admin).status_int

    assert create(parent_id="nowhere") == 404
    assert create(domain_id="nowhere") == 404
    assert create(parent_id=top["id"], domain_id=domain["id"]) == 400
    assert create(name="top") == 409
    assert create(name="top", domain_id=domain["id"]) == 201
    assert cloud.request("DELETE", path, token=admin).status_int == 403
    assert cloud.request("PATCH", path, {"project": {"enabled": False}}, admin).status_int == 403
    assert cloud.request("PATCH", path, {"project": {"parent_id": child["id"]}}, admin).status_int == 400
    parent = child["id"]
    for depth in range(3, 6):
        parent = cloud.make("project", "projects", name=f"at {depth}", parent_id=parent)["id"]
    assert create(parent_id=parent) == 403


def test_a_domain_is_a_project_too(cloud, admin):
    made = cloud.make("project", "projects", name="acme", is_domain=True)
    assert (made["is_domain"], made["domain_id"], made["parent_id"]) == (True, None, None)
    path = f"/v3/projects/{made['id']}"
    assert cloud.request("GET", path, token=admin).json["project"] == made
    assert cloud.request("GET", f"/v3/domains/{made['id']}", token=admin).json["domain"]["name"] == "acme"
    found = cloud.request("GET", "/v3/projects?is_domain=true", token=admin).json["projects"]
    assert {project["name"] for project in found} == {"Default", "acme"}
    assert cloud.request("DELETE", path, token=admin).status_int == 403
    assert cloud.request("PATCH", path, {"project": {"enabled": False}}, admin).json["project"]["enabled"] is False
    assert cloud.request("DELETE", path, token=admin).status_int == 204
    assert cloud.request("GET", path, token=admin).status_int == 404


def test_a_token_is_not_for_a_disabled_project(cloud, admin):
    alice = cloud.user()
    cloud.request("PATCH", f"/v3/projects/{alice.project_id}", {"project": {"enabled": False}}, admin)
    assert cloud.login(alice.name, alice.password, alice.scope).status_int == 401


def test_tags(cloud, admin):
    project = cloud.make("project", "projects", name="tagged", tags=["a"])
    path = f"/v3/projects/{project['id']}/tags"
    assert cloud.request("PUT", f"{path}/b", token=admin).status_int == 201
    assert cloud.request("GET", path, token=admin).json["tags"] == ["a", "b"]
    assert cloud.request("GET", f"{path}/b", token=admin).status_int == 204
    assert [cloud.request("DELETE", f"{path}/a", token=admin).status_int for _ in range(2)] == [204, 404]
    assert cloud.request("PUT", path, {"tags": ["x", "y"]}, admin).json["tags"] == ["x", "y"]
    assert cloud.request("PUT", path, {"tags": ["x", "x"]}, admin).status_int == 400
    assert cloud.request("DELETE", path, token=admin).status_int == 204
    assert cloud.request("GET", f"/v3/projects/{project['id']}", token=admin).json["project"]["tags"] == []


def test_a_domain_is_disabled_before_it_is_deleted_with_all_in_it(cloud, admin):
    domain = cloud.make("domain", "domains", name="acme", description="x")
    user = cloud.make("user", "users", name="alice", domain_id=domain["id"])
    project = cloud.make("project", "projects", name="p", domain_id=domain["id"])
    path = f"/v3/domains/{domain['id']}"
    assert cloud.request("DELETE", path, token=admin).status_int == 403
    assert cloud.request("PATCH", path, {"domain": {"enabled": False}}, admin).status_int == 200
    assert cloud.request("DELETE", path, token=admin).status_int == 204
    for gone in (path, f"/v3/users/{user['id']}", f"/v3/projects/{project['id']}"):
        assert cloud.request("GET", gone, token=admin).status_int == 404


@pytest.mark.parametrize("noun", ["domain", "role"])
def test_names_of_domains_and_roles(cloud, admin, noun):
    made = cloud.make(noun, f"{noun}s", name="one", description="d", own="attribute")
    assert made["own"] == "attribute"
    assert cloud.request("POST", f"/v3/{noun}s", {noun: {"name": "one"}}, admin).status_int == 409
    assert cloud.request("POST", f"/v3/{noun}s", {noun: {"name": ""}}, admin).status_int == 400
    found = cloud.request("GET", f"/v3/{noun}s?name=one", token=admin).json[f"{noun}s"]
    assert [row["id"] for row in found] == [made["id"]]
    renamed = cloud.request("PATCH", f"/v3/{noun}s/{made['id']}", {noun: {"name": "two"}}, admin)
    assert renamed.json[noun]["name"] == "two"


def test_a_role_is_shown_as_it_was_made_until_it_is_deleted(cloud, admin):
    domain = cloud.make("domain", "domains", name="acme")
    for values in ({"name": "one", "description": "d", "own": "attribute"}, {"name": "two", "domain_id": domain["id"]}):
        role = cloud.make("role", "roles", **values)
        path = f"/v3/roles/{role['id']}"
        assert {**role, **values} == role
        assert role["domain_id"] == values.get("domain_id")
        assert cloud.request("GET", path, token=admin).json["role"] == role
        assert cloud.request("GET", path, token=cloud.user(values["name"]).token()).status_int == 403
        assert cloud.request("DELETE", path, token=admin).status_int == 204
        assert cloud.request("GET", path, token=admin).status_int == 404


def test_a_role_of_one_domain_is_listed_with_it_and_assigned_inside_of_it(cloud, admin):
    domain = cloud.make("domain", "domains", name="acme")
    role = cloud.make("role", "roles", name="limited", domain_id=domain["id"])
    inside = cloud.make("project", "projects", name="in", domain_id=domain["id"])
    outside = cloud.make("project", "projects", name="out")
    user = cloud.make("user", "users", name="alice")
    assert role["id"] not in cloud.request("GET", "/v3/roles", token=admin).text
    assert role["id"] in cloud.request("GET", f"/v3/roles?domain_id={domain['id']}", token=admin).text
    anybody = cloud.ids.role_ids["reader"]
    assert cloud.request("PUT", f"/v3/roles/{role['id']}/implies/{anybody}", token=admin).status_int == 201
    assert cloud.request("PUT", f"/v3/roles/{anybody}/implies/{role['id']}", token=admin).status_int == 403
    for project, status in ((inside, 204), (outside, 403)):
        path = f"/v3/projects/{project['id']}/users/{user['id']}/roles/{role['id']}"
        assert cloud.request("PUT", path, token=admin).status_int == status
    found = assigned(cloud, admin, f"effective&user.id={user['id']}")
    assert [line["role"]["id"] for line in found] == [anybody]


def test_implied_roles(cloud, admin):
    ids = cloud.ids.role_ids
    inferences = cloud.request("GET", "/v3/role_inferences", token=admin).json["role_inferences"]
    pairs = {(rule["prior_role"]["name"], implied["name"]) for rule in inferences for implied in rule["implies"]}
    assert pairs == {("admin", "manager"), ("manager", "member"), ("member", "reader")}
    shown = cloud.request("GET", f"/v3/roles/{ids['admin']}/implies", token=admin).json["role_inference"]
    assert [role["name"] for role in shown["implies"]] == ["manager"]
    path = f"/v3/roles/{ids['reader']}/implies/{ids['service']}"
    assert cloud.request("HEAD", path, token=admin).status_int == 404
    assert cloud.request("PUT", path, token=admin).status_int == 201
    assert cloud.request("HEAD", path, token=admin).status_int == 204
    assert cloud.request("GET", path, token=admin).status_int == 200
    assert cloud.request("DELETE", path, token=admin).status_int == 204
    circle = f"/v3/roles/{ids['reader']}/implies/{ids['manager']}"
    assert cloud.request("PUT", circle, token=admin).status_int == 400
    assert cloud.request("PUT", f"/v3/roles/{ids['reader']}/implies/{ids['admin']}", token=admin).status_int == 403


TARGETS = ("projects", "domains", "system")


@pytest.mark.parametrize("actor", ["user", "group"])
@pytest.mark.parametrize("target", TARGETS)
def test_an_assignment_is_made_checked_listed_and_taken(cloud, admin, actor, target):
    made = cloud.make(actor, f"{actor}s", name="x")
    base = {
        "projects": f"/v3/projects/{cloud.ids.project_id}",
        "domains": "/v3/domains/default",
        "system": "/v3/system",
    }[target] + f"/{actor}s/{made['id']}/roles"
    path = f"{base}/{cloud.ids.role_ids['member']}"
    assert cloud.request("HEAD", path, token=admin).status_int == 404
    for _ in range(2):
        assert cloud.request("PUT", path, token=admin).status_int == 204
    assert cloud.request("HEAD", path, token=admin).status_int == 204
    assert [role["name"] for role in cloud.request("GET", base, token=admin).json["roles"]] == ["member"]
    assert [cloud.request("DELETE", path, token=admin).status_int for _ in range(2)] == [204, 404]
    assert cloud.request("GET", base, token=admin).json["roles"] == []
    assert cloud.request("PUT", f"{base}/no-such-role", token=admin).status_int == 404
    assert cloud.request("PUT", path.replace(made["id"], "nobody"), token=admin).status_int == 404


def test_t39_a_users_id_is_no_groups_id(cloud, admin):
    user = cloud.make("user", "users", name="alice")
    role = cloud.ids.role_ids["member"]
    wrong = f"/v3/projects/{cloud.ids.project_id}/groups/{user['id']}/roles/{role}"
    assert cloud.request("PUT", wrong, token=admin).status_int == 404


def assigned(cloud, admin, query):
    response = cloud.request("GET", f"/v3/role_assignments?{query}", token=admin)
    assert response.status_int == 200, response.text
    return response.json["role_assignments"]


def test_assignments_as_they_were_made(cloud, admin):
    alice = cloud.user()
    found = assigned(cloud, admin, f"user.id={alice.id}")
    path = f"projects/{alice.project_id}/users/{alice.id}/roles/{cloud.ids.role_ids['member']}"
    assert found == [
        {
            "role": {"id": cloud.ids.role_ids["member"]},
            "user": {"id": alice.id},
            "scope": {"project": {"id": alice.project_id}},
            "links": {"assignment": f"http://127.0.0.1:5000/v3/{path}"},
        }
    ]
    assert assigned(cloud, admin, f"scope.project.id={alice.project_id}") == found
    assert assigned(cloud, admin, f"role.id={cloud.ids.role_ids['member']}") == found
    assert [line["scope"] for line in assigned(cloud, admin, "scope.system=all")] == [{"system": {"all": True}}]
    assert [line["scope"] for line in assigned(cloud, admin, "scope.domain.id=default")] == [
        {"domain": {"id": "default"}}
    ]


def test_assignments_in_effect_work_out_groups_and_implied_roles(cloud, admin):
    alice = cloud.user()
    group = cloud.make("group", "groups", name="staff")
    project = cloud.make("project", "projects", name="shared")
    cloud.request("PUT", f"/v3/groups/{group['id']}/users/{alice.id}", token=admin)
    grant = f"/v3/projects/{project['id']}/groups/{group['id']}/roles/{cloud.ids.role_ids['manager']}"
    cloud.request("PUT", grant, token=admin)
    query = f"effective&include_names&user.id={alice.id}&scope.project.id={project['id']}"
    found = assigned(cloud, admin, query)
    assert sorted(line["role"]["name"] for line in found) == ["manager", "member", "reader"]
    assert {line["user"]["name"] for line in found} == {"alice"}
    assert found[0]["scope"]["project"] == {
        "id": project["id"], "name": "shared", "domain": {"id": "default", "name": "Default"},
    }  # fmt: skip
    assert all(line["links"]["membership"].endswith(f"groups/{group['id']}/users/{alice.id}") for line in found)
    only = assigned(cloud, admin, query + f"&role.id={cloud.ids.role_ids['reader']}")
    assert [line["role"]["name"] for line in only] == ["reader"]
    assert only[0]["links"]["prior_role"].endswith(cloud.ids.role_ids["member"])


def test_assignments_in_effect_work_out_inheritance(cloud, admin):
    alice = cloud.user(roles=())
    project = cloud.make("project", "projects", name="any")
    member = cloud.ids.role_ids["reader"]
    path = f"/v3/OS-INHERIT/domains/default/users/{alice.id}/roles/{member}/inherited_to_projects"
    assert cloud.request("PUT", path, token=admin).status_int == 204
    assert cloud.request("HEAD", path, token=admin).status_int == 204
    plain = assigned(cloud, admin, f"user.id={alice.id}")
    assert plain[0]["scope"] == {"domain": {"id": "default"}, "OS-INHERIT:inherited_to": "projects"}
    found = assigned(cloud, admin, f"effective&user.id={alice.id}")
    assert project["id"] in {line["scope"]["project"]["id"] for line in found}
    assert cloud.login(alice.name, alice.password, {"project": {"id": project["id"]}}).status_int == 201
    mine = cloud.request("GET", f"/v3/users/{alice.id}/projects", token=admin).json["projects"]
    assert project["id"] in {row["id"] for row in mine}


@pytest.mark.parametrize(
    "query",
    [
        "user.id=a&group.id=b",
        "scope.project.id=a&scope.domain.id=b",
        "effective&group.id=a",
        "include_subtree",
    ],
)
def test_a_question_about_assignments_that_makes_no_sense_is_400(cloud, admin, query):
    assert cloud.request("GET", f"/v3/role_assignments?{query}", token=admin).status_int == 400


def test_a_user_may_list_its_own_assignments_only(cloud):
    alice, bob = cloud.user(), cloud.user("bob")
    path = "/v3/role_assignments"
    assert len(assigned(cloud, alice.token(), f"user.id={alice.id}")) == 1
    for query in ("", f"?user.id={bob.id}", f"?scope.project.id={alice.project_id}"):
        assert cloud.request("GET", path + query, token=alice.token()).status_int == 403
