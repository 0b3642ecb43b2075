from __future__ import annotations

import pytest

from tests.fixtures.compute import add_host, add_instance

RESOURCES = {
    "cpu_info", "current_workload", "disk_available_least", "free_disk_gb", "free_ram_mb", "local_gb", "local_gb_used",
    "memory_mb", "memory_mb_used", "running_vms", "vcpus", "vcpus_used",
}  # fmt: skip


@pytest.fixture
def two(api):
    """Hosts a (up, one server being rebooted) and b (silent for an hour)."""
    ids = add_host(api.clients, "a"), add_host(api.clients, "b", silent_for=3600, disk_gb=50)
    add_instance(api.clients, "a", name="web", task_state="rebooting")
    return ids


def get(api, path, version="2.53", ctx=None):
    return api.request("GET", path, version=version, ctx=ctx or api.admin)


def hypervisors(response):
    assert response.status_int == 200, response.text
    return response.json["hypervisors"]


def names(response):
    return [one["hypervisor_hostname"] for one in hypervisors(response)]


def test_list_shows_state_and_status(api, two):
    first, second = hypervisors(get(api, "/os-hypervisors"))
    assert first == {"id": two[0], "hypervisor_hostname": "a.example", "state": "up", "status": "enabled"}
    assert second["state"] == "down"


def test_ids_are_numbers_until_2_52(api, two):
    number = hypervisors(get(api, "/os-hypervisors", "2.52"))[0]["id"]
    assert isinstance(number, int)
    old = get(api, f"/os-hypervisors/{number}", "2.52").json["hypervisor"]
    assert isinstance(old["service"]["id"], int)
    new = get(api, f"/os-hypervisors/{two[0]}", "2.53").json["hypervisor"]
    assert (old["hypervisor_hostname"], new["hypervisor_hostname"]) == ("a.example", "a.example")
    assert get(api, f"/os-hypervisors/{number}", "2.53").status_int == 400
    assert get(api, f"/os-hypervisors/{two[0]}", "2.52").status_int == 404
    assert get(api, f"/os-hypervisors/{two[0][::-1]}", "2.53").status_int in (400, 404)


def test_detail_counts_what_is_sold(api, two):
    found = hypervisors(get(api, "/os-hypervisors/detail", "2.28"))[0]
    assert (found["memory_mb"], found["memory_mb_used"], found["free_ram_mb"]) == (16384, 512, 15872)
    assert (found["local_gb"], found["free_disk_gb"], found["vcpus"], found["vcpus_used"]) == (100, 100, 8, 0)
    assert found["current_workload"] == 1
    assert found["service"]["host"] == "a"


def test_cpu_info_is_an_object_from_2_28(api, two):
    assert hypervisors(get(api, "/os-hypervisors/detail", "2.27"))[0]["cpu_info"] == '{"arch": "x86_64"}'
    assert hypervisors(get(api, "/os-hypervisors/detail", "2.28"))[0]["cpu_info"] == {"arch": "x86_64"}


@pytest.mark.parametrize("version", ["2.33", "2.53"])
def test_list_is_paged_from_2_33(api, two, version):
    page = get(api, "/os-hypervisors/detail?limit=1", version)
    assert names(page) == ["a.example"]
    href = page.json["hypervisors_links"][0]["href"].removeprefix("http://127.0.0.1:8774/v2.1")
    assert names(get(api, href, version)) == ["b.example"]
    assert get(api, "/os-hypervisors?marker=none", version).status_int == 400
    assert names(get(api, "/os-hypervisors?limit=1", "2.32")) == ["a.example", "b.example"]


def test_pattern_and_servers_are_parameters_from_2_53(api, two):
    assert names(get(api, "/os-hypervisors?hypervisor_hostname_pattern=b.ex")) == ["b.example"]
    assert get(api, "/os-hypervisors?hypervisor_hostname_pattern=zz").status_int == 404
    assert get(api, "/os-hypervisors?hypervisor_hostname_pattern=%25").status_int == 404
    assert get(api, "/os-hypervisors?hypervisor_hostname_pattern=a&limit=1").status_int == 400
    first, second = hypervisors(get(api, "/os-hypervisors?with_servers=true"))
    assert [server["name"] for server in first["servers"]] == ["web"]
    assert "servers" not in second
    assert get(api, "/os-hypervisors?with_servers=perhaps").status_int == 400
    shown = get(api, f"/os-hypervisors/{two[0]}?with_servers=1").json["hypervisor"]
    assert [server["name"] for server in shown["servers"]] == ["web"]
    assert "servers" not in get(api, f"/os-hypervisors/{two[0]}").json["hypervisor"]


def test_no_servers_are_said_from_2_75(api, two):
    assert hypervisors(get(api, "/os-hypervisors/detail?with_servers=true", "2.75"))[1]["servers"] == []
    assert get(api, "/os-hypervisors?colour=red", "2.74").status_int == 200
    assert get(api, "/os-hypervisors?colour=red", "2.75").status_int == 400


def test_resources_are_gone_from_2_88(api, two):
    before = get(api, f"/os-hypervisors/{two[0]}", "2.87").json["hypervisor"]
    after = get(api, f"/os-hypervisors/{two[0]}", "2.88").json["hypervisor"]
    assert set(before) - set(after) == RESOURCES
    assert after["uptime"] is None
    assert get(api, "/os-hypervisors/detail", "2.88").status_int == 200


def test_statistics_sum_all_enabled_hosts_until_2_87(api, two):
    found = get(api, "/os-hypervisors/statistics", "2.87").json["hypervisor_statistics"]
    assert (found["count"], found["local_gb"], found["vcpus"], found["current_workload"]) == (2, 150, 16, 1)
    assert get(api, "/os-hypervisors/statistics", "2.88").status_int == 404


def test_uptime_is_not_told(api, two):
    assert get(api, f"/os-hypervisors/{two[0]}/uptime", "2.87").status_int == 501
    assert get(api, f"/os-hypervisors/{two[0]}/uptime", "2.88").status_int == 404


def test_search_and_servers_have_paths_until_2_52(api, two):
    assert names(get(api, "/os-hypervisors/exam/search", "2.52")) == ["a.example", "b.example"]
    first, second = hypervisors(get(api, "/os-hypervisors/exam/servers", "2.52"))
    assert [server["name"] for server in first["servers"]] == ["web"]
    assert "servers" not in second
    for end in ("search", "servers"):
        assert get(api, f"/os-hypervisors/zz/{end}", "2.52").status_int == 404
        assert get(api, f"/os-hypervisors/exam/{end}", "2.53").status_int == 404


def test_hypervisors_are_for_admins(api, two):
    for path in ("/os-hypervisors", "/os-hypervisors/detail", f"/os-hypervisors/{two[0]}"):
        assert get(api, path, ctx=api.member).status_int == 403


def test_lists_send_as_many_statements_for_many_as_for_one(api):
    add_host(api.clients, "first")
    add_instance(api.clients, "first")
    path = "/os-hypervisors/detail?with_servers=true"
    one = api.statements(lambda: get(api, path))
    for index in range(10):
        add_host(api.clients, f"h{index}")
        add_instance(api.clients, f"h{index}")
    assert api.statements(lambda: get(api, path)) == one
