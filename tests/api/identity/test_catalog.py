"""Regions, services, endpoints, and what a token's catalog makes of them."""

from __future__ import annotations

import pytest


@pytest.fixture
def admin(cloud):
    return cloud.token()


def catalog(cloud, token):
    entries = cloud.request("GET", "/v3/auth/catalog", token=token).json["catalog"]
    return {entry["type"]: [endpoint["url"] for endpoint in entry["endpoints"]] for entry in entries}


def test_regions(cloud, admin):
    made = cloud.make("region", "regions", description="new")
    assert len(made["id"]) == 32
    named = cloud.make("region", "regions", id="west", parent_region_id=made["id"], own="x")
    assert (named["id"], named["parent_region_id"], named["own"]) == ("west", made["id"], "x")
    assert cloud.request("PUT", "/v3/regions/east", {"region": {}}, admin).json["region"]["id"] == "east"
    assert cloud.request("POST", "/v3/regions", {"region": {"id": "west"}}, admin).status_int == 409
    inside = cloud.request("GET", f"/v3/regions?parent_region_id={made['id']}", token=admin).json["regions"]
    assert [region["id"] for region in inside] == ["west"]
    changed = cloud.request("PATCH", "/v3/regions/west", {"region": {"description": "far"}}, admin)
    assert changed.json["region"]["description"] == "far"
    circle = {"region": {"parent_region_id": "west"}}
    assert cloud.request("PATCH", f"/v3/regions/{made['id']}", circle, admin).status_int == 400
    assert cloud.request("DELETE", f"/v3/regions/{made['id']}", token=admin).status_int == 409
    assert cloud.request("DELETE", "/v3/regions/west", token=admin).status_int == 204
    assert cloud.request("GET", "/v3/regions/west", token=admin).status_int == 404


def test_services_and_endpoints(cloud, admin):
    service = cloud.make("service", "services", type="dns", name="names")
    endpoint = cloud.make(
        "endpoint", "endpoints", service_id=service["id"], interface="public", url="http://dns/$(tenant_id)s",
        region_id="RegionOne",
    )  # fmt: skip
    assert (endpoint["region"], endpoint["region_id"], endpoint["enabled"]) == ("RegionOne", "RegionOne", True)
    path = f"/v3/endpoints/{endpoint['id']}"
    assert catalog(cloud, admin)["dns"] == [f"http://dns/{cloud.ids.project_id}"]
    found = cloud.request("GET", f"/v3/endpoints?service_id={service['id']}&interface=public", token=admin)
    assert [row["id"] for row in found.json["endpoints"]] == [endpoint["id"]]
    assert cloud.request("PATCH", path, {"endpoint": {"enabled": False}}, admin).status_int == 200
    assert "dns" not in catalog(cloud, admin)
    assert cloud.request("PATCH", f"/v3/services/{service['id']}", {"service": {"name": "n"}}, admin).status_int == 200
    assert cloud.request("DELETE", f"/v3/services/{service['id']}", token=admin).status_int == 204
    assert cloud.request("GET", path, token=admin).status_int == 404


def test_a_service_and_an_endpoint_are_shown_as_they_were_made_and_as_they_were_changed(cloud, admin):
    service = cloud.make("service", "services", type="dns", name="names", description="d", own="attribute")
    url = "http://dns/$(project_id)s"
    endpoint = cloud.make("endpoint", "endpoints", service_id=service["id"], interface="internal", url=url)
    for noun, made, change in (("service", service, {"name": "n"}), ("endpoint", endpoint, {"interface": "admin"})):
        path = f"/v3/{noun}s/{made['id']}"
        assert made["links"]["self"] == f"http://127.0.0.1:5000{path}"
        assert cloud.request("GET", path, token=admin).json[noun] == made
        assert cloud.request("PATCH", path, {noun: change}, admin).status_int == 200
        assert cloud.request("GET", path, token=admin).json[noun] == {**made, **change}
        assert cloud.request("GET", f"/v3/{noun}s/none", token=admin).status_int == 404
    assert endpoint["url"] == url  # filled in for a token, and never in what is kept


def test_an_endpoint_that_is_deleted_leaves_the_catalog_and_its_service_stays(cloud, admin):
    service = cloud.make("service", "services", type="dns", name="names")
    kept, gone = (
        cloud.make("endpoint", "endpoints", service_id=service["id"], interface=interface, url=f"http://{interface}")
        for interface in ("public", "internal")
    )
    assert sorted(catalog(cloud, admin)["dns"]) == ["http://internal", "http://public"]
    path = f"/v3/endpoints/{gone['id']}"
    assert [cloud.request("DELETE", path, token=admin).status_int for _ in range(2)] == [204, 404]
    assert cloud.request("GET", path, token=admin).status_int == 404
    assert catalog(cloud, admin)["dns"] == ["http://public"]
    found = cloud.request("GET", f"/v3/endpoints?service_id={service['id']}", token=admin).json["endpoints"]
    assert [row["id"] for row in found] == [kept["id"]]
    assert cloud.request("GET", f"/v3/services/{service['id']}", token=admin).json["service"] == service


def test_a_user_without_a_role_for_it_does_not_read_or_delete_the_catalogs_rows(cloud, admin):
    service = cloud.make("service", "services", type="dns")
    endpoint = cloud.make("endpoint", "endpoints", service_id=service["id"], interface="public", url="http://dns")
    token = cloud.user().token()
    for path in (f"/v3/services/{service['id']}", f"/v3/endpoints/{endpoint['id']}"):
        assert [cloud.request(method, path, token=token).status_int for method in ("GET", "DELETE")] == [403, 403]
        assert cloud.request("GET", path, token=admin).status_int == 200


def test_the_older_attribute_region_makes_the_region_it_names(cloud, admin):
    service = cloud.make("service", "services", type="dns")
    endpoint = cloud.make(
        "endpoint", "endpoints", service_id=service["id"], interface="public", url="http://dns", region="north"
    )
    assert endpoint["region_id"] == "north"
    assert cloud.request("GET", "/v3/regions/north", token=admin).status_int == 200


@pytest.mark.parametrize(
    "url",
    [
        "http://x/$(admin_token)s",
        "http://x/%(connection)s",
        "http://x/{0.__class__.__init__.__globals__}",
        "http://x/${project_id}",
        "http://x/$(project_id)",
        "http://x/ y",
        "http://x/\n",
        "nonsense",
        "",
    ],
)
def test_t38_a_url_with_anything_else_to_fill_in_is_400(cloud, admin, url):
    service = cloud.make("service", "services", type="dns")
    body = {"endpoint": {"service_id": service["id"], "interface": "public", "url": url}}
    assert cloud.request("POST", "/v3/endpoints", body, admin).status_int == 400


@pytest.mark.parametrize(
    "change",
    [{"interface": "secret"}, {"service_id": "nothing"}, {"region_id": "nowhere"}, {"enabled": "False"}],
)
def test_an_endpoint_that_cannot_be_is_400(cloud, admin, change):
    service = cloud.make("service", "services", type="dns")
    body = {"service_id": service["id"], "interface": "public", "url": "http://x", **change}
    assert cloud.request("POST", "/v3/endpoints", {"endpoint": body}, admin).status_int == 400


def test_an_unscoped_token_has_no_catalog(cloud):
    token = cloud.login().headers["X-Subject-Token"]
    assert cloud.request("GET", "/v3/auth/catalog", token=token).status_int == 403
