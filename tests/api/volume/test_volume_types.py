"""Volume types and their extra specs through the API."""

from __future__ import annotations

import pytest

from iaas.common import runtime


def listed(api, query="", ctx="member"):
    return [kind["name"] for kind in api.request("GET", f"/types{query}", ctx=ctx).json["volume_types"]]


def made(api, **words):
    response = api.request("POST", "/types", {"volume_type": words}, ctx=api.admin)
    assert response.status_int == 200, response.text
    return response.json["volume_type"]


def test_the_default_type_is_there_before_anything_was_made(api):
    assert listed(api) == ["__DEFAULT__"]
    default = api.request("GET", "/types/default").json["volume_type"]
    assert default["name"] == "__DEFAULT__"
    assert api.request("GET", f"/types/{default['id']}").json["volume_type"] == default
    assert listed(api) == ["__DEFAULT__"]


def test_a_type_is_made_shown_and_deleted_by_an_admin_only(api):
    kind = made(api, name="fast", description="d", extra_specs={"a": "b"})
    assert kind["extra_specs"] == {"a": "b"}
    shown = api.request("GET", f"/types/{kind['id']}").json["volume_type"]
    assert (shown["name"], shown["description"], shown["is_public"]) == ("fast", "d", True)
    assert "extra_specs" not in shown  # what a back-end is asked is not for tenants
    assert api.request("POST", "/types", {"volume_type": {"name": "x"}}).status_int == 403
    assert api.request("DELETE", f"/types/{kind['id']}").status_int == 403
    assert api.request("DELETE", f"/types/{kind['id']}", ctx=api.admin).status_int == 202
    assert api.request("GET", f"/types/{kind['id']}").status_int == 404


def test_a_name_is_taken_once(api):
    made(api, name="fast")
    assert api.request("POST", "/types", {"volume_type": {"name": "fast"}}, ctx=api.admin).status_int == 409


@pytest.mark.parametrize(
    "words", [{}, {"name": ""}, {"name": " "}, {"name": "x" * 256}, {"name": 1}, {"name": "x", "extra_specs": {"a": 1}}]
)
def test_a_bad_type_is_400(api, words):
    assert api.request("POST", "/types", {"volume_type": words}, ctx=api.admin).status_int == 400


def test_a_type_in_use_and_the_default_one_are_not_deleted(api):
    kind = made(api, name="fast")
    api.make(volume_type="fast")
    assert api.request("DELETE", f"/types/{kind['id']}", ctx=api.admin).status_int == 400
    default = api.request("GET", "/types/default").json["volume_type"]
    assert api.request("DELETE", f"/types/{default['id']}", ctx=api.admin).status_int == 400


def test_a_private_type_is_not_there_for_tenants(api):
    kind = made(api, name="secret", **{"os-volume-type-access:is_public": False})
    assert api.request("GET", f"/types/{kind['id']}").status_int == 404
    assert api.request("POST", "/volumes", {"volume": {"size": 1, "volume_type": "secret"}}).status_int == 404
    assert listed(api, "?is_public=None") == ["__DEFAULT__"]
    assert listed(api, ctx=api.admin) == ["__DEFAULT__"]
    assert sorted(listed(api, "?is_public=None", ctx=api.admin)) == ["__DEFAULT__", "secret"]
    assert listed(api, "?is_public=false", ctx=api.admin) == ["secret"]
    assert api.request("GET", "/types?is_public=perhaps", ctx=api.admin).status_int == 400


def test_types_come_in_pages(api):
    for name in ("a", "b", "c"):
        made(api, name=name)
    first = api.request("GET", "/types?limit=2&sort=name:asc").json
    assert [kind["name"] for kind in first["volume_types"]] == ["__DEFAULT__", "a"]
    following = first["volume_type_links"][0]["href"].removeprefix("http://127.0.0.1:8776/v3")
    assert [kind["name"] for kind in api.request("GET", following).json["volume_types"]] == ["b", "c"]


def test_extra_specs_are_read_set_and_removed_by_an_admin(api):
    path = f"/types/{made(api, name='fast', extra_specs={'a': '1'})['id']}/extra_specs"
    admin = api.admin
    assert api.request("GET", path, ctx=admin).json == {"extra_specs": {"a": "1"}}
    assert api.request("POST", path, {"extra_specs": {"b": "2"}}, ctx=admin).json == {"extra_specs": {"b": "2"}}
    assert api.request("PUT", path + "/a", {"a": "3"}, ctx=admin).json == {"a": "3"}
    assert api.request("PUT", path + "/a", {"b": "3"}, ctx=admin).status_int == 400
    assert api.request("GET", path + "/a", ctx=admin).json == {"a": "3"}
    assert api.request("DELETE", path + "/a", ctx=admin).status_int == 202
    assert api.request("GET", path + "/a", ctx=admin).status_int == 404
    assert api.request("DELETE", path + "/a", ctx=admin).status_int == 404
    assert api.request("GET", path, ctx=admin).json == {"extra_specs": {"b": "2"}}
    for method in ("GET", "POST"):
        assert api.request(method, path, {"extra_specs": {"c": "d"}}).status_int == 403


def test_an_unknown_type_is_404(api):
    assert api.request("GET", f"/types/{runtime.uuid()}").status_int == 404
    assert api.request("DELETE", f"/types/{runtime.uuid()}", ctx=api.admin).status_int == 404
