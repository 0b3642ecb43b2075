"""What a port and a subnet may be told, and what they refuse."""

from __future__ import annotations

import pytest

from iaas.common import runtime
from iaas.db import codec, instances, ports
from tests.fixtures.network import Caller, NetworkCloud, project, user


@pytest.fixture
def cloud() -> NetworkCloud:
    return NetworkCloud()


@pytest.fixture
def demo(cloud) -> Caller:
    return cloud.as_user("demo")


@pytest.fixture
def network(demo) -> str:
    return demo.make("/v2.0/networks", name="net")["id"]


@pytest.fixture
def subnet(demo, network) -> str:
    return demo.make("/v2.0/subnets", network_id=network, cidr="10.0.0.0/24", ip_version=4)["id"]


def ips(port: dict) -> list[str]:
    return sorted(item["ip_address"] for item in port["fixed_ips"])


def test_a_port_keeps_the_addresses_it_may_and_gets_the_new_ones(demo, network, subnet):
    port = demo.make("/v2.0/ports", network_id=network, fixed_ips=[{"ip_address": "10.0.0.50"}])
    path = f"/v2.0/ports/{port['id']}"
    both = [{"subnet_id": subnet, "ip_address": "10.0.0.50"}, {"subnet_id": subnet, "ip_address": "10.0.0.51"}]
    assert ips(demo.put(path, {"port": {"fixed_ips": both}}).body["port"]) == ["10.0.0.50", "10.0.0.51"]
    assert ips(demo.put(path, {"port": {"fixed_ips": both[1:]}}).body["port"]) == ["10.0.0.51"]
    assert ips(demo.put(path, {"port": {"fixed_ips": [{"subnet_id": subnet}]}}).body["port"]) == ["10.0.0.51"]
    assert ips(demo.put(path, {"port": {"fixed_ips": []}}).body["port"]) == []
    assert demo.make("/v2.0/ports", network_id=network, fixed_ips=[])["fixed_ips"] == []


def test_an_address_and_a_mac_are_given_once(demo, network, subnet):
    fields = {"fixed_ips": [{"ip_address": "10.0.0.50"}], "mac_address": "FA-16-3E-00-00-01"}
    assert demo.make("/v2.0/ports", network_id=network, **fields)["mac_address"] == "fa:16:3e:00:00:01"
    other = demo.make("/v2.0/ports", network_id=network)
    for name, value in fields.items():
        assert demo.post("/v2.0/ports", {"port": {"network_id": network, name: value}}).status == 409
        assert demo.put(f"/v2.0/ports/{other['id']}", {"port": {name: value}}).status == 409
    assert len(demo.get("/v2.0/ports").body["ports"]) == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"fixed_ips": [{"ip_address": "10.0.1.1"}]},
        {"fixed_ips": [{"ip_address": "10.0.0.255"}]},
        {"fixed_ips": [{"ip_address": "nonsense"}]},
        {"fixed_ips": [{}]},
        {"fixed_ips": [{"ip_address": f"10.0.0.{n}"} for n in range(10, 16)]},
        {"mac_address": "01:00:5e:00:00:01"},
        {"mac_address": "00:00:00:00:00:00"},
        {"mac_address": "fa:16:3e:00:00:01\n"},
        {"mac_address": "nonsense"},
        {"allowed_address_pairs": [{"ip_address": f"10.9.0.{n}"} for n in range(11)]},
        {"allowed_address_pairs": [{"ip_address": "10.9.0.1"}, {"ip_address": "10.9.0.1"}]},
        {"allowed_address_pairs": [{"ip_address": "10.9.0.1/99"}]},
        {"allowed_address_pairs": [{"mac_address": "fa:16:3e:00:00:01"}]},
        {"extra_dhcp_opts": [{"opt_name": "x", "opt_value": "y\ndhcp-script=/bin/sh"}]},
        {"binding:vnic_type": "direct"},
        {"dns_name": "x\ny"},
        {"name": "x" * 256},
        {"status": "ACTIVE"},
    ],
)
def test_what_a_port_cannot_be_is_refused_and_leaves_nothing(demo, network, subnet, fields):
    answer = demo.post("/v2.0/ports", {"port": {"network_id": network, **fields}})
    assert answer.status == 400, answer.body
    assert demo.get("/v2.0/ports").body["ports"] == []
    quota = demo.get(f"/v2.0/quotas/{project('demo')}/details").body["quota"]
    assert quota["port"]["used"] == 0


def test_allowed_pairs_are_normalised_and_need_port_security(demo, network, subnet):
    pairs = [{"ip_address": "10.9.0.7/24"}, {"ip_address": "10.9.1.1", "mac_address": "FA:16:3E:00:00:09"}]
    port = demo.make("/v2.0/ports", network_id=network, allowed_address_pairs=pairs)
    assert port["allowed_address_pairs"] == [
        {"ip_address": "10.9.0.0/24", "mac_address": port["mac_address"]},
        {"ip_address": "10.9.1.1", "mac_address": "fa:16:3e:00:00:09"},
    ]
    open_port = {"port": {"port_security_enabled": False, "security_groups": []}}
    assert demo.put(f"/v2.0/ports/{port['id']}", open_port).status == 409
    open_port["port"]["allowed_address_pairs"] = []
    assert demo.put(f"/v2.0/ports/{port['id']}", open_port).status == 200
    assert demo.put(f"/v2.0/ports/{port['id']}", {"port": {"allowed_address_pairs": pairs}}).status == 409


def test_a_port_is_in_the_default_group_unless_told_otherwise(demo, network, subnet):
    (default,) = demo.get("/v2.0/security-groups").body["security_groups"]
    assert (default["name"], len(default["security_group_rules"])) == ("default", 4)
    assert demo.make("/v2.0/ports", network_id=network)["security_groups"] == [default["id"]]
    assert demo.make("/v2.0/ports", network_id=network, security_groups=[])["security_groups"] == []
    open_port = demo.make("/v2.0/ports", network_id=network, port_security_enabled=False)
    assert open_port["security_groups"] == []
    assert demo.delete(f"/v2.0/security-groups/{default['id']}").status == 409
    assert demo.put(f"/v2.0/security-groups/{default['id']}", {"security_group": {"name": "x"}}).status == 409


def test_a_user_cannot_make_a_port_a_servers(cloud, demo, network, subnet):
    admin = cloud.as_user("admin", admin=True)
    port = demo.make("/v2.0/ports", network_id=network, device_id=runtime.uuid(), device_owner="mine:x")
    for who, status in ((demo, 403), (admin, 400)):
        body = {"port": {"device_owner": "compute:nova"}}
        assert who.put(f"/v2.0/ports/{port['id']}", body).status == status


def test_a_servers_port_shows_its_server_and_follows_changes(cloud, demo, network, subnet):
    from iaas.network.api import servers
    from tests.fixtures.network import add_instance

    instance_id = runtime.uuid()

    def accept(tx):
        info = servers.allocate(tx, cloud.clients, servers.plan(tx, cloud.clients, "auto"), instance_id, "web",
                                project("demo"))  # fmt: skip
        add_instance(tx, instance_id, network_info=codec.dump(info))
        ports.bind(tx, instance_id, "host1")

    cloud.clients.db.write(user("demo"), accept)
    (port,) = demo.get(f"/v2.0/ports?device_id={instance_id}").body["ports"]
    assert port["device_owner"] == "compute:nova"
    assert "binding:host_id" not in port
    path = f"/v2.0/ports/{port['id']}"
    assert cloud.as_user("admin", admin=True).get(path).body["port"]["binding:host_id"] == "host1"
    assert demo.put(path, {"port": {"fixed_ips": [{"ip_address": "10.0.0.77"}]}}).status == 200
    with cloud.clients.db.read(user("demo")) as tx:
        (nic,) = codec.load(instances.get(tx, instance_id).network_info)
    assert nic["addresses"][0]["address"] == "10.0.0.77"
    for fields in ({"device_id": ""}, {"mac_address": "fa:16:3e:00:00:01"}):
        assert demo.put(path, {"port": fields}).status == 409
    for path_ in (path, f"/v2.0/subnets/{subnet}", f"/v2.0/networks/{network}"):
        assert demo.delete(path_).status == 409


@pytest.mark.parametrize(
    "fields",
    [
        {"cidr": "10.1.0.0/33"}, {"cidr": "nonsense"}, {"cidr": "10.1.0.0/31"}, {"cidr": "0.0.0.0/0"},
        {"cidr": "127.0.0.0/24"}, {"cidr": "224.0.0.0/24"}, {"cidr": "fd00::/64"}, {"ip_version": 5},
        {"gateway_ip": "10.2.0.1"}, {"gateway_ip": "10.1.0.0"}, {"gateway_ip": "10.1.0.255"},
        {"allocation_pools": [{"start": "10.1.0.9", "end": "10.1.0.2"}]},
        {"allocation_pools": [{"start": "10.1.0.2", "end": "10.1.1.2"}]},
        {"allocation_pools": [{"start": "10.1.0.2", "end": "10.1.0.9"}, {"start": "10.1.0.9", "end": "10.1.0.12"}]},
        {"dns_nameservers": ["1.1.1.1\nserver=6.6.6.6"]}, {"dns_nameservers": ["1.1.1.1", "1.1.1.1"]},
        {"dns_nameservers": [f"1.1.1.{n}" for n in range(6)]},
        {"host_routes": [{"destination": "10.9.0.0/24", "nexthop": "fd00::1"}]},
        {"host_routes": [{"destination": "10.9.0.0/24", "nexthop": "tag:x"}]},
        {"ipv6_ra_mode": "slaac"}, {"subnetpool_id": "0" * 32}, {"id": "x"},
    ],
)  # fmt: skip
def test_what_a_subnet_cannot_be_is_refused(demo, network, fields):
    body = {"network_id": network, "cidr": "10.1.0.0/24", "ip_version": 4, **fields}
    answer = demo.post("/v2.0/subnets", {"subnet": body})
    assert answer.status == 400, answer.body
    assert demo.get("/v2.0/subnets").body["subnets"] == []


def test_a_subnets_pools_leave_out_its_gateway(demo, network):
    made = demo.make("/v2.0/subnets", network_id=network, cidr="10.1.0.0/29", ip_version=4, gateway_ip="10.1.0.4")
    assert made["allocation_pools"] == [
        {"start": "10.1.0.1", "end": "10.1.0.3"}, {"start": "10.1.0.5", "end": "10.1.0.6"},
    ]  # fmt: skip
    path = f"/v2.0/subnets/{made['id']}"
    assert demo.put(path, {"subnet": {"gateway_ip": "10.1.0.2"}}).status == 409
    assert demo.put(path, {"subnet": {"gateway_ip": None}}).body["subnet"]["gateway_ip"] is None
    v6 = demo.make("/v2.0/subnets", network_id=network, cidr="fd00::/64", ip_version=6)
    assert v6["gateway_ip"] == "fd00::1"
    assert v6["allocation_pools"] == [{"start": "fd00::2", "end": "fd00::ffff:ffff:ffff:ffff"}]


@pytest.mark.parametrize(
    "fields",
    [
        {"protocol": "256"}, {"protocol": "-1"}, {"protocol": "nonsense"}, {"protocol": "vrrp", "port_range_min": 1},
        {"protocol": None, "port_range_min": 1, "port_range_max": 2}, {"protocol": "tcp", "port_range_min": 1},
        {"protocol": "tcp", "port_range_min": 2, "port_range_max": 1},
        {"protocol": "tcp", "port_range_min": 1, "port_range_max": 65536},
        {"protocol": "icmp", "port_range_min": 256}, {"protocol": "icmp", "port_range_max": 0},
        {"protocol": "ipv6-icmp"}, {"remote_ip_prefix": "10.0.0.1/33"}, {"remote_ip_prefix": "::/0"},
        {"remote_ip_prefix": "nonsense"}, {"ethertype": "IPv5"}, {"direction": "sideways"},
        {"protocol": "tcp\n-j ACCEPT"}, {"description": "x" * 256},
    ],
)  # fmt: skip
def test_a_rule_no_packet_filter_would_take_is_refused(demo, fields):
    group = demo.make("/v2.0/security-groups", name="web")["id"]
    rule = {"security_group_id": group, "direction": "ingress", **fields}
    answer = demo.post("/v2.0/security-group-rules", {"security_group_rule": rule})
    assert answer.status == 400, answer.body
    assert len(demo.get(f"/v2.0/security-groups/{group}").body["security_group"]["security_group_rules"]) == 2


def test_a_rule_that_names_what_is_no_port_or_no_group_hears_which(demo):
    group = demo.make("/v2.0/security-groups", name="web")["id"]
    rule = {"security_group_id": group, "direction": "ingress", "protocol": "tcp"}
    for low, high, named in ((-16, 80, -16), (80, 65536, 65536)):
        body = {"security_group_rule": {**rule, "port_range_min": low, "port_range_max": high}}
        answer = demo.post("/v2.0/security-group-rules", body)
        assert answer.status == 400
        assert f"Invalid value for port {named}." in answer.body["NeutronError"]["message"]
    answer = demo.post("/v2.0/security-group-rules", {"security_group_rule": {**rule, "remote_group_id": "no_group"}})
    assert answer.status == 404


def test_rules_are_normalised_and_a_group_has_each_once(demo):
    group = demo.make("/v2.0/security-groups", name="web")["id"]
    rule = {"security_group_id": group, "direction": "ingress", "port_range_min": 80, "port_range_max": "80"}
    made = demo.make("/v2.0/security-group-rules", **rule, protocol="TCP", remote_ip_prefix="10.0.0.9/8")
    assert (made["protocol"], made["remote_ip_prefix"], made["port_range_max"]) == ("tcp", "10.0.0.0/8", 80)
    same = {**rule, "protocol": "6", "remote_ip_prefix": "10.0.0.0/8"}
    answer = demo.post("/v2.0/security-group-rules", {"security_group_rule": same})
    assert (answer.status, answer.body["NeutronError"]["type"]) == (409, "SecurityGroupRuleExists")
    v6 = {"security_group_id": group, "direction": "ingress", "ethertype": "ipv6", "protocol": "icmp"}
    made = demo.make("/v2.0/security-group-rules", **v6)
    assert (made["ethertype"], made["protocol"]) == ("IPv6", "ipv6-icmp")


def test_a_group_shows_that_rules_of_it_came_or_went(demo):
    group, other = (demo.make("/v2.0/security-groups", name=name)["id"] for name in ("web", "other"))
    seen = [demo.get(f"/v2.0/security-groups/{group}").body["security_group"]["revision_number"]]
    rule = demo.make("/v2.0/security-group-rules", security_group_id=group, direction="ingress")["id"]
    seen.append(demo.get(f"/v2.0/security-groups/{group}").body["security_group"]["revision_number"])
    assert demo.delete(f"/v2.0/security-group-rules/{rule}").status == 204
    seen.append(demo.get(f"/v2.0/security-groups/{group}").body["security_group"]["revision_number"])
    demo.make("/v2.0/security-group-rules", security_group_id=group, direction="ingress", remote_group_id=other)
    before = demo.get(f"/v2.0/security-groups/{group}").body["security_group"]["revision_number"]
    assert demo.delete(f"/v2.0/security-groups/{other}").status == 204
    seen += [before, demo.get(f"/v2.0/security-groups/{group}").body["security_group"]["revision_number"]]
    assert seen == sorted(set(seen))


def test_a_group_that_ports_are_in_stays_and_one_that_rules_name_goes(demo, network, subnet):
    web, db = (demo.make("/v2.0/security-groups", name=name)["id"] for name in ("web", "db"))
    port = demo.make("/v2.0/ports", network_id=network, security_groups=[web])
    demo.make("/v2.0/security-group-rules", security_group_id=db, direction="ingress", remote_group_id=web)
    assert demo.delete(f"/v2.0/security-groups/{web}").status == 409
    assert demo.put(f"/v2.0/ports/{port['id']}", {"port": {"security_groups": [db]}}).status == 200
    assert demo.delete(f"/v2.0/security-groups/{web}").status == 204
    assert len(demo.get(f"/v2.0/security-groups/{db}").body["security_group"]["security_group_rules"]) == 2


@pytest.mark.parametrize(
    ("path", "noun", "word", "limit"),
    [
        ("networks", "network", "network", 3), ("subnets", "subnet", "subnet", 3), ("ports", "port", "port", 3),
        ("security-groups", "security_group", "security_group", 4),
        ("security-group-rules", "security_group_rule", "security_group_rule", 9),
    ],
)  # fmt: skip
def test_quotas_are_exact_when_many_ask_at_once(cloud, demo, network, path, noun, word, limit):
    group = demo.make("/v2.0/security-groups", name="web")["id"]
    cloud.as_user("admin", admin=True).put(f"/v2.0/quotas/{project('demo')}", {"quota": {word: limit}})

    def one(number: int) -> int:
        body = {
            "network": {"name": "x"},
            "subnet": {"network_id": network, "cidr": f"10.{number}.0.0/24"},
            "port": {"network_id": network},
            "security_group": {"name": "x"},
            "security_group_rule": {"security_group_id": group, "direction": "ingress", "protocol": "tcp",
                                    "port_range_min": number + 1, "port_range_max": number + 1},
        }[noun]  # fmt: skip
        return demo.post(f"/v2.0/{path}", {noun: body}).status

    answers = [task.wait() for task in [runtime.spawn(one, number) for number in range(16)]]
    assert set(answers) == {201, 409}
    used = demo.get(f"/v2.0/quotas/{project('demo')}/details").body["quota"][word]
    assert used["used"] == limit
    rows = demo.get(f"/v2.0/{path}").body[path.replace("-", "_")]
    assert len(rows) == limit
