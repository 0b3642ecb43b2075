"""The metadata API: a guest is told about itself, whoever asks in its name is refused (SECURITY T41)."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace

import pytest
import webob

from iaas.api.metadata.app import app_factory
from iaas.common import runtime
from iaas.common.rest.middleware import Bound, Guard
from iaas.compute import metadata
from iaas.db import codec, ports
from iaas.network import relay
from iaas.network.api import networks, servers, subnets
from iaas.network.api.networks import NewNetwork
from iaas.network.api.subnets import NewSubnet
from tests.fixtures.network import add_instance, make_clients, user

SECRET = "a secret of the relay"
DEMO = user("demo")
KEY = codec.dump({"name": "laptop", "type": "ssh", "public_key": "ssh-ed25519 AAAA me@laptop"})
USER_DATA = b"#!/bin/sh\necho hello\n"


class World:
    """A network with servers, and a way to ask as one of its addresses."""

    def __init__(self, **settings) -> None:
        self.clients = make_clients(**{"network__metadata_secret": SECRET, **settings})
        self.app = Bound(Guard(app_factory({}), "metadata"), self.clients)
        self.network = self.add_network("10.0.0.0/24")

    def add_network(self, cidr: str, *, dhcp: bool = True) -> str:
        (made,) = networks.create(self.clients, DEMO, [NewNetwork("net", DEMO.project_id)])
        subnets.create(self.clients, DEMO, [NewSubnet(made.row.id, cidr, 4, enable_dhcp=dhcp, dns=("9.9.9.9",))])
        return made.row.id

    def add_server(self, network_id: str | None = None, *, address: str | None = None, **values) -> tuple[str, str]:
        instance_id = runtime.uuid()

        def write(tx):
            wanted = [servers.Wanted(network_id=network_id or self.network, fixed_ip=address)]
            plan = servers.plan(tx, self.clients, wanted)
            info = servers.allocate(tx, self.clients, plan, instance_id, "web", DEMO.project_id)
            add_instance(tx, instance_id, network_info=codec.dump(info), hostname="web", **values)
            ports.bind(tx, instance_id, "host1")
            return info[0]["addresses"][0]["address"]

        return instance_id, self.clients.db.write(DEMO, write)

    def ask(self, path: str, address: str, network_id: str | None = None, *, method: str = "GET", **headers):
        network_id = network_id or self.network
        request = webob.Request.blank(path, method=method)
        request.headers[relay.NETWORK_ID] = network_id
        request.headers[relay.FORWARDED_FOR] = address
        request.headers[relay.SIGNATURE] = relay.signature(SECRET, network_id, address)
        for name, value in headers.items():
            request.headers[name.replace("_", "-")] = value
        return request.get_response(self.app)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def full(world) -> str:
    return world.add_server(key=KEY, user_data=base64.b64encode(USER_DATA).decode(), image_id=runtime.uuid())[1]


def test_the_ec2_tree_is_listed_folder_by_folder(world, full):
    assert world.ask("/", full).text.splitlines()[-2:] == ["2009-04-04", "latest"]
    assert world.ask("/latest", full).text == "meta-data/\nuser-data"
    listed = world.ask("/2009-04-04/meta-data/", full).text.splitlines()
    assert {"ami-id", "hostname", "instance-id", "local-ipv4", "placement/", "public-keys/", "mac"} <= set(listed)
    assert world.ask("/latest/meta-data", full).text.splitlines() == listed
    assert world.ask("/latest/meta-data/public-keys/", full).text == "0=laptop"
    assert world.ask("/latest/meta-data/public-keys/0/", full).text == "openssh-key"
    for name in listed:
        assert world.ask(f"/latest/meta-data/{name}", full).status_int == 200, name


def test_a_guest_reads_its_own_facts(world, full):
    read = {
        name: world.ask(f"/latest/meta-data/{name}", full).text
        for name in (
            "local-ipv4", "hostname", "instance-type", "security-groups", "public-keys/0/openssh-key",
            "placement/availability-zone",
        )
    }  # fmt: skip
    assert read == {
        "local-ipv4": full,
        "hostname": "web.novalocal",
        "instance-type": "m1.tiny",
        "security-groups": "default",
        "public-keys/0/openssh-key": "ssh-ed25519 AAAA me@laptop",
        "placement/availability-zone": "nova",
    }
    assert world.ask("/latest/user-data", full).body == USER_DATA
    assert world.ask("/openstack/latest/user_data", full).body == USER_DATA


def test_the_openstack_tree_names_the_server_its_key_and_its_interfaces(world):
    instance_id, address = world.add_server(key=KEY, metadata='{"role":"web"}')
    assert "latest" in world.ask("/openstack", address).text.splitlines()
    listed = world.ask("/openstack/latest/", address).text.splitlines()
    assert listed == ["meta_data.json", "network_data.json", "vendor_data.json", "vendor_data2.json"]
    words = world.ask("/openstack/2018-08-27/meta_data.json", address).json
    assert words["uuid"] == instance_id
    assert words["meta"] == {"role": "web"}
    assert words["keys"] == [{"name": "laptop", "type": "ssh", "data": "ssh-ed25519 AAAA me@laptop"}]
    told = world.ask("/openstack/latest/network_data.json", address).json
    assert [item["type"] for item in told["networks"]] == ["ipv4_dhcp"]
    assert told["links"][0]["ethernet_mac_address"].startswith("fa:16:3e")


def test_without_dhcp_the_addresses_are_told_in_full(world):
    network = world.add_network("10.7.0.0/24", dhcp=False)
    _, address = world.add_server(network)
    told = json.loads(world.ask("/openstack/latest/network_data.json", address, network).body)
    assert told["networks"][0]["ip_address"] == address
    assert told["networks"][0]["routes"] == [{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.7.0.1"}]
    assert told["services"] == [{"type": "dns", "address": "9.9.9.9"}]


def test_one_address_on_two_networks_is_two_servers(world):
    second = world.add_network("10.0.0.0/24")
    first_id, _ = world.add_server(address="10.0.0.9")
    second_id, _ = world.add_server(second, address="10.0.0.9")
    assert world.ask("/openstack/latest/meta_data.json", "10.0.0.9").json["uuid"] == first_id
    assert world.ask("/openstack/latest/meta_data.json", "10.0.0.9", second).json["uuid"] == second_id


def test_an_address_that_moved_answers_for_its_new_owner_at_once(world):
    old, address = world.add_server()
    assert world.ask("/openstack/latest/meta_data.json", address).json["uuid"] == old
    world.clients.db.write(DEMO, ports.release, old)
    assert world.ask("/openstack/latest/meta_data.json", address).status_int == 404
    new, _ = world.add_server(address=address)
    assert world.ask("/openstack/latest/meta_data.json", address).json["uuid"] == new


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Network_Signature": ""},
        {"X_Network_Signature": "0" * 64},
        {"X_Network_Signature": "é"},
        {"X_Network_ID": ""},
        {"X_Forwarded_For": ""},
        {"X_Forwarded_For": "10.0.0.1"},
        {"X_Forwarded_For": "10.0.0.1, 10.0.0.2"},
    ],
)
def test_forged_missing_and_mixed_headers_are_refused(world, full, headers):
    assert world.ask("/latest/meta-data/", full, **headers).status_int == 403


def test_one_changed_bit_of_a_signature_is_refused(world, full):
    good = relay.signature(SECRET, world.network, full)
    bad = good[:-1] + ("0" if good[-1] != "0" else "1")
    assert world.ask("/latest/meta-data/", full, X_Network_Signature=bad).status_int == 403


def test_headers_that_claim_an_identity_are_ignored(world, full):
    other, _ = world.add_server()
    answer = world.ask("/openstack/latest/meta_data.json", full, X_Instance_ID=other, X_Tenant_ID="x")
    assert answer.json["uuid"] != other


def test_an_empty_secret_gives_metadata_to_nobody():
    world = World(network__metadata_secret="")
    _, address = world.add_server()
    assert world.ask("/latest/meta-data/", address).status_int == 503


@pytest.mark.parametrize(
    "path",
    ["/latest/../etc/passwd", "/latest/meta-data/..", "/nonsense", "/latest/meta-data/instance-id/x",
     "/" + "a" * 10_000, "/latest/meta-data/public-keys/0/_name", "/openstack/1999-01-01/meta_data.json",
     "/latest/user-data"],
)  # fmt: skip
def test_what_is_not_there_is_a_404(world, path):
    _, address = world.add_server()
    assert world.ask(path, address).status_int == 404


def test_an_unknown_address_is_a_404_and_nothing_is_written(world, full):
    assert world.ask("/latest/meta-data/", "10.0.0.250").status_int == 404
    for method in ("POST", "PUT", "DELETE"):
        assert world.ask("/latest/api/token", full, method=method).status_int == 405


def test_a_request_takes_two_statements(world, full):
    before = world.clients.db.statements
    assert world.ask("/latest/meta-data/instance-id", full).status_int == 200
    assert world.clients.db.statements - before == 2


def test_a_config_drive_carries_the_same_documents(world):
    row = SimpleNamespace(
        id="u", ec2_id="i-1", name="web", hostname="web", launch_index=0, zone=None, zone_wanted=None, project_id="p",
        metadata="{}", key=KEY, user_data=base64.b64encode(USER_DATA).decode(), network_info="[]", flavor="{}",
        flavor_id="1", reservation_id="r-1", security_groups="[]", image_id=None,
    )  # fmt: skip
    words = metadata.config_drive(row)
    assert words["metadata"] == metadata.meta_data(row)
    assert words["user_data"] == USER_DATA
    assert words["ec2_metadata"]["public-keys"] == {"0": {"openssh-key": "ssh-ed25519 AAAA me@laptop"}}
