"""Stored rows become a plan in which nothing bad is left, and no row stops another."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

import pytest
from hypothesis import given, settings

from iaas.network.driver import Desired, Network, Port, Rule, Subnet
from iaas.network.drivers import matches, plan
from iaas.network.drivers.matches import BadRow, Match
from tests.contract.network_driver import BAD_RULES, NET, A, B, make_desired
from tests.unit.network.drivers import stored


@settings(max_examples=300, deadline=None)
@given(stored.desired)
def test_every_port_is_wired_or_closed_with_a_reason_whatever_is_stored(desired: Desired) -> None:
    made = plan.make(desired)
    wired = {wire.port.id for wire in made.wires}
    assert wired | made.failed.keys() == {port.id for port in desired.ports}
    assert all(made.failed.values())
    assert not {wire.port.tap for wire in made.wires} & set(made.closed)
    for wire in made.wires:
        assert wire.network in made.networks
        for guard in wire.guards:
            assert not any(
                a.overlaps(b) for a in guard.nets for b in guard.nets if a is not b and a.version == b.version
            )


@pytest.mark.parametrize("name", BAD_RULES)
def test_a_rule_that_makes_no_sense_is_refused_t45(name: str) -> None:
    with pytest.raises(BadRow, match="rule bad"):
        matches.group("g", [BAD_RULES[name]])


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Rule("r", "ingress", "IPv4"), Match(4)),
        (Rule("r", "ingress", "IPv4", "tcp", 22, 22), Match(4, 6, (22, 22))),
        (Rule("r", "ingress", "IPv4", "6", 22, None), Match(4, 6, (22, 22))),
        (Rule("r", "ingress", "IPv4", "0"), Match(4)),
        (Rule("r", "ingress", "IPv6", "icmp", 128, 0), Match(6, 58, None, (128, 0))),
        (Rule("r", "ingress", "IPv6", "ipv6-icmp"), Match(6, 58)),
        (Rule("r", "ingress", "IPv4", "icmp", 8), Match(4, 1, None, (8, None))),
        (Rule("r", "ingress", "IPv4", "vrrp"), Match(4, 112)),
        (Rule("r", "ingress", "IPv4", None, None, None, "0.0.0.0/0"), Match(4)),
        (Rule("r", "ingress", "IPv4", None, None, None, "10.1.2.3/8"), Match(4, cidr="10.0.0.0/8")),
        (Rule("r", "ingress", "IPv6", "udp", 1, 65535, None, "g"), Match(6, 17, (1, 65535), group="g")),
    ],
)
def test_a_rule_is_normalised(rule: Rule, expected: Match) -> None:
    assert matches.match(rule) == expected


def test_a_rule_stored_ten_thousand_times_is_one() -> None:
    assert matches.group("g", [Rule(str(i), "ingress", "IPv4", "tcp", 1, 2) for i in range(10_000)]).ingress == (
        Match(4, 6, (1, 2)),
    )


def test_a_mac_is_the_same_in_capitals() -> None:
    made = plan.make(make_desired(A, replace(B, mac=A.mac.upper())))
    assert set(made.failed) == {B.id}
    assert plan.make(make_desired(replace(A, mac=A.mac.upper()))).wires[0].mac == A.mac


def test_a_guest_may_use_the_link_local_address_of_its_mac() -> None:
    assert plan.link_local("fa:16:3e:00:aa:0b") == ipaddress.ip_network("fe80::f816:3eff:fe00:aa0b")


def test_a_pair_without_mac_is_for_the_ports_own() -> None:
    made = plan.make(make_desired(replace(A, allowed_pairs=(("192.0.2.1", ""),))))
    assert [guard.mac for guard in made.wires[0].guards] == [A.mac]
    assert ipaddress.ip_network("192.0.2.1") in made.wires[0].guards[0].nets


@pytest.mark.parametrize(
    "network",
    [
        replace(NET, id="../x"),
        replace(NET, mtu=68),
        replace(NET, subnets=(Subnet("s", "10.77.0.5/24", None),)),
        replace(NET, subnets=(Subnet("s", "10.77.0.0/24", "10.78.0.1"),)),
        replace(NET, subnets=(Subnet("s", "10.77.0.0/24", "10.77.0.1\n"),)),
        replace(NET, subnets=(Subnet("s", "10.77.0.0/24", "10.77.0.1", dns=("8.8.8.8,x",)),)),
        replace(NET, subnets=(Subnet("s", "10.77.0.0/24", "10.77.0.1", routes=(("::/0", "10.77.0.2"),)),)),
        replace(NET, subnets=(*NET.subnets, Subnet("t", "10.77.0.0/25", None))),
    ],
)
def test_a_bad_network_closes_its_ports_t50(network: Network) -> None:
    port: Port = replace(A, network_id=network.id)
    made = plan.make(Desired(networks=(network,), ports=(port,)))
    assert set(made.failed) == {A.id}
    assert made.networks == ()


def test_two_networks_whose_bridges_would_have_one_name_do_not_share_it() -> None:
    twin = replace(NET, id=NET.id[:-1] + "9")
    made = plan.make(Desired(networks=(NET, twin), ports=(A, replace(B, network_id=twin.id))))
    assert set(made.failed) == {A.id, B.id} - {A.id}
    assert "bridge" in made.failed[B.id]


def test_closing_one_more_port_takes_its_groups_along() -> None:
    made = plan.make(make_desired(A)).without({A.id: "no luck"})
    assert (made.wires, made.closed, dict(made.groups), made.failed) == ((), (A.tap,), {}, {A.id: "no luck"})
