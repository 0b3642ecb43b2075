"""What the API says of itself and of the cloud: versions, limits, quotas, services, zones, extensions."""

from __future__ import annotations

import pytest

from tests.fixtures import compute


def test_versions_are_public_and_say_what_is_served(api):
    listed = api.request("GET", "/", ctx=None, root=True)
    assert listed.status_int == 300
    for path in ("/v3", "/v3/"):
        shown = api.request("GET", path, ctx=None, root=True)
        assert shown.status_int == 200
        assert shown.json == listed.json
    version = listed.json["versions"][0]
    assert (version["min_version"], version["version"]) == ("3.0", "3.2")
    assert {"rel": "self", "href": "http://127.0.0.1:8776/v3/"} in version["links"]
    assert api.request("GET", f"/{compute.PROJECT}/").json == listed.json


def test_microversions_are_negotiated(api):
    assert api.request("GET", "/volumes").headers["OpenStack-API-Version"] == "volume 3.0"
    assert api.request("GET", "/volumes", version="latest").headers["OpenStack-API-Version"] == "volume 3.2"
    assert api.request("GET", "/volumes", version="3.3").status_int == 406
    assert api.request("GET", "/volumes", version="x").status_int == 400


def test_limits_say_what_is_left(api):
    api.make(5)
    absolute = api.request("GET", "/limits").json["limits"]["absolute"]
    assert (absolute["maxTotalVolumes"], absolute["totalVolumesUsed"]) == (10, 1)
    assert (absolute["maxTotalVolumeGigabytes"], absolute["totalGigabytesUsed"]) == (1000, 5)


def test_quotas_are_shown_to_the_project_and_changed_by_an_admin(api):
    mine, theirs = f"/os-quota-sets/{compute.PROJECT}", f"/os-quota-sets/{compute.OTHER_PROJECT}"
    assert api.request("GET", mine).json["quota_set"]["volumes"] == 10
    assert api.request("GET", theirs).status_int == 403
    assert api.request("GET", theirs + "/defaults").status_int == 403
    assert api.request("PUT", mine, {"quota_set": {"volumes": 99}}).status_int == 403
    changed = api.request("PUT", theirs, {"quota_set": {"volumes": 1, "gigabytes": "-1"}}, ctx=api.admin)
    assert (changed.json["quota_set"]["volumes"], changed.json["quota_set"]["gigabytes"]) == (1, -1)
    assert api.request("GET", theirs + "/defaults", ctx=api.admin).json["quota_set"]["volumes"] == 10
    api.make(2000, ctx=api.other_project)
    body = {"volume": {"size": 1}}
    assert api.request("POST", "/volumes", body, ctx=api.other_project).status_int == 413
    usage = api.request("GET", theirs + "?usage=True", ctx=api.admin).json["quota_set"]
    assert usage["gigabytes"] == {"limit": -1, "in_use": 2000, "reserved": 0}
    assert usage["id"] == compute.OTHER_PROJECT


@pytest.mark.parametrize("limits", [{"volumes": -2}, {"volumes": "x"}, {"backups": 3}, {"volumes": 2**40}])
def test_a_limit_that_is_none_is_400(api, limits):
    path = f"/os-quota-sets/{compute.PROJECT}"
    assert api.request("PUT", path, {"quota_set": limits}, ctx=api.admin).status_int == 400


def test_services_are_listed_under_the_names_tools_know(api):
    api.service()
    api.service("iaas-scheduler", "control1", "internal")
    api.service("iaas-compute", "node1")
    found = api.request("GET", "/os-services", ctx=api.admin).json["services"]
    assert [(row["binary"], row["host"], row["state"], row["status"]) for row in found] == [
        ("cinder-scheduler", "control1", "up", "enabled"),
        ("cinder-volume", "store1", "up", "enabled"),
    ]
    assert len(api.request("GET", "/os-services?binary=cinder-volume", ctx=api.admin).json["services"]) == 1
    assert api.request("GET", "/os-services?host=nowhere", ctx=api.admin).json["services"] == []
    assert api.request("GET", "/os-services").status_int == 403


def test_a_service_is_disabled_with_a_reason_and_enabled_again(api):
    api.service()
    body = {"binary": "cinder-volume", "host": "store1"}
    answer = api.request(
        "PUT", "/os-services/disable-log-reason", {**body, "disabled_reason": "new disks"}, ctx=api.admin
    )
    assert answer.json["disabled_reason"] == "new disks"
    row = api.request("GET", "/os-services", ctx=api.admin).json["services"][0]
    assert (row["status"], row["disabled_reason"]) == ("disabled", "new disks")
    zones = api.request("GET", "/os-availability-zone").json["availabilityZoneInfo"]
    assert zones == [{"zoneName": "nova", "zoneState": {"available": False}}]
    api.request("PUT", "/os-services/enable", body, ctx=api.admin)
    row = api.request("GET", "/os-services", ctx=api.admin).json["services"][0]
    assert (row["status"], row["disabled_reason"]) == ("enabled", None)
    api.request("PUT", "/os-services/disable", body, ctx=api.admin)
    assert api.request("GET", "/os-services", ctx=api.admin).json["services"][0]["status"] == "disabled"


def test_a_service_of_others_or_none_is_not_switched(api):
    api.service("iaas-compute", "node1")
    for body, status in (
        ({"binary": "iaas-compute", "host": "node1"}, 404),
        ({"binary": "cinder-volume", "host": "nowhere"}, 404),
        ({"host": "node1"}, 400),
        ({"binary": "cinder-volume"}, 400),
    ):
        assert api.request("PUT", "/os-services/disable", body, ctx=api.admin).status_int == status, body
    assert api.request("PUT", "/os-services/disable", {"binary": "x", "host": "y"}).status_int == 403


def test_zones_are_those_of_volume_services(api):
    api.service(host="store1", zone="east")
    api.service(host="store2", zone="west")
    zones = api.request("GET", "/os-availability-zone").json["availabilityZoneInfo"]
    assert [zone["zoneName"] for zone in zones] == ["east", "west"]
    assert all(zone["zoneState"]["available"] for zone in zones)


def test_extensions_are_those_that_are_served(api):
    aliases = {row["alias"] for row in api.request("GET", "/extensions").json["extensions"]}
    assert "os-quota-sets" in aliases
    assert "backups" not in aliases


def test_a_volume_without_an_id_is_no_list(api):
    for method, path in (("DELETE", "/volumes/"), ("PUT", "/volumes/"), ("GET", f"/{compute.PROJECT}/volumes/")):
        assert api.request(method, path).status_int == 404
