from __future__ import annotations

import json
from typing import Any

import pytest

from iaas.api.compute.flavors import SORT

SMALL = {"name": "m1.small", "id": "2", "ram": 2048, "vcpus": 1, "disk": 20}


def make(api, version: Any = "2.1", **changes: Any):
    response = api.request("POST", "/flavors", {"flavor": {**SMALL, **changes}}, version, ctx=api.admin)
    assert response.status_int == 200, response.text
    return response.json["flavor"]


def names(response):
    assert response.status_int == 200, response.text
    return [flavor["name"] for flavor in response.json["flavors"]]


def test_create_answers_the_whole_flavor(api):
    made = make(api, **{"OS-FLV-EXT-DATA:ephemeral": 3, "swap": "512", "rxtx_factor": "1.5", "disk": "7"})
    assert made.pop("links")[0]["href"] == "http://127.0.0.1:8774/v2.1/flavors/2"
    assert made == {
        "id": "2", "name": "m1.small", "ram": 2048, "vcpus": 1, "disk": 7, "swap": 512, "rxtx_factor": 1.5,
        "OS-FLV-EXT-DATA:ephemeral": 3, "OS-FLV-DISABLED:disabled": False, "os-flavor-access:is_public": True,
    }  # fmt: skip
    shown = api.request("GET", "/flavors/2").json["flavor"]
    assert {**made, "links": shown["links"]} == shown


@pytest.mark.parametrize("wanted", [None, "auto"])
def test_id_is_made_up_where_none_is_chosen(api, wanted):
    assert len(make(api, id=wanted)["id"]) == 36


def test_number_is_an_id(api):
    assert make(api, id=42)["id"] == "42"


@pytest.mark.parametrize(
    "change",
    [
        {"ram": 0},
        {"vcpus": 0},
        {"vcpus": "two"},
        {"disk": -1},
        {"disk": 2**31},
        {"swap": -1},
        {"rxtx_factor": 0},
        {"rxtx_factor": "0.0"},
        {"name": " padded"},
        {"name": ""},
        {"name": "x" * 256},
        {"name": "bell\x07"},
        {"id": "no/slash"},
        {"id": " 2"},
        {"os-flavor-access:is_public": "perhaps"},
        {"unknown": 1},
        {"description": "before 2.55"},
    ],
)
def test_bad_flavors_are_400(api, change):
    response = api.request("POST", "/flavors", {"flavor": {**SMALL, **change}}, ctx=api.admin)
    assert response.status_int == 400


def test_same_name_or_id_is_409(api):
    make(api)
    for change in ({"id": "3"}, {"name": "other"}):
        response = api.request("POST", "/flavors", {"flavor": {**SMALL, **change}}, ctx=api.admin)
        assert response.status_int == 409


def test_only_admins_manage_flavors(api):
    make(api)
    assert api.request("POST", "/flavors", {"flavor": {**SMALL, "id": "3"}}).status_int == 403
    assert api.request("DELETE", "/flavors/2").status_int == 403
    body = {"flavor": {"description": "x"}}
    assert api.request("PUT", "/flavors/2", body, "2.55").status_int == 403


def test_delete_removes_the_flavor_and_its_access(api):
    make(api, **{"os-flavor-access:is_public": False})
    grant(api, "2", api.member.project_id)
    assert api.request("DELETE", "/flavors/2", ctx=api.admin).status_int == 202
    assert api.request("GET", "/flavors/2", ctx=api.admin).status_int == 404
    assert api.request("DELETE", "/flavors/2", ctx=api.admin).status_int == 404
    make(api, **{"os-flavor-access:is_public": False})
    assert api.request("GET", "/flavors/2").status_int == 404


def test_description_needs_2_55(api):
    made = make(api, "2.55", description="for tests")
    assert made["description"] == "for tests"
    assert "description" not in api.request("GET", "/flavors/2", version="2.54").json["flavor"]
    assert "description" not in api.request("GET", "/flavors", version="2.54").json["flavors"][0]
    assert api.request("GET", "/flavors", version="2.55").json["flavors"][0]["description"] == "for tests"
    body = {"flavor": {"description": None}}
    assert api.request("PUT", "/flavors/2", body, "2.54", ctx=api.admin).status_int == 404
    changed = api.request("PUT", "/flavors/2", body, "2.55", ctx=api.admin)
    assert changed.json["flavor"]["description"] is None
    assert api.request("PUT", "/flavors/9", body, "2.55", ctx=api.admin).status_int == 404
    assert api.request("PUT", "/flavors/2", {"flavor": {"name": "x"}}, "2.55", ctx=api.admin).status_int == 400


def test_extra_specs_are_embedded_from_2_61(api):
    make(api)
    api.request("POST", "/flavors/2/os-extra_specs", {"extra_specs": {"hw:cpu_policy": "shared"}}, ctx=api.admin)
    assert "extra_specs" not in api.request("GET", "/flavors/2", version="2.60").json["flavor"]
    for path in ("/flavors/2", "/flavors/detail"):
        body = api.request("GET", path, version="2.61").json
        flavor = body["flavor"] if "flavor" in body else body["flavors"][0]
        assert flavor["extra_specs"] == {"hw:cpu_policy": "shared"}


def test_no_swap_is_a_number_from_2_75(api):
    assert make(api, "2.74")["swap"] == ""
    assert api.request("GET", "/flavors/2", version="2.75").json["flavor"]["swap"] == 0


def test_list_is_filtered_sorted_and_paged(api):
    for id_, ram, disk in (("1", 512, 1), ("2", 2048, 20), ("3", 4096, 40)):
        make(api, id=id_, name=f"f{id_}", ram=ram, disk=disk)
    assert names(api.request("GET", "/flavors")) == ["f1", "f2", "f3"]
    assert names(api.request("GET", "/flavors?minRam=2048")) == ["f2", "f3"]
    assert names(api.request("GET", "/flavors/detail?minDisk=21")) == ["f3"]
    assert names(api.request("GET", "/flavors?sort_key=memory_mb&sort_dir=desc")) == ["f3", "f2", "f1"]
    page = api.request("GET", "/flavors/detail?limit=2&sort_key=name")
    assert names(page) == ["f1", "f2"]
    href = page.json["flavors_links"][0]["href"].removeprefix("http://127.0.0.1:8774/v2.1")
    assert "sort_key=name" in href
    last = api.request("GET", href)
    assert names(last) == ["f3"]
    assert "flavors_links" not in last.json
    assert names(api.request("GET", "/flavors?limit=0")) == []


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("key", sorted(SORT))
def test_pages_by_any_key_show_every_flavor_once(api, key, direction):
    for index in range(3):
        make(api, id=f"i{index}", name=f"f{index}", **{"os-flavor-access:is_public": index != 1})
    found, href = [], f"/flavors?limit=1&is_public=None&sort_key={key}&sort_dir={direction}"
    while href:
        page = api.request("GET", href, ctx=api.admin)
        found += names(page)
        links = page.json.get("flavors_links")
        href = links[0]["href"].removeprefix("http://127.0.0.1:8774/v2.1") if links else None
    assert sorted(found) == ["f0", "f1", "f2"]


@pytest.mark.parametrize(
    "query",
    ["minRam=much", "minDisk=-1", "is_public=perhaps", "marker=none", "limit=-1", "limit=x", "sort_key=links",
     "sort_key=name&sort_dir=up", "sort_dir=asc&sort_dir=desc"],
)  # fmt: skip
def test_bad_filters_are_400(api, query):
    assert api.request("GET", f"/flavors?{query}", ctx=api.admin).status_int == 400


def test_unknown_filters_are_ignored_until_2_74(api):
    assert api.request("GET", "/flavors?colour=red", version="2.74").status_int == 200
    assert api.request("GET", "/flavors?colour=red", version="2.75").status_int == 400


# -- private flavors (T22) ---------------------------------------------------------------------------------


def grant(api, flavor_id, project_id, version="2.7"):
    body = {"addTenantAccess": {"tenant": project_id}}
    return api.request("POST", f"/flavors/{flavor_id}/action", body, version, ctx=api.admin)


@pytest.fixture
def private(api):
    make(api, id="1", name="public")
    return make(api, id="secret", name="private", **{"os-flavor-access:is_public": False})


def test_private_flavor_is_404_to_projects_without_access(api, private):
    for path in ("/flavors/secret", "/flavors/secret/os-extra_specs", "/flavors/secret/os-extra_specs/x"):
        assert api.request("GET", path).status_int == 404
    assert names(api.request("GET", "/flavors")) == ["public"]
    assert names(api.request("GET", "/flavors?is_public=False")) == ["public"]
    assert names(api.request("GET", "/flavors/detail?is_public=None")) == ["public"]
    assert api.request("GET", "/flavors?marker=secret").status_int == 400


def test_private_flavor_is_there_for_the_project_that_was_given_it(api, private):
    assert grant(api, "secret", api.member.project_id).status_int == 200
    assert api.request("GET", "/flavors/secret").status_int == 200
    assert names(api.request("GET", "/flavors")) == ["public", "private"]
    assert names(api.request("GET", "/flavors", ctx=api.other_project)) == ["public"]


def test_admin_chooses_by_is_public(api, private):
    assert names(api.request("GET", "/flavors", ctx=api.admin)) == ["public"]
    assert names(api.request("GET", "/flavors?is_public=False", ctx=api.admin)) == ["private"]
    assert names(api.request("GET", "/flavors?is_public=None", ctx=api.admin)) == ["public", "private"]
    assert api.request("GET", "/flavors/secret", ctx=api.admin).status_int == 200


def test_access_is_listed_given_and_taken(api, private):
    path = "/flavors/secret/os-flavor-access"
    assert api.request("GET", path, ctx=api.admin).json == {"flavor_access": []}
    mine = {"flavor_id": "secret", "tenant_id": api.member.project_id}
    assert grant(api, "secret", api.member.project_id).json == {"flavor_access": [mine]}
    assert api.request("GET", path, ctx=api.admin).json == {"flavor_access": [mine]}
    assert grant(api, "secret", api.member.project_id).status_int == 409
    body = {"removeTenantAccess": {"tenant": api.member.project_id}}
    taken = api.request("POST", "/flavors/secret/action", body, ctx=api.admin)
    assert (taken.status_int, taken.json) == (200, {"flavor_access": []})
    assert api.request("POST", "/flavors/secret/action", body, ctx=api.admin).status_int == 404
    assert api.request("POST", "/flavors/secret/action", {"resize": {}}, ctx=api.admin).status_int == 400


def test_access_to_public_flavors_has_no_list_and_cannot_be_given_from_2_7(api, private):
    assert api.request("GET", "/flavors/1/os-flavor-access", ctx=api.admin).status_int == 404
    assert grant(api, "1", api.member.project_id, "2.6").status_int == 200
    assert grant(api, "1", api.other_project.project_id, "2.7").status_int == 409


def test_access_is_for_admins(api, private):
    body = {"addTenantAccess": {"tenant": api.member.project_id}}
    assert api.request("POST", "/flavors/secret/action", body).status_int == 403
    assert api.request("GET", "/flavors/secret/os-flavor-access").status_int == 403


# -- extra specs --------------------------------------------------------------------------------------------


def test_extra_specs_are_created_shown_changed_and_removed(api):
    make(api)
    path = "/flavors/2/os-extra_specs"
    created = api.request("POST", path, {"extra_specs": {"a": "1", "size": 7}}, ctx=api.admin)
    assert created.json == {"extra_specs": {"a": "1", "size": "7"}}
    assert api.request("PUT", f"{path}/a", {"a": "2"}, ctx=api.admin).json == {"a": "2"}
    assert api.request("GET", path).json == {"extra_specs": {"a": "2", "size": "7"}}
    assert api.request("GET", f"{path}/size").json == {"size": "7"}
    assert api.request("DELETE", f"{path}/a", ctx=api.admin).status_int == 200
    assert api.request("GET", f"{path}/a").status_int == 404
    assert api.request("DELETE", f"{path}/a", ctx=api.admin).status_int == 404


def test_bad_extra_specs_are_400(api):
    make(api)
    path = "/flavors/2/os-extra_specs"
    for specs in ({"a/b": "1"}, {"a": None}, {"a": {}}, {"a": "x" * 256}, {"k" * 256: "1"}):
        assert api.request("POST", path, {"extra_specs": specs}, ctx=api.admin).status_int == 400
    assert api.request("PUT", f"{path}/a", {"b": "1"}, ctx=api.admin).status_int == 400
    assert api.request("PUT", f"{path}/a", {"a": "1", "b": "1"}, ctx=api.admin).status_int == 400
    assert api.request("POST", path, {"extra_specs": {"a": "1"}}).status_int == 403


def test_extra_specs_of_one_flavor_have_a_bound(api):
    make(api)
    path = "/flavors/2/os-extra_specs"
    many = {f"k{index:03}": "v" * 250 for index in range(200)}
    assert api.request("POST", path, {"extra_specs": many}, ctx=api.admin).status_int == 200
    more = {f"l{index:03}": "v" * 250 for index in range(200)}
    assert api.request("POST", path, {"extra_specs": more}, ctx=api.admin).status_int == 400
    assert api.request("GET", path).json == {"extra_specs": many}


@pytest.mark.parametrize(
    ("key", "value", "status"),
    [
        ("hw:cpu_policy", "dedicated", 200),
        ("hw:cpu_policy", "sometimes", 400),
        ("hw:cpu_polcy", "shared", 400),
        ("hw:numa_mem.1", "512", 200),
        ("hw:cpu_dedicated_mask", "0-4,^3", 200),
        ("quota:cpu_quota", "-1", 200),
        ("quota:cpu_quota", "-2", 400),
        ("resources:CUSTOM_GOLD", "1", 200),
        ("trait:CUSTOM_GOLD", "maybe", 400),
        ("resources_GPU1:VGPU", "one", 400),
        ("mine:anything", "goes", 200),
        ("plain", "goes", 200),
    ],
)
def test_known_extra_specs_are_checked_from_2_86(api, key, value, status):
    make(api)
    body = {"extra_specs": {key: value}}
    assert api.request("POST", "/flavors/2/os-extra_specs", body, "2.85", ctx=api.admin).status_int == 200
    assert api.request("POST", "/flavors/2/os-extra_specs", body, "2.86", ctx=api.admin).status_int == status


def test_lists_send_as_many_statements_for_many_as_for_one(api):
    make(api, id="0", name="first")
    path = "/flavors/detail"
    one = api.statements(lambda: api.request("GET", path, version="2.61"))
    for index in range(1, 20):
        make(api, id=str(index), name=f"f{index}")
    assert api.statements(lambda: api.request("GET", path, version="2.61")) == one


def test_names_of_any_script_come_back_as_they_were(api):
    body = json.dumps({"flavor": {**SMALL, "name": "größe-小"}}, ensure_ascii=False).encode()
    assert api.request("POST", "/flavors", body, ctx=api.admin).json["flavor"]["name"] == "größe-小"
