"""An unmodified OpenStack SDK and command line against Network v2.0 on a real socket."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openstack
import pytest
from openstack import exceptions

from iaas.common import runtime
from tests.fixtures.network import NetworkCloud, user


@pytest.fixture
def url() -> Iterator[str]:
    """Network v2.0 for a user of the project demo."""
    cloud = NetworkCloud()

    def as_demo(environ: dict[str, Any], start_response: Any) -> Any:
        environ["iaas.context"] = user("demo")
        return cloud.app(environ, start_response)

    server = runtime.serve(runtime.listen("127.0.0.1", 0), as_demo)
    cloud.clients.settings.api.network_port = server.port  # links of lists lead here
    yield f"http://127.0.0.1:{server.port}"
    server.stop()


@pytest.fixture
def sdk(url: str) -> Iterator[Any]:
    connection = openstack.connect(load_yaml_config=False, load_envvars=False, auth_type="none", endpoint=url,
                                   network_endpoint_override=url)  # fmt: skip
    yield connection.network
    connection.close()


def test_a_network_with_everything_on_it_is_made_found_changed_and_deleted(sdk):
    network = sdk.create_network(name="net")
    subnet = sdk.create_subnet(network_id=network.id, ip_version=4, cidr="10.0.0.0/24", name="sub")
    group = sdk.create_security_group(name="web")
    rule = sdk.create_security_group_rule(
        security_group_id=group.id, direction="ingress", protocol="tcp", port_range_min=80, port_range_max=80
    )
    port = sdk.create_port(network_id=network.id, name="port", security_group_ids=[group.id])
    assert (port.status, port.security_group_ids, port.fixed_ips[0]["subnet_id"]) == ("DOWN", [group.id], subnet.id)
    assert sdk.find_network("net").subnet_ids == [subnet.id]
    assert sdk.update_network(network, name="new", mtu=1400).mtu == 1400
    assert sdk.update_subnet(subnet, dns_nameservers=["9.9.9.9"]).dns_nameservers == ["9.9.9.9"]
    assert sdk.update_port(port, is_admin_state_up=False).is_admin_state_up is False
    assert [found.id for found in sdk.ports(fixed_ips=f"subnet_id={subnet.id}")] == [port.id]
    assert [found.id for found in sdk.security_group_rules(security_group_id=group.id, direction="ingress")] == [
        rule.id
    ]
    with pytest.raises(exceptions.ConflictException):
        sdk.delete_network(network)
    sdk.delete_port(port)
    sdk.delete_security_group(group)
    sdk.delete_network(network)
    assert list(sdk.networks()) == list(sdk.subnets()) == []


def test_lists_go_on_over_pages(sdk):
    names = [sdk.create_network(name=f"n{number}").name for number in range(5)]
    assert sorted(network.name for network in sdk.networks(limit=2)) == names


def test_quotas_and_extensions_are_read(sdk):
    assert sdk.get_quota(user("demo").project_id).networks == 100
    assert sdk.get_quota(user("demo").project_id, details=True).networks["limit"] == 100
    assert sdk.find_extension("security-group").alias == "security-group"


def test_the_command_line_makes_and_shows_them(url):
    program = Path(sys.executable).with_name("openstack")

    def run(*words: str) -> Any:
        line = [str(program), "--os-auth-type", "none", "--os-endpoint", url, *words, "-f", "json"]
        done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    network = run("network", "create", "net")
    subnet = run("subnet", "create", "--network", "net", "--subnet-range", "10.0.0.0/24", "--dhcp", "--gateway",
                 "10.0.0.9", "sub")  # fmt: skip
    assert (subnet["network_id"], subnet["gateway_ip"]) == (network["id"], "10.0.0.9")
    port = run("port", "create", "--network", "net", "--allowed-address", "ip-address=10.9.0.0/24", "port")
    assert port["fixed_ips"][0]["subnet_id"] == subnet["id"]
    run("security", "group", "create", "web")
    run("security", "group", "rule", "create", "--protocol", "tcp", "--dst-port", "80", "web")
    assert len(run("security", "group", "rule", "list", "web")) == 3
