"""Servers: what a create takes and refuses."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any

import orjson
import pytest
import webob

from iaas.common import runtime, sshkeys
from iaas.db import instances
from tests.fixtures.compute import add_host
from tests.fixtures.servers_asked import create, made, names, refused, wanted

pytest_plugins = ["tests.fixtures.cloud"]


# -- create: networks --------------------------------------------------------------------------------------


def test_the_smallest_request_of_2_1_names_no_network_and_is_put_on_the_default_one(cloud):
    shown = made(cloud, "2.1", networks=None)
    assert list(shown["addresses"]) == ["shared"]
    assert shown["status"] == "BUILD"


def test_the_answer_to_a_create_has_the_id_and_where_it_is(cloud):
    response = create(cloud)
    server = response.json["server"]
    assert response.headers["Location"] == server["links"][0]["href"]
    assert server["links"][0]["href"].endswith(f"/v2.1/servers/{server['id']}")


def test_the_answer_to_a_create_has_a_password_of_its_own_or_the_one_that_was_asked_for(cloud):
    passwords = {create(cloud).json["server"]["adminPass"] for _ in range(3)}
    assert len(passwords) == 3
    assert min(map(len, passwords)) >= 12
    assert create(cloud, adminPass="mine").json["server"]["adminPass"] == "mine"


def test_the_access_address_is_shown_in_its_one_spelling(cloud):
    server = made(cloud, accessIPv6="0000:0000:0000:0000:0000:babe:220.12.22.2")
    assert server["accessIPv6"] == "::babe:dc0c:1602"
    body = {"server": {"accessIPv6": "2001:0DB8::0001"}}
    shown = cloud.api.request("PUT", f"/servers/{server['id']}", body, "2.37").json["server"]
    assert shown["accessIPv6"] == "2001:db8::1"


def test_networks_are_required_from_2_37_on(cloud):
    assert create(cloud, "2.36", networks=None).status_int == 202
    refused(create(cloud, "2.37", networks=None), 400, "networks")


def test_words_for_networks_are_unknown_before_2_37(cloud):
    refused(create(cloud, "2.36", networks="none"), 400)


def test_none_gives_no_address(cloud):
    assert made(cloud, networks="none")["addresses"] == {}


def test_auto_takes_the_default_network(cloud):
    assert list(made(cloud, networks="auto")["addresses"]) == ["shared"]


def default_network(cloud) -> str:
    """The id of the network the cloud was seeded with."""
    server_id = made(cloud, networks="auto")["id"]
    with cloud.clients.db.read(cloud.api.admin) as tx:
        row = instances.get(tx, server_id)
    return orjson.loads(row.network_info)[0]["network_id"]


def test_a_network_is_named_by_its_uuid(cloud):
    shown = made(cloud, networks=[{"uuid": default_network(cloud)}])
    assert list(shown["addresses"]) == ["shared"]


def test_a_fixed_address_on_a_network_of_another_project_is_the_owners_to_choose(cloud):
    nic = {"uuid": default_network(cloud), "fixed_ip": "10.20.0.77"}
    refused(create(cloud, networks=[nic]), 403)
    shown = made(cloud, ctx=cloud.api.admin, networks=[nic])
    assert [address["addr"] for address in shown["addresses"]["shared"]] == ["10.20.0.77"]


def test_a_fixed_address_that_is_taken_is_a_conflict_or_refused(cloud):
    nic = {"uuid": default_network(cloud), "fixed_ip": "10.20.0.77"}
    made(cloud, ctx=cloud.api.admin, networks=[nic])
    assert create(cloud, ctx=cloud.api.admin, networks=[nic]).status_int in (400, 409)


def test_a_fixed_address_outside_of_the_subnets_is_refused(cloud):
    nic = {"uuid": default_network(cloud), "fixed_ip": "192.0.2.7"}
    refused(create(cloud, ctx=cloud.api.admin, networks=[nic]), 400, "192.0.2.7")


@pytest.mark.parametrize("nic", [{"uuid": "not-an-id"}, {}, {"fixed_ip": "10.20.0.5"}, {"uuid": None}])
def test_a_network_that_is_not_named_properly_is_refused(cloud, nic):
    refused(create(cloud, networks=[nic]), 400)


def test_an_unknown_network_or_port_is_refused(cloud):
    unknown = runtime.uuid()
    refused(create(cloud, networks=[{"uuid": unknown}]), 400, unknown)
    refused(create(cloud, networks=[{"port": unknown}]), 400, unknown)


def test_a_port_goes_with_no_fixed_address(cloud):
    refused(create(cloud, networks=[{"port": runtime.uuid(), "fixed_ip": "10.20.0.9"}]), 400, "fixed_ip")


def test_tags_of_interfaces_came_with_2_32_left_with_2_37_and_came_back_with_2_42(cloud):
    nic = {"uuid": default_network(cloud), "tag": "front"}
    for version, status in (("2.31", 400), ("2.32", 202), ("2.36", 202), ("2.37", 400), ("2.41", 400), ("2.42", 202)):
        assert create(cloud, version, networks=[nic]).status_int == status, version


def test_an_unknown_security_group_is_refused(cloud):
    refused(create(cloud, networks="auto", security_groups=[{"name": "walls"}]), 400, "walls")


# -- create: names, metadata, user data -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "a" * 256, 7])
def test_a_name_that_is_none_is_refused(cloud, name):
    refused(create(cloud, name=name), 400, "name")


def test_a_name_may_be_in_any_script_and_the_guest_gets_a_host_name_of_letters(cloud):
    shown = made(cloud, name="Wéb_Sérver 1€")
    assert shown["name"] == "Wéb_Sérver 1€"
    assert shown["OS-EXT-SRV-ATTR:hostname"].isascii()


def test_spaces_around_a_name_are_cut_off(cloud):
    assert made(cloud, name="  web ")["name"] == "web"


@pytest.mark.parametrize("items", [{"": "v"}, {"k" * 256: "v"}, {"k": "v" * 256}, {"k": None}, {"k/": "v"}, {"k": 1}])
def test_metadata_that_is_too_long_or_of_other_types_is_refused(cloud, items):
    refused(create(cloud, metadata=items), 400)


def test_metadata_of_the_greatest_length_is_kept(cloud):
    items = {"k" * 255: "v" * 255}
    assert made(cloud, metadata=items)["metadata"] == items


def test_more_metadata_than_the_quota_allows_is_forbidden_and_says_so(cloud):
    limit = cloud.clients.settings.quota.metadata_items
    items = {f"k{index}": "v" for index in range(limit + 1)}
    refused(create(cloud, metadata=items), 403, "metadata_items", str(limit))


def test_user_data_is_kept_for_the_guest(cloud):
    data = base64.b64encode(b"#!/bin/sh\n" * 20).decode()
    assert made(cloud, user_data=data)["OS-EXT-SRV-ATTR:user_data"] == data


@pytest.mark.parametrize("data", ["#cloud-config", "abc", "ab==cd==", "A" * 65_536, 12])
def test_user_data_that_is_not_base64_or_too_long_is_refused(cloud, data):
    refused(create(cloud, user_data=data), 400, "user_data")


# -- create: what it is made of ----------------------------------------------------------------------------


def test_an_unknown_key_pair_is_refused(cloud):
    refused(create(cloud, key_name="lost"), 400, "lost")


def test_a_key_pair_of_the_user_is_taken(cloud):
    body = {"keypair": {"name": "mine", "public_key": sshkeys.generate()[1]}}
    assert cloud.api.request("POST", "/os-keypairs", body).status_int == 200
    assert made(cloud, key_name="mine")["key_name"] == "mine"
    refused(create(cloud, key_name="mine", ctx=cloud.api.other_project), 400, "mine")


@pytest.mark.parametrize("flavor", ["no-such", "-1", 4711])
def test_an_unknown_flavor_is_refused(cloud, flavor):
    refused(create(cloud, flavorRef=flavor), 400, str(flavor))


def test_an_unknown_image_is_refused(cloud):
    unknown = runtime.uuid()
    refused(create(cloud, imageRef=unknown), 400, unknown)
    refused(create(cloud, imageRef="-1"), 400, "imageRef")


def test_an_image_that_is_not_active_is_refused(cloud):
    refused(create(cloud, imageRef=cloud.images.add(status="queued").id), 400, "queued")


def test_a_flavor_too_small_for_the_image_is_refused(cloud):
    refused(create(cloud, imageRef=cloud.images.add(min_ram_mb=65).id), 400, "memory", "65 MiB")
    refused(create(cloud, imageRef=cloud.images.add(min_disk_gb=2).id), 400, "disk", "2 GiB")
    refused(create(cloud, imageRef=cloud.images.add(virtual_size=(1 << 30) + 1).id), 400, "2 GiB")
    assert create(cloud, imageRef=cloud.images.add(min_ram_mb=64, min_disk_gb=1).id).status_int == 202


@pytest.mark.parametrize(
    "asked",
    [
        {"personality": [{"path": "/etc/motd", "contents": "aGk="}]},
        {"block_device_mapping": [{"volume_id": runtime.uuid()}]},
        {"block_device_mapping_v2": [{"source_type": "volume", "uuid": runtime.uuid(), "boot_index": 0}]},
        {"accessIPv4": "1.2.3"},
        {"accessIPv6": "2.2.2.2"},
        {"unheard_of": 1},
    ],
)
def test_what_is_not_served_is_refused_and_never_ignored(cloud, asked):
    refused(create(cloud, **asked), 400)
    assert names(cloud) == []


def test_scheduler_hints_are_refused_by_name(cloud):
    body = {**wanted(cloud), "os:scheduler_hints": {"group": runtime.uuid()}}
    refused(cloud.api.request("POST", "/servers", body, "2.37"), 400, "group")


def test_the_images_own_disk_may_be_named_as_a_block_device(cloud):
    image = cloud.images.add().id
    disk = {"source_type": "image", "destination_type": "local", "uuid": image, "boot_index": 0}
    assert create(cloud, imageRef=image, block_device_mapping_v2=[disk]).status_int == 202


# -- create: several at once, and the quota ----------------------------------------------------------------


def test_several_servers_are_numbered_from_1(cloud):
    assert create(cloud, name="many", min_count=3).status_int == 202
    assert names(cloud) == ["many-1", "many-2", "many-3"]


def test_counts_may_be_text(cloud):
    assert create(cloud, name="many", min_count="2", max_count="2").status_int == 202
    assert names(cloud) == ["many-1", "many-2"]


def test_the_reservation_is_returned_instead_when_asked_for(cloud):
    response = create(cloud, max_count=2, return_reservation_id="True")
    reservation = response.json["reservation_id"]
    found = cloud.api.request("GET", f"/servers?reservation_id={reservation}").json["servers"]
    assert len(found) == 2


@pytest.mark.parametrize(
    "counts", [{"min_count": 0}, {"max_count": -1}, {"min_count": 3, "max_count": 2}, {"min_count": ""}]
)
def test_counts_that_make_no_sense_are_refused(cloud, counts):
    refused(create(cloud, **counts), 400, "count")


def test_fewer_than_min_count_is_forbidden_and_names_resource_use_and_limit(cloud):
    cloud.clients.settings.quota.instances = 3
    made(cloud)
    refused(create(cloud, min_count=3), 403, "instances", "Requested 3", "used 1 of 3")
    assert len(names(cloud)) == 1


def test_between_min_and_max_count_as_many_are_made_as_fit(cloud):
    cloud.clients.settings.quota.instances = 3
    assert create(cloud, name="many", min_count=2, max_count=5).status_int == 202
    assert names(cloud) == ["many-1", "many-2", "many-3"]


def test_the_tightest_quota_decides_how_many_fit(cloud):
    cloud.clients.settings.quota.ram = 150
    cloud.clients.settings.quota.cores = 3
    assert create(cloud, name="many", min_count=1, max_count=5).status_int == 202
    assert names(cloud) == ["many-1", "many-2"]


def test_a_refused_request_takes_nothing(cloud):
    cloud.clients.settings.quota.instances = 1
    refused(create(cloud, networks=[{"uuid": runtime.uuid()}]), 400)
    assert create(cloud).status_int == 202


# -- create: what came with later versions ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("member", "value", "last_without", "first_with"),
    [
        ("description", "x", "2.18", "2.19"),
        ("tags", ["a"], "2.51", "2.52"),
        ("hostname", "web", "2.89", "2.90"),
        ("host", "host1", "2.73", "2.74"),
        ("hypervisor_hostname", "host1.example", "2.73", "2.74"),
    ],
)
def test_a_member_is_unknown_before_its_version(cloud, member, value, last_without, first_with):
    add_host(cloud.clients, "host1")
    networks = None if first_with == "2.19" else "none"
    asked = {member: value, "networks": networks}
    refused(create(cloud, last_without, ctx=cloud.api.admin, **asked), 400, member)
    assert create(cloud, first_with, ctx=cloud.api.admin, **asked).status_int == 202


def test_personality_is_unknown_from_2_57_on(cloud):
    refused(create(cloud, "2.57", personality=[]), 400, "personality")
    assert create(cloud, "2.56", personality=[]).status_int == 202


def test_the_description_is_the_name_before_2_19_and_empty_from_then_on(cloud):
    assert made(cloud, "2.18", networks=None)["description"] == "vm"
    assert made(cloud, "2.19", networks=None)["description"] is None
    assert made(cloud, "2.19", networks=None, description="for me")["description"] == "for me"


def test_tags_are_shown_sorted_and_once(cloud):
    assert made(cloud, "2.52", tags=["b", "a", "b"])["tags"] == ["a", "b"]


@pytest.mark.parametrize("tags", [["a,b"], ["a/b"], [""], ["t" * 61], [f"t{index}" for index in range(51)]])
def test_tags_of_bad_form_or_too_many_are_refused(cloud, tags):
    refused(create(cloud, "2.52", tags=tags), 400, "tags")


@pytest.mark.parametrize(
    ("hostname", "version"), [("web.example.org", "2.93"), ("-web", "2.90"), ("w" * 64, "2.90"), ("", "2.94")]
)
def test_a_host_name_that_is_none_is_refused(cloud, hostname, version):
    refused(create(cloud, version, hostname=hostname), 400, "hostname")


def test_a_host_name_may_have_its_domain_from_2_94_on(cloud):
    shown = made(cloud, "2.94", hostname="web.example.org")
    assert shown["OS-EXT-SRV-ATTR:hostname"] == "web.example.org"


# -- create: where -----------------------------------------------------------------------------------------


def test_a_zone_that_is_there_is_taken_and_pinned(cloud):
    add_host(cloud.clients, "host1", zone="north")
    assert made(cloud, availability_zone="north")["pinned_availability_zone"] == "north"


@pytest.mark.parametrize("zone", ["nowhere", "internal", ""])
def test_a_zone_that_is_not_there_is_refused(cloud, zone):
    add_host(cloud.clients, "host1")
    refused(create(cloud, availability_zone=zone), 400)


def test_only_an_administrator_chooses_the_host(cloud):
    add_host(cloud.clients, "host1")
    for version, asked in (("2.74", {"host": "host1"}), ("2.37", {"availability_zone": "nova:host1"})):
        refused(create(cloud, version, **asked), 403)
        assert create(cloud, version, ctx=cloud.api.admin, **asked).status_int == 202


@pytest.mark.parametrize(
    "asked",
    [
        {"host": "host9"},
        {"hypervisor_hostname": "host1"},
        {"host": "host2", "hypervisor_hostname": "host1.example"},
        {"availability_zone": "nova:host9"},
        {"availability_zone": "nova:host1", "host": "host1"},
    ],
)
def test_a_host_that_is_not_there_is_refused(cloud, asked):
    add_host(cloud.clients, "host1")
    add_host(cloud.clients, "host2")
    refused(create(cloud, "2.74", ctx=cloud.api.admin, **asked), 400)


def test_a_server_lands_on_the_host_an_administrator_chose_by_its_hypervisor(cloud):
    cloud.start()
    [known] = cloud.api.request("GET", "/os-hypervisors", version="2.53", ctx=cloud.api.admin).json["hypervisors"]
    response = create(cloud, "2.74", ctx=cloud.api.admin, hypervisor_hostname=known["hypervisor_hostname"])
    server_id = response.json["server"]["id"]
    cloud.until(lambda: cloud.server(server_id, ctx=cloud.api.admin)["OS-EXT-SRV-ATTR:host"] == "host1")


# -- create: once only -------------------------------------------------------------------------------------


def sent_with_token(cloud, token: str, body: Any, ctx: Any = None):
    """Send a create with a client token: the fixture's client sends no such header."""
    request = webob.Request.blank("/v2.1/servers", method="POST")
    request.content_type = "application/json"
    request.body = json.dumps(body).encode()
    request.headers.update({"OpenStack-API-Version": "compute 2.37", "X-Client-Token": token})
    who = ctx or cloud.api.member
    request.environ["iaas.context"] = dataclasses.replace(who, request_id="req-" + runtime.uuid())
    return request.get_response(cloud.api.wsgi)


def test_the_same_request_with_the_same_token_makes_one_server(cloud):
    body = wanted(cloud)
    first, second = sent_with_token(cloud, "t1", body), sent_with_token(cloud, "t1", body)
    assert (first.status_int, second.status_int) == (202, 202)
    assert first.json["server"]["id"] == second.json["server"]["id"]
    assert len(names(cloud)) == 1


def test_another_request_with_the_same_token_is_a_conflict(cloud):
    sent_with_token(cloud, "t1", wanted(cloud))
    refused(sent_with_token(cloud, "t1", wanted(cloud, name="other")), 409, "t1")


def test_a_token_is_a_projects_own(cloud):
    body = wanted(cloud)
    first, second = sent_with_token(cloud, "t1", body), sent_with_token(cloud, "t1", body, cloud.api.other_project)
    assert first.json["server"]["id"] != second.json["server"]["id"]


def test_the_token_of_a_server_that_is_deleted_is_a_conflict(cloud):
    cloud.start()
    body = wanted(cloud)
    server_id = sent_with_token(cloud, "t1", body).json["server"]["id"]
    cloud.api.request("DELETE", f"/servers/{server_id}")
    cloud.until(lambda: cloud.server(server_id)["status"] == "GONE")
    refused(sent_with_token(cloud, "t1", body), 409, "t1")


@pytest.mark.parametrize("token", ["t" * 65, "t\x7f"])
def test_a_token_nobody_could_keep_is_refused(cloud, token):
    refused(sent_with_token(cloud, token, wanted(cloud)), 400, "X-Client-Token")


# -- create: its price ------------------------------------------------------------------------------------


def test_a_create_without_a_network_sends_at_most_15_statements(cloud):
    body = wanted(cloud)
    create(cloud)
    assert cloud.api.statements(lambda: cloud.api.request("POST", "/servers", body, "2.37")) <= 15


def test_a_create_with_a_network_sends_at_most_20_statements(cloud):
    body = wanted(cloud, networks="auto")
    create(cloud, networks="auto")
    assert cloud.api.statements(lambda: cloud.api.request("POST", "/servers", body, "2.37")) <= 20


def test_ten_servers_in_one_request_cost_few_statements_more_than_one(cloud):
    cloud.clients.settings.quota.instances = 100
    one, ten = wanted(cloud), wanted(cloud, min_count=10)
    create(cloud)
    price = cloud.api.statements(lambda: cloud.api.request("POST", "/servers", one, "2.37"))
    counted = 1  # what is under way is counted once a second, so that either may count
    sent = cloud.api.statements(lambda: cloud.api.request("POST", "/servers", ten, "2.37"))
    assert sent <= price + 2 * 9 + counted


def test_the_access_addresses_are_kept_and_changed(cloud):
    shown = made(cloud, accessIPv4="192.0.2.7", accessIPv6="2001:db8::7")
    assert (shown["accessIPv4"], shown["accessIPv6"]) == ("192.0.2.7", "2001:db8::7")
    body = {"server": {"accessIPv4": "192.0.2.8"}}
    changed = cloud.api.request("PUT", f"/servers/{shown['id']}", body).json["server"]
    assert (changed["accessIPv4"], changed["accessIPv6"]) == ("192.0.2.8", "2001:db8::7")


def test_metadata_that_somebody_changed_meanwhile_is_not_overwritten(cloud):
    server_id = made(cloud, metadata={"a": "1"})["id"]

    def stale(tx):
        row = instances.get(tx, server_id)
        assert instances.swap_metadata(tx, row, '{"b":"2"}', runtime.time())
        return instances.swap_metadata(tx, row, '{"c":"3"}', runtime.time())

    assert cloud.clients.db.write(cloud.api.member, stale) is False
    assert cloud.server(server_id)["metadata"] == {"b": "2"}
