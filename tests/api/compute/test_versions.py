from __future__ import annotations

import pytest

from iaas.api.compute.microversions import HIGHEST


def test_root_offers_the_version_to_anybody(api):
    response = api.request("GET", "/", ctx=None, root=True)
    assert response.status_int == 200
    [version] = response.json["versions"]
    assert version["links"] == [{"rel": "self", "href": "http://127.0.0.1:8774/v2.1/"}]
    assert (version["id"], version["min_version"], version["version"]) == ("v2.1", "2.1", str(HIGHEST))


@pytest.mark.parametrize("path", ["/v2.1", "/v2.1/"])
def test_version_is_shown_to_anybody(api, path):
    response = api.request("GET", path, ctx=None, root=True)
    assert response.status_int == 200
    assert response.json["version"]["status"] == "CURRENT"
    assert response.json["version"]["media-types"]


def test_version_is_shown_behind_the_project_and_by_id(api):
    by_id = api.request("GET", "/versions/v2.1").json
    assert api.request("GET", f"/{api.member.project_id}/").json == by_id
    assert by_id["version"]["id"] == "v2.1"
    assert api.request("GET", "/versions/v3").status_int == 404


def test_every_answer_names_its_microversion(api):
    assert api.request("GET", "/flavors", version="2.55").headers["OpenStack-API-Version"] == "compute 2.55"
    assert api.request("GET", "/flavors", version="latest").headers["X-OpenStack-Nova-API-Version"] == str(HIGHEST)
    assert api.request("GET", "/flavors").headers["OpenStack-API-Version"] == "compute 2.1"
    assert api.request("GET", "/flavors", version="2.999").status_int == 406
    assert api.request("GET", "/flavors", version="2.01").status_int == 400


def test_a_token_is_asked_for_everywhere_else(api):
    response = api.request("GET", "/flavors", ctx=None)
    assert response.status_int == 401
    assert response.headers["WWW-Authenticate"].startswith("Keystone uri=")


def test_another_project_in_the_path_is_not_found(api):
    assert api.request("GET", f"/{api.member.project_id}/flavors").status_int == 200
    assert api.request("GET", f"/{api.other_project.project_id}/flavors").status_int == 404


def test_what_is_not_served_says_so_at_every_version(api):
    for version in ("2.1", "2.26", "latest"):
        response = api.request("GET", "/servers/abc/tags", version=version, check=False)
        assert response.status_int == 404
        assert "no operation GET /v2.1/servers/abc/tags" in response.json["itemNotFound"]["message"]
    long = api.request("GET", "/" + "x" * 900, version="2.1", check=False)
    assert len(long.json["itemNotFound"]["message"]) < 300


def test_an_operation_of_other_versions_names_them(api):
    response = api.request("POST", "/servers/abc/remote-consoles", {}, "2.5", check=False)
    assert response.status_int == 404
    assert "2.6 to 2.96" in response.json["itemNotFound"]["message"]
