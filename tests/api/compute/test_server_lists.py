"""Servers as they are shown and listed: every version edge, filters, order, pages."""

from __future__ import annotations

import re
import urllib.parse
from typing import Any

import pytest

from iaas.common import runtime
from iaas.common.rest import wire
from iaas.db import codec, hosts
from tests.fixtures import compute
from tests.fixtures.compute import OTHER_PROJECT, add_host
from tests.fixtures.servers_asked import EDGES, refused

LATEST = "2.96"


def listed(api, query: str = "", version: str = LATEST, ctx: Any = "member", what: str = "servers") -> list[str]:
    """The names of the servers a list shows."""
    # from 2.69 to 2.89 the only published sample of this list is of a cell that is down
    check = version not in ("2.72", "2.73", "2.74")
    response = api.request("GET", f"/{what}?{query}", version=version, ctx=ctx, check=check)
    assert response.status_int == 200, response.text
    return [server["name"] for server in response.json["servers"]]


def shown(api, server_id: str, version: str = LATEST, ctx: Any = "member") -> dict[str, Any]:
    response = api.request("GET", f"/servers/{server_id}", version=version, ctx=ctx)
    assert response.status_int == 200, response.text
    return response.json["server"]


FLAVOR = {"original_name": "tiny", "vcpus": 1, "ram": 64, "disk": 1, "ephemeral": 0, "swap": 0, "extra_specs": {}}


def add_instance(clients: Any, host: str | None, **columns: Any) -> str:
    """Record a server as if it had been booted from an image; return its id."""
    known = {"image_id": "70a599e0-31e7-49b7-b260-868f441e862b", "flavor": codec.dump(FLAVOR)}
    return compute.add_instance(clients, host, **{**known, **columns})


def on_network(address: str, version: int = 4) -> str:
    """What a server's row keeps of one interface."""
    nic = {"network_name": "net", "mac": "fa:16:3e:00:00:01", "addresses": [{"address": address, "version": version}]}
    return codec.dump([nic])


# -- one server, at each version edge ----------------------------------------------------------------------

BASIC = {
    "id", "name", "status", "tenant_id", "user_id", "metadata", "hostId", "image", "flavor", "created", "updated",
    "addresses", "accessIPv4", "accessIPv6", "links", "OS-DCF:diskConfig", "OS-EXT-AZ:availability_zone",
    "config_drive", "key_name", "OS-SRV-USG:launched_at", "OS-SRV-USG:terminated_at", "OS-EXT-STS:task_state",
    "OS-EXT-STS:vm_state", "OS-EXT-STS:power_state", "os-extended-volumes:volumes_attached", "progress",
}  # fmt: skip
ATTR = "OS-EXT-SRV-ATTR:"
ADMINS = {ATTR + word for word in ("host", "hypervisor_hostname", "instance_name")}
ADDED: dict[str, set[str]] = {
    "2.9": {"locked"},
    "2.19": {"description"},
    "2.26": {"tags"},
    "2.63": {"trusted_image_certificates"},
    "2.71": {"server_groups"},
    "2.73": {"locked_reason"},
    "2.90": {ATTR + "hostname"},
    "2.96": {"pinned_availability_zone"},
}
ADDED_FOR_ADMINS = {
    "2.3": {
        ATTR + word
        for word in (
            "reservation_id", "launch_index", "hostname", "kernel_id", "ramdisk_id", "root_device_name", "user_data",
        )
    },
    "2.16": {"host_status"},
}  # fmt: skip


def up_to(version: str, added: dict[str, set[str]]) -> set[str]:
    reached = EDGES[: EDGES.index(version) + 1]
    return set().union(*[members for start, members in added.items() if start in reached])


@pytest.mark.parametrize("version", EDGES)
def test_each_version_shows_a_member_what_it_had_by_then(api, version):
    add_host(api.clients, "host1")
    server_id = add_instance(api.clients, "host1")
    server = shown(api, server_id, version)
    assert set(server) == BASIC | up_to(version, ADDED)
    [again] = api.request("GET", "/servers/detail", version=version).json["servers"]
    assert again == server


@pytest.mark.parametrize("version", EDGES)
def test_each_version_shows_an_administrator_where_the_server_is_as_well(api, version):
    add_host(api.clients, "host1")
    server_id = add_instance(api.clients, "host1")
    server = shown(api, server_id, version, api.admin)
    assert set(server) == BASIC | ADMINS | up_to(version, ADDED) | up_to(version, ADDED_FOR_ADMINS)
    assert server[ATTR + "hypervisor_hostname"] == "host1.example"
    [again] = api.request("GET", "/servers/detail", version=version, ctx=api.admin).json["servers"]
    assert again == server


def test_the_flavor_is_a_link_before_2_47_and_the_flavor_as_it_was_from_then_on(api):
    server_id = add_instance(api.clients, None, flavor_id="7")
    link = shown(api, server_id, "2.46")["flavor"]
    assert (link["id"], link["links"][0]["rel"]) == ("7", "bookmark")
    assert shown(api, server_id, "2.47")["flavor"] == FLAVOR


def test_a_fault_is_shown_while_the_server_is_in_error_and_no_longer(api):
    fault = codec.dump({"code": 500, "message": "No valid host was found.", "created": runtime.time()})
    failed = add_instance(api.clients, None, vm_state="error", fault=fault)
    mended = add_instance(api.clients, None, vm_state="active", fault=fault)
    assert shown(api, failed)["fault"]["message"] == "No valid host was found."
    assert shown(api, failed)["fault"]["code"] == 500
    assert "fault" not in shown(api, mended)


def test_the_same_host_has_another_id_for_each_project(api):
    ours = shown(api, add_instance(api.clients, "host1"))["hostId"]
    also_ours = shown(api, add_instance(api.clients, "host1"))["hostId"]
    theirs = shown(api, add_instance(api.clients, "host1", project_id=OTHER_PROJECT), ctx=api.other_project)["hostId"]
    nowhere = shown(api, add_instance(api.clients, None))["hostId"]
    assert ours == also_ours != theirs
    assert re.fullmatch("[0-9a-f]{56}", ours)
    assert nowhere == ""
    assert "host1" not in ours


@pytest.mark.parametrize(
    ("silent_for", "changes", "status"),
    [
        (0.0, {}, "UP"),
        (1e6, {}, "UNKNOWN"),
        (0.0, {"forced_down": True}, "DOWN"),
        (1e6, {"disabled": True, "forced_down": True}, "MAINTENANCE"),
    ],
)
def test_an_administrator_sees_how_the_host_is(api, silent_for, changes, status):
    add_host(api.clients, "host1", silent_for=silent_for)
    with api.clients.db.read(api.admin) as tx:
        [service] = hosts.all_services(tx, host="host1")
    if changes:
        api.clients.db.write(api.admin, lambda tx: hosts.update_service(tx, service.id, **changes))
    assert shown(api, add_instance(api.clients, "host1"), ctx=api.admin)["host_status"] == status
    assert shown(api, add_instance(api.clients, None), ctx=api.admin)["host_status"] == ""
    assert shown(api, add_instance(api.clients, "gone"), ctx=api.admin)["host_status"] == "UNKNOWN"


@pytest.mark.parametrize("who", ["member", "admin"])
def test_fifty_servers_are_listed_with_as_few_statements_as_one(api, who):
    ctx = getattr(api, who)
    add_host(api.clients, "host1")

    def detail() -> Any:
        return api.request("GET", "/servers/detail", version=LATEST, ctx=ctx)

    add_instance(api.clients, "host1")
    one = api.statements(detail)
    for _ in range(49):
        add_instance(api.clients, "host1")
    assert api.statements(detail) == one <= 4
    assert len(detail().json["servers"]) == 50


# -- filters -----------------------------------------------------------------------------------------------


def test_a_member_sees_its_own_projects_servers(api):
    add_instance(api.clients, None, name="ours")
    add_instance(api.clients, None, name="theirs", project_id=OTHER_PROJECT)
    assert listed(api) == ["ours"]
    assert listed(api, ctx=api.other_project) == ["theirs"]
    assert listed(api, ctx=api.admin) == ["ours"]


@pytest.mark.parametrize("word", ["all_tenants", "all_tenants=1", "all_tenants=True"])
def test_only_an_administrator_sees_all_projects(api, word):
    add_instance(api.clients, None, name="ours")
    add_instance(api.clients, None, name="theirs", project_id=OTHER_PROJECT)
    assert sorted(listed(api, word, ctx=api.admin)) == ["ours", "theirs"]
    assert listed(api, f"{word}&project_id={OTHER_PROJECT}", ctx=api.admin) == ["theirs"]
    refused(api.request("GET", f"/servers?{word}"), 403)


def test_all_projects_is_yes_or_no(api):
    add_instance(api.clients, None, name="ours")
    assert listed(api, "all_tenants=0") == ["ours"]
    refused(api.request("GET", "/servers?all_tenants=perhaps"), 400, "all_tenants")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("web", ["web-1", "web-2"]), ("eb", ["web-1", "web-2"]), ("^web-.$", ["web-1", "web-2"]),
        ("1$", ["db-1", "web-1"]), ("(db|web)-1", ["db-1", "web-1"]), ("nothing", []), ("%25", []), ("_", []),
    ],
)  # fmt: skip
def test_names_are_found_by_a_part_or_by_a_regular_expression(api, pattern, found):
    for name in ("web-1", "web-2", "db-1"):
        add_instance(api.clients, None, name=name)
    assert sorted(listed(api, f"name={pattern}")) == found


def test_a_pattern_made_to_take_forever_does_not(api):
    for _ in range(20):
        add_instance(api.clients, None, name="a" * 250)
    started = runtime.monotonic()
    assert listed(api, "name=" + urllib.parse.quote("(a+)+(a|aa)+(a|a)*$b")) == []
    assert runtime.monotonic() - started < 2


@pytest.mark.parametrize("pattern", ["[", "(?P<x", "a{100000}", "*", "(" + "a" * 300 + ")", "(?=a)", "\\1"])
def test_a_pattern_that_cannot_be_read_is_refused(api, pattern):
    refused(api.request("GET", "/servers?name=" + urllib.parse.quote(pattern)), 400)


def test_servers_are_found_by_one_status_or_by_several(api):
    add_instance(api.clients, None, name="on")
    add_instance(api.clients, None, name="off", vm_state="stopped")
    add_instance(api.clients, None, name="bad", vm_state="error")
    add_instance(api.clients, None, name="again", task_state="rebooting")
    assert listed(api, "status=active") == ["on"]
    assert listed(api, "status=REBOOT") == ["again"]
    assert sorted(listed(api, "status=SHUTOFF&status=ERROR")) == ["bad", "off"]
    assert listed(api, "status=PAUSED") == []


def test_a_status_there_is_not_finds_nothing_before_2_38_and_is_refused_from_then_on(api):
    add_instance(api.clients, None)
    assert listed(api, "status=NO_SUCH", "2.37") == []
    refused(api.request("GET", "/servers?status=NO_SUCH", version="2.38"), 400, "NO_SUCH")


def test_deleted_servers_are_not_for_members_to_list(api):
    refused(api.request("GET", "/servers?status=DELETED"), 403)
    add_instance(api.clients, None, name="here")
    assert listed(api, "deleted=True") == ["here"]


def test_deleted_servers_have_left_the_list_even_for_administrators(api):
    add_instance(api.clients, None)
    assert listed(api, "deleted=True", ctx=api.admin) == []
    assert listed(api, "status=DELETED", ctx=api.admin) == []


@pytest.mark.parametrize(
    ("word", "column"),
    [
        ("flavor", "flavor_id"), ("image", "image_id"), ("user_id", "user_id"), ("key_name", "key_name"),
        ("availability_zone", "zone"), ("reservation_id", "reservation_id"), ("hostname", "hostname"),
        ("description", "description"),
    ],
)  # fmt: skip
def test_servers_are_found_by_what_they_are(api, word, column):
    add_instance(api.clients, None, name="wanted", **{column: "this"})
    add_instance(api.clients, None, name="other", **{column: "that"})
    assert listed(api, f"{word}=this") == ["wanted"]
    assert sorted(listed(api, f"{word}=this&{word}=that")) == ["other", "wanted"]
    assert listed(api, f"{word}=none-such") == []


def test_a_server_is_found_by_its_uuid(api):
    wanted = add_instance(api.clients, None, name="wanted")
    add_instance(api.clients, None, name="other")
    assert listed(api, f"uuid={wanted}") == ["wanted"]


def test_servers_are_found_by_address(api):
    add_instance(api.clients, None, name="four", network_info=on_network("10.20.0.5"))
    add_instance(api.clients, None, name="six", network_info=on_network("2001:db8::5", 6))
    add_instance(api.clients, None, name="none")
    assert listed(api, "ip=10.20") == ["four"]
    assert listed(api, "ip=" + urllib.parse.quote(r"^10\.20\.0\.5$")) == ["four"]
    assert listed(api, "ip=2001") == []
    assert listed(api, "ip6=db8") == ["six"]


def test_members_filter_by_ip6_from_2_5_on(api):
    add_instance(api.clients, None, name="six", network_info=on_network("2001:db8::5", 6))
    add_instance(api.clients, None, name="none")
    assert sorted(listed(api, "ip6=db8", "2.4")) == ["none", "six"]
    assert listed(api, "ip6=db8", "2.4", ctx=api.admin) == ["six"]
    assert listed(api, "ip6=db8", "2.5") == ["six"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("tags=a", ["a", "ab"]), ("tags=a,b", ["ab"]), ("tags-any=a,c", ["a", "ab", "c"]),
        ("not-tags=a,b", ["a", "c", "none"]), ("not-tags-any=a,b", ["c", "none"]), ("tags=a&not-tags=b", ["a"]),
    ],
)  # fmt: skip
def test_servers_are_found_by_tags_from_2_26_on(api, query, found):
    for name, tags in (("a", ["a"]), ("ab", ["a", "b"]), ("c", ["c"]), ("none", [])):
        add_instance(api.clients, None, name=name, tags=codec.dump(tags))
    assert sorted(listed(api, query, "2.26")) == found
    assert len(listed(api, query, "2.25")) == 4


def test_servers_are_found_by_when_they_changed(api):
    now = runtime.time()
    add_instance(api.clients, None, name="old", updated_at=now - 7200)
    add_instance(api.clients, None, name="new", updated_at=now)
    hour_ago = urllib.parse.quote(wire.timestamp(now - 3600) or "")
    assert listed(api, f"changes-since={hour_ago}") == ["new"]
    assert listed(api, f"changes-before={hour_ago}", "2.66") == ["old"]
    assert len(listed(api, f"changes-before={hour_ago}", "2.65")) == 2


def test_a_time_that_is_none_or_runs_backwards_is_refused(api):
    refused(api.request("GET", "/servers?changes-since=yesterday"), 400, "changes-since")
    query = "changes-since=2026-02-01T00:00:00Z&changes-before=2026-01-01T00:00:00Z"
    refused(api.request("GET", f"/servers?{query}", version="2.66"), 400, "changes-since")


def test_locked_servers_are_found_from_2_73_on(api):
    add_instance(api.clients, None, name="locked", locked=True)
    add_instance(api.clients, None, name="open", locked=False)
    assert listed(api, "locked=true", "2.73") == ["locked"]
    assert listed(api, "locked=false", "2.73") == ["open"]
    assert len(listed(api, "locked=true", "2.72")) == 2
    refused(api.request("GET", "/servers?locked=maybe", version="2.73"), 400, "locked")


def test_only_an_administrator_filters_by_host(api):
    add_instance(api.clients, "host1", name="one")
    add_instance(api.clients, "host2", name="two")
    assert listed(api, "host=host1", ctx=api.admin) == ["one"]
    assert sorted(listed(api, "host=host1")) == ["one", "two"]


def test_an_unknown_filter_is_ignored_before_2_75_and_refused_from_then_on(api):
    add_instance(api.clients, None, name="here")
    assert listed(api, "colour=red", "2.74") == ["here"]
    refused(api.request("GET", "/servers?colour=red", version="2.75"), 400, "colour")


@pytest.mark.parametrize("path", ["servers", "servers/detail"])
def test_both_lists_filter_alike(api, path):
    for name in ("a1", "a2", "b1"):
        add_instance(api.clients, None, name=name)
    assert sorted(listed(api, "name=a", what=path)) == ["a1", "a2"]


# -- order and pages ---------------------------------------------------------------------------------------


def test_the_newest_server_comes_first_unless_asked_otherwise(api):
    now = runtime.time()
    for age, name in ((3, "oldest"), (1, "newest"), (2, "middle")):
        add_instance(api.clients, None, name=name, created_at=now - age)
    assert listed(api) == ["newest", "middle", "oldest"]
    assert listed(api, "sort_dir=asc") == ["oldest", "middle", "newest"]


def test_keys_and_directions_go_together_by_position(api):
    for name, zone in (("a", "1"), ("b", "1"), ("c", "2")):
        add_instance(api.clients, None, name=name, zone=zone)
    query = "sort_key=availability_zone&sort_dir=desc&sort_key=display_name&sort_dir=asc"
    assert listed(api, query) == ["c", "a", "b"]
    assert listed(api, "sort_key=availability_zone&sort_key=display_name&sort_dir=asc") == ["a", "b", "c"]


PUBLISHED_KEYS = (
    "access_ip_v4", "access_ip_v6", "auto_disk_config", "availability_zone", "config_drive", "created_at",
    "display_description", "display_name", "hostname", "image_ref", "instance_type_id", "kernel_id", "key_name",
    "launch_index", "launched_at", "locked", "locked_by", "power_state", "progress", "project_id", "ramdisk_id",
    "root_device_name", "task_state", "terminated_at", "updated_at", "user_id", "uuid", "vm_state",
)  # fmt: skip


@pytest.mark.parametrize("key", PUBLISHED_KEYS)
@pytest.mark.parametrize("way", ["asc", "desc"])
def test_pages_in_any_published_order_show_every_server_once(api, key, way):
    add_instance(api.clients, None, name="s0")
    add_instance(api.clients, None, name="s1", description="d", key_name="k", image_id="i", zone="z", launched_at=5.0)
    add_instance(api.clients, None, name="s2", task_state="rebooting", launched_at=6.0)
    add_instance(api.clients, None, name="s3", description="d", locked=True, config_drive=True, power_state=1)
    found, query = [], f"limit=1&sort_key={key}&sort_dir={way}"
    for _ in range(5):
        body = api.request("GET", f"/servers?{query}", version=LATEST).json
        found += [server["name"] for server in body["servers"]]
        if "servers_links" not in body:
            break
        [link] = body["servers_links"]
        query = link["href"].partition("?")[2]
    assert sorted(found) == ["s0", "s1", "s2", "s3"]


@pytest.mark.parametrize("key", ["host", "node"])
def test_only_an_administrator_sorts_by_host(api, key):
    add_instance(api.clients, "host2", name="two")
    add_instance(api.clients, "host1", name="one")
    assert listed(api, f"sort_key={key}&sort_dir=asc", ctx=api.admin) == ["one", "two"]
    refused(api.request("GET", f"/servers?sort_key={key}"), 403)


@pytest.mark.parametrize(
    "query", ["sort_key=user_data", "sort_key=", "sort_key=name&sort_dir=up", "sort_key=name&sort_dir=asc&sort_dir=asc"]
)
def test_an_order_there_is_not_is_refused(api, query):
    refused(api.request("GET", f"/servers?{query}"), 400)


def test_a_page_links_to_the_next_with_the_same_filters(api):
    now = runtime.time()
    ids = [add_instance(api.clients, None, name=f"a{n}", created_at=now - n) for n in range(3)]
    body = api.request("GET", "/servers/detail?limit=2&name=a", version=LATEST).json
    [link] = body["servers_links"]
    assert link["rel"] == "next"
    url = urllib.parse.urlsplit(link["href"])
    assert url.path.endswith("/v2.1/servers/detail")
    assert urllib.parse.parse_qs(url.query) == {"limit": ["2"], "name": ["a"], "marker": [ids[1]]}
    last = api.request("GET", f"/servers/detail?{url.query}", version=LATEST).json
    assert [server["id"] for server in last["servers"]] == ids[2:]
    assert "servers_links" not in last


def test_a_page_follows_a_server_that_no_longer_meets_the_filters(api):
    now = runtime.time()
    ids = [add_instance(api.clients, None, name=f"n{n}", created_at=now - n) for n in range(2)]
    add_instance(api.clients, None, name="off", vm_state="stopped", created_at=now - 3)
    assert listed(api, f"status=SHUTOFF&marker={ids[0]}") == ["off"]
    assert listed(api, f"name=^off&marker={ids[0]}") == ["off"]


def test_an_unknown_marker_is_refused(api):
    theirs = add_instance(api.clients, None, project_id=OTHER_PROJECT)
    for marker in (runtime.uuid(), "no-such", theirs):
        refused(api.request("GET", f"/servers?marker={marker}"), 400, marker)


def test_limit_0_shows_nothing(api):
    add_instance(api.clients, None)
    assert api.request("GET", "/servers?limit=0").json == {"servers": []}
    assert api.request("GET", "/servers?limit=0&name=^s").json == {"servers": []}


def test_more_than_the_longest_page_is_cut_to_it(api):
    api.clients.settings.api.max_page = 2
    for _ in range(3):
        add_instance(api.clients, None)
    for query in ("limit=1000", "", "name=^s"):
        body = api.request("GET", f"/servers?{query}").json
        assert len(body["servers"]) == 2
        assert body["servers_links"]


@pytest.mark.parametrize("limit", ["-1", "x", "", "1.5", "9" * 20])
def test_a_limit_that_is_no_number_is_refused(api, limit):
    refused(api.request("GET", f"/servers?limit={limit}"), 400, "limit")
