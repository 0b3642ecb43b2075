from __future__ import annotations

import pytest

from tests.fixtures.compute import add_host, add_instance, add_service

NAMED = {"host": "a", "binary": "nova-compute"}


@pytest.fixture
def world(api):
    """Compute hosts a and b, b silent for an hour; a scheduler; a network worker that is not compute's."""
    add_host(api.clients, "a")
    add_host(api.clients, "b", silent_for=3600)
    add_service(api.clients, "iaas-scheduler", "a")
    add_service(api.clients, "iaas-network", "a")


def listed(api, version="2.53", query=""):
    response = api.request("GET", f"/os-services{query}", version=version, ctx=api.admin)
    assert response.status_int == 200, response.text
    return response.json["services"]


def of(api, host="a", binary="nova-compute", version="2.53"):
    [service] = listed(api, version, f"?host={host}&binary={binary}")
    return service


def put(api, path, body, version):
    return api.request("PUT", f"/os-services/{path}", body, version, ctx=api.admin)


def test_services_are_listed_by_the_names_clients_know(api, world):
    found = [(one["binary"], one["host"], one["zone"], one["state"], one["status"]) for one in listed(api)]
    assert found == [
        ("nova-compute", "a", "nova", "up", "enabled"),
        ("nova-compute", "b", "nova", "down", "enabled"),
        ("nova-scheduler", "a", "internal", "up", "enabled"),
    ]
    assert len(listed(api, query="?binary=nova-compute")) == 2
    assert len(listed(api, query="?binary=iaas-scheduler")) == 1
    assert len(listed(api, query="?host=a")) == 2
    assert listed(api, query="?host=zz") == []


def test_forced_down_is_shown_from_2_11_and_uuids_from_2_53(api, world):
    assert "forced_down" not in of(api, version="2.10")
    assert of(api, version="2.11")["forced_down"] is False
    assert isinstance(of(api, version="2.52")["id"], int)
    assert len(of(api, version="2.53")["id"]) == 36
    assert listed(api, "2.69")
    assert api.request("GET", "/os-services?colour=red", version="2.74", ctx=api.admin).status_int == 200
    assert api.request("GET", "/os-services?colour=red", version="2.75", ctx=api.admin).status_int == 400


def test_old_form_disables_and_enables(api, world):
    answer = put(api, "disable", NAMED, "2.52")
    assert (answer.status_int, answer.json) == (200, {"service": {**NAMED, "status": "disabled"}})
    assert of(api)["status"] == "disabled"
    answer = put(api, "disable-log-reason", {**NAMED, "disabled_reason": "broken"}, "2.52")
    assert answer.json == {"service": {**NAMED, "status": "disabled", "disabled_reason": "broken"}}
    assert of(api)["disabled_reason"] == "broken"
    assert put(api, "enable", NAMED, "2.1").json == {"service": {**NAMED, "status": "enabled"}}
    assert (of(api)["status"], of(api)["disabled_reason"]) == ("enabled", None)
    assert put(api, "enable", {**NAMED, "host": "zz"}, "2.1").status_int == 404
    assert put(api, "enable", {"host": "a"}, "2.1").status_int == 400


def test_old_form_forces_down_from_2_11(api, world):
    body = {**NAMED, "forced_down": True}
    assert put(api, "force-down", body, "2.10").status_int == 404
    assert put(api, "force-down", body, "2.11").json == {"service": body}
    assert (of(api)["forced_down"], of(api)["state"]) == (True, "down")


@pytest.mark.parametrize("form", ["enable", "disable", "disable-log-reason", "force-down"])
def test_old_forms_are_gone_from_2_53(api, world, form):
    assert put(api, form, NAMED, "2.53").status_int == 404


def test_update_by_uuid_from_2_53(api, world):
    service_id = of(api)["id"]
    changed = put(api, service_id, {"status": "disabled", "disabled_reason": "broken"}, "2.53").json["service"]
    assert changed == of(api)
    assert (changed["status"], changed["disabled_reason"]) == ("disabled", "broken")
    changed = put(api, service_id, {"status": "enabled", "forced_down": "true"}, "2.53").json["service"]
    assert (changed["status"], changed["disabled_reason"], changed["state"]) == ("enabled", None, "down")
    assert put(api, service_id, {"status": "enabled"}, "2.52").status_int == 404


@pytest.mark.parametrize(
    "body",
    [{}, {"status": "asleep"}, {"disabled_reason": "x"}, {"status": "enabled", "disabled_reason": "x"}, {"x": 1},
     {"status": "disabled", "disabled_reason": ""}],
)  # fmt: skip
def test_bad_updates_are_400(api, world, body):
    assert put(api, of(api)["id"], body, "2.53").status_int == 400


def test_unknown_services_cannot_be_changed(api, world):
    assert put(api, "e81d66a4-ddd3-4aba-8a84-171d1cb4d339", {"status": "enabled"}, "2.53").status_int == 404
    assert put(api, "7", {"status": "enabled"}, "2.53").status_int == 400
    scheduler = of(api, binary="nova-scheduler")["id"]
    assert put(api, scheduler, {"status": "disabled"}, "2.53").status_int == 400


def delete(api, service_id, version="2.53"):
    return api.request("DELETE", f"/os-services/{service_id}", version=version, ctx=api.admin).status_int


def test_delete_forgets_service_and_host(api, world):
    assert delete(api, of(api, "b")["id"]) == 204
    assert listed(api, query="?host=b") == []
    hypervisors = api.request("GET", "/os-hypervisors", ctx=api.admin).json["hypervisors"]
    assert [one["hypervisor_hostname"] for one in hypervisors] == ["a.example"]
    assert delete(api, of(api, version="2.52")["id"], "2.52") == 204
    assert len(listed(api)) == 1
    assert delete(api, "e81d66a4-ddd3-4aba-8a84-171d1cb4d339") == 404
    assert delete(api, "x") == 400
    assert delete(api, "7", "2.52") == 404
    assert delete(api, "x", "2.52") == 400


def test_service_of_a_host_with_servers_cannot_be_deleted(api, world):
    add_instance(api.clients, "a")
    assert delete(api, of(api)["id"]) == 409
    assert of(api)["state"] == "up"


def test_services_are_for_admins(api, world):
    assert api.request("GET", "/os-services").status_int == 403
    assert api.request("PUT", "/os-services/disable", NAMED).status_int == 403
    assert api.request("DELETE", f"/os-services/{of(api)['id']}", version="2.53").status_int == 403


# -- zones ----------------------------------------------------------------------------------------------------


def test_zones_are_available_where_a_host_is_up_and_enabled(api, world):
    add_host(api.clients, "c", zone="east", silent_for=3600)
    found = api.request("GET", "/os-availability-zone").json["availabilityZoneInfo"]
    assert found == [
        {"zoneName": "east", "zoneState": {"available": False}, "hosts": None},
        {"zoneName": "nova", "zoneState": {"available": True}, "hosts": None},
    ]
    put(api, "disable", NAMED, "2.1")
    found = api.request("GET", "/os-availability-zone").json["availabilityZoneInfo"]
    assert [zone["zoneState"]["available"] for zone in found] == [False, False]


def test_zones_in_detail_show_hosts_and_the_internal_zone_to_admins(api, world):
    response = api.request("GET", "/os-availability-zone/detail", ctx=api.admin)
    internal, nova = response.json["availabilityZoneInfo"]
    assert internal["zoneName"] == "internal"
    assert internal["hosts"]["a"]["nova-scheduler"]["available"] is True
    assert {host: services["nova-compute"]["available"] for host, services in nova["hosts"].items()} == {
        "a": True,
        "b": False,
    }
    assert api.request("GET", "/os-availability-zone/detail").status_int == 403
