"""What every network driver promises, as tests: a driver's test class inherits this and gives a ``lab``."""

from __future__ import annotations

import abc
from dataclasses import replace

import pytest

from iaas.network import driver as promised
from iaas.network.driver import Desired, Held, Network, NetworkDriver, Port, Rule, Subnet
from iaas.network.drivers import digests, plan

NET = Network("aaaaaaaa-0000-4000-8000-000000000001", (Subnet("sub-a", "10.77.0.0/24", "10.77.0.1"),), mtu=1450)
OTHER = Network("bbbbbbbb-0000-4000-8000-000000000002", (Subnet("sub-b", "10.78.0.0/24", "10.78.0.1"),))
TWIN = Network("cccccccc-0000-4000-8000-000000000003", (Subnet("sub-c", "10.77.0.0/24", "10.77.0.1"),))
OPEN_OUT = Rule("rule-out", "egress", "IPv4")
WEB = Rule("rule-web", "ingress", "IPv4", "tcp", 80, 90)


def make_port(number: int, network: Network = NET, **changes: object) -> Port:
    """Return port ``number``: its MAC, address and tap end in that number."""
    subnet = network.subnets[0]
    port_id = f"{network.id[:4]}{number:04x}-0000-4000-8000-0000000000{number:02x}"
    return replace(
        Port(
            id=port_id,
            network_id=network.id,
            mac=f"fa:16:3e:00:{network.id[:2]}:{number:02x}",
            addresses=((subnet.id, subnet.cidr.replace("0/24", str(number))),),
            tap=promised.tap_name(port_id),
            hostname=f"guest-{number}",
            group_ids=("plain",),
        ),
        **changes,
    )


def make_desired(*ports: Port, rules: dict[str, tuple[Rule, ...]] | None = None, **changes: object) -> Desired:
    """Return a host with these ports; all of them are in the group ``plain``, which lets everything out."""
    networks = tuple(n for n in (NET, OTHER, TWIN) if any(port.network_id == n.id for port in ports))
    members = {"plain": frozenset(ip for port in ports for _, ip in port.addresses)}
    found = {"plain": (OPEN_OUT,), **(rules or {})}
    return replace(Desired(networks=networks, ports=ports, rules=found, groups=members), **changes)


A, B, C = make_port(11), make_port(12), make_port(13)
FAR, DOUBLE = make_port(14, OTHER), make_port(12, TWIN)

BAD_RULES = {
    "capital protocol": Rule("bad", "ingress", "IPv4", "TCP", 1, 2),
    "protocol 256": Rule("bad", "ingress", "IPv4", "256"),
    "protocol -1": Rule("bad", "ingress", "IPv4", "-1"),
    "ports of vrrp": Rule("bad", "ingress", "IPv4", "vrrp", 1, 2),
    "ports without protocol": Rule("bad", "ingress", "IPv4", None, 1, 2),
    "prefix of 33": Rule("bad", "ingress", "IPv4", remote_cidr="10.0.0.1/33"),
    "CIDR of the other version": Rule("bad", "ingress", "IPv6", remote_cidr="0.0.0.0/0"),
    "upside-down range": Rule("bad", "ingress", "IPv4", "tcp", 90, 80),
    "port 65536": Rule("bad", "ingress", "IPv4", "udp", 1, 65536),
    "ICMP type 256": Rule("bad", "ingress", "IPv4", "icmp", 256),
    "ICMP code without type": Rule("bad", "ingress", "IPv4", "icmp", None, 3),
    "newline": Rule("bad", "ingress", "IPv4", remote_cidr="10.0.0.0/8\n-A INPUT"),
    "sideways": Rule("bad", "sideways", "IPv4"),
    "ethertype": Rule("bad", "ingress", "ARP"),
}
BAD_PORTS = {
    "host name with a newline": replace(B, hostname="a\ndhcp-script=/x"),
    "host name with a comma": replace(B, hostname="a,b"),
    "MAC of a group": replace(B, mac="01:00:5e:00:00:01"),
    "MAC with a newline": replace(B, mac=B.mac + "\n"),
    "address outside": replace(B, addresses=(("sub-a", "10.99.0.1"),)),
    "the gateway's address": replace(B, addresses=(("sub-a", "10.77.0.1"),)),
    "no address": replace(B, addresses=(("sub-a", "10.77.0"),)),
    "subnet of another network": replace(B, addresses=(("sub-b", "10.78.0.9"),)),
    "bad pair": replace(B, allowed_pairs=(("10.0.0.0/40", B.mac),)),
    "someone's MAC": replace(B, mac=A.mac),
    "someone's address": replace(B, addresses=A.addresses),
    "network that is not here": replace(B, network_id="not-here"),
    "interface name": replace(B, tap="tap/../x"),
}


#: what somebody may take away from a host behind the worker's back
PARTS = ("rules", "group rules", "senders", "members", "leases")


def everything() -> Desired:
    """A host with something of all that filters know: both IP versions, pairs, remote groups, no security, one down."""
    six = Subnet("sub-6", "fd00:77::/64", "fd00:77::1")
    network = replace(NET, subnets=(*NET.subnets, six))
    many = (
        WEB,
        Rule("r1", "ingress", "IPv4", "icmp", 8, 0, "10.0.0.0/8"),
        Rule("r2", "ingress", "IPv6", "ipv6-icmp", 128),
        Rule("r3", "egress", "IPv6", "udp", 53, 53, "fd00::/8"),
        Rule("r4", "ingress", "IPv4", "112"),
        Rule("r5", "ingress", "IPv4", remote_group_id="peers"),
        Rule("r6", "ingress", "IPv6", "tcp", 1, 65535, remote_group_id="peers"),
    )
    pairs = (("10.77.0.99", "00:00:5e:00:01:05"), ("192.0.2.0/24", A.mac), ("fd00:99::/64", A.mac))
    first = replace(A, addresses=(*A.addresses, ("sub-6", "fd00:77::b")), group_ids=("plain", "many"))
    ports = (
        replace(first, allowed_pairs=pairs),
        replace(B, group_ids=("many",)),
        replace(C, secured=False, group_ids=()),
        replace(make_port(15), admin_up=False),
        FAR,
    )
    members = {"peers": frozenset({"10.77.0.12", "fd00:77::b", "fd00:77::c"})}
    desired = make_desired(*ports, rules={"many": many, "peers": ()})
    return replace(desired, networks=(network, OTHER), groups=members)


class Lab(abc.ABC):
    """A host for one test, and eyes on its guests."""

    driver: NetworkDriver

    @abc.abstractmethod
    def again(self) -> NetworkDriver:
        """Return another driver for the same host, as a restarted worker has; ``driver`` is it from now on."""

    @abc.abstractmethod
    def taps(self) -> frozenset[str]:
        """Return the taps there are."""

    @abc.abstractmethod
    def take_away(self, part: str, port: Port, group_id: str) -> None:
        """Take one of :data:`PARTS` from a port, a group of its, or the members of the remote group ``peers``."""

    @abc.abstractmethod
    def changes(self) -> int:
        """Return a number that grows when a pass changes the host."""

    @abc.abstractmethod
    def reaches(
        self, sender: Port, receiver: Port, protocol: str = "tcp", port: int = 80,
        *, source_ip: str | None = None, source_mac: str | None = None,
    ) -> bool:  # fmt: skip
        """Say whether the first packet of a flow gets from one port to the other."""

    @abc.abstractmethod
    def offers(self, port: Port, mac: str | None = None) -> str | None:
        """Return what DHCP offers through a port, to its own or another MAC."""


class NetworkDriverContract:
    """Inherit, and give a fixture ``lab`` whose driver is started."""

    def test_a_port_is_wired_and_has_its_tap(self, lab: Lab) -> None:
        report = lab.driver.converge(make_desired(A, B))
        assert report == promised.Report(frozenset({A.id, B.id}), {})
        assert lab.taps() == {A.tap, B.tap}

    def test_a_second_pass_changes_nothing(self, lab: Lab) -> None:
        first = lab.driver.converge(make_desired(A, B))
        before = lab.changes()
        assert lab.driver.converge(make_desired(A, B)) == first
        assert lab.changes() == before

    def test_a_restarted_worker_changes_nothing(self, lab: Lab) -> None:
        first = lab.driver.converge(make_desired(A, B, FAR))
        lab.driver.stop_host()
        before = lab.changes()
        assert lab.again().converge(make_desired(A, B, FAR)) == first
        assert lab.changes() == before

    def test_what_is_not_desired_any_more_is_removed(self, lab: Lab) -> None:
        lab.driver.converge(make_desired(A, B, FAR))
        lab.driver.converge(make_desired(B))
        assert lab.taps() == {B.tap}
        with pytest.raises(promised.NetworkError):
            lab.driver.metadata_listener(OTHER.id)

    def test_ingress_is_closed_by_default(self, lab: Lab) -> None:
        lab.driver.converge(make_desired(A, B))
        assert not lab.reaches(A, B)
        assert not lab.reaches(A, B, "icmp", 8)

    def test_a_rule_opens_what_it_says_and_no_more(self, lab: Lab) -> None:
        opened = replace(B, group_ids=("plain", "web"))
        lab.driver.converge(make_desired(A, opened, C, rules={"web": (WEB,)}))
        assert lab.reaches(A, B, "tcp", 80)
        assert lab.reaches(A, B, "tcp", 90)
        assert not lab.reaches(A, B, "tcp", 91)
        assert not lab.reaches(A, B, "udp", 80)
        assert not lab.reaches(A, C, "tcp", 80)

    def test_a_rule_taken_away_closes_a_running_port(self, lab: Lab) -> None:
        opened = replace(B, group_ids=("plain", "web"))
        lab.driver.converge(make_desired(A, opened, rules={"web": (WEB,)}))
        assert lab.reaches(A, B)
        lab.driver.converge(make_desired(A, opened, rules={"web": ()}))
        assert not lab.reaches(A, B)

    def test_a_rule_for_a_group_admits_its_members_as_they_come_and_go(self, lab: Lab) -> None:
        rule = Rule("rule-peers", "ingress", "IPv4", "udp", remote_group_id="peers")
        desired = make_desired(A, replace(B, group_ids=("plain", "web")), rules={"web": (rule,)})
        lab.driver.converge(replace(desired, groups={"peers": frozenset({A.addresses[0][1]})}))
        assert lab.reaches(A, B, "udp", 5000)
        lab.driver.converge(replace(desired, groups={"peers": frozenset({C.addresses[0][1]})}))
        assert not lab.reaches(A, B, "udp", 5001)
        assert not lab.reaches(A, B, "udp", 5000)

    def test_a_rule_for_a_cidr_admits_only_that(self, lab: Lab) -> None:
        rule = Rule("rule-cidr", "ingress", "IPv4", "icmp", 8, 0, remote_cidr="10.77.0.11/32")
        lab.driver.converge(make_desired(A, replace(B, group_ids=("plain", "web")), C, rules={"web": (rule,)}))
        assert lab.reaches(A, B, "icmp", 8)
        assert not lab.reaches(C, B, "icmp", 8)

    def test_egress_is_closed_without_a_rule(self, lab: Lab) -> None:
        everyone = (Rule("rule-in", "ingress", "IPv4"),)
        out = (Rule("rule-dns", "egress", "IPv4", "udp", 53, 53),)
        sender = replace(A, group_ids=("names",))
        lab.driver.converge(make_desired(sender, replace(B, group_ids=("in",)), rules={"in": everyone, "names": out}))
        assert lab.reaches(A, B, "udp", 53)
        assert not lab.reaches(A, B, "tcp", 80)

    def test_a_forged_sender_is_dropped(self, lab: Lab) -> None:
        lab.driver.converge(
            make_desired(A, replace(B, group_ids=("in",)), rules={"in": (Rule("r", "ingress", "IPv4"),)})
        )
        assert lab.reaches(A, B)
        assert not lab.reaches(A, B, source_ip="10.77.0.99")
        assert not lab.reaches(A, B, source_mac="fa:16:3e:00:aa:99")

    def test_an_address_pair_may_send(self, lab: Lab) -> None:
        pairs = (("10.77.0.99", "00:00:5e:00:01:05"), ("192.0.2.0/24", A.mac), ("192.0.2.0/25", A.mac))
        receiver = replace(B, group_ids=("in",))
        rules = {"in": (Rule("r", "ingress", "IPv4"),)}
        lab.driver.converge(make_desired(replace(A, allowed_pairs=pairs), receiver, rules=rules))
        assert lab.reaches(A, B, source_ip="10.77.0.99", source_mac="00:00:5e:00:01:05")
        assert lab.reaches(A, B, source_ip="192.0.2.200")
        assert not lab.reaches(A, B, source_ip="10.77.0.99")

    def test_a_port_without_security_forwards_everything(self, lab: Lab) -> None:
        free = [replace(port, secured=False, group_ids=()) for port in (A, B)]
        lab.driver.converge(make_desired(*free))
        assert lab.reaches(A, B)
        assert lab.reaches(A, B, source_ip="10.77.0.99", source_mac="fa:16:3e:00:aa:99")

    def test_networks_do_not_reach_each_other(self, lab: Lab) -> None:
        free = [replace(port, secured=False, group_ids=()) for port in (A, FAR)]
        lab.driver.converge(make_desired(*free))
        assert not lab.reaches(A, FAR)

    def test_two_networks_may_have_the_same_addresses(self, lab: Lab) -> None:
        ports = (A, replace(B, group_ids=("in",)), DOUBLE)
        report = lab.driver.converge(make_desired(*ports, rules={"in": (Rule("r", "ingress", "IPv4"),)}))
        assert report.wired == {port.id for port in ports}
        assert lab.offers(B) == lab.offers(DOUBLE) == "10.77.0.12"
        assert lab.reaches(A, B)
        assert not lab.reaches(A, DOUBLE)

    def test_dhcp_answers_the_ports_own_mac_only(self, lab: Lab) -> None:
        lab.driver.converge(make_desired(A, B))
        assert lab.offers(A) == "10.77.0.11"
        assert lab.offers(B) == "10.77.0.12"
        assert lab.offers(A, mac=B.mac) is None
        assert lab.offers(A, mac="fa:16:3e:00:aa:99") is None

    def test_dhcp_follows_ports_that_come_and_addresses_that_move(self, lab: Lab) -> None:
        lab.driver.converge(make_desired(A))
        assert lab.offers(A) == "10.77.0.11"
        heir = replace(C, addresses=A.addresses, hostname="12h")
        lab.driver.converge(make_desired(heir, B))
        assert lab.offers(C) == "10.77.0.11"
        assert lab.offers(B) == "10.77.0.12"

    def test_a_port_that_is_down_carries_nothing(self, lab: Lab) -> None:
        free = [replace(port, secured=False, group_ids=()) for port in (A, B)]
        lab.driver.converge(make_desired(*free))
        report = lab.driver.converge(make_desired(free[0], replace(free[1], admin_up=False)))
        assert report == promised.Report(frozenset({A.id}), {})
        assert not lab.reaches(A, B)
        assert lab.driver.converge(make_desired(*free)).wired == {A.id, B.id}
        assert lab.reaches(A, B)

    def test_bad_rules_close_their_own_port_only_t45(self, lab: Lab) -> None:
        rules = {name: (WEB, rule) for name, rule in BAD_RULES.items()} | {"in": (Rule("r", "ingress", "IPv4"),)}
        bad = [make_port(20 + i, group_ids=("plain", "in", name)) for i, name in enumerate(BAD_RULES)]
        report = lab.driver.converge(make_desired(A, *bad, replace(B, group_ids=("in",)), rules=rules))
        assert report.wired == {A.id, B.id}
        assert set(report.failed) == {port.id for port in bad}
        assert all("rule bad of security group" in reason for reason in report.failed.values())
        assert lab.reaches(A, B)
        assert not lab.reaches(A, bad[0])

    @pytest.mark.parametrize("name", BAD_PORTS)
    def test_a_bad_port_stays_closed_alone_t48_t50(self, lab: Lab, name: str) -> None:
        report = lab.driver.converge(make_desired(A, BAD_PORTS[name]))
        assert report.wired == {A.id}
        assert set(report.failed) == {B.id}
        assert lab.offers(A) == "10.77.0.11"

    def test_a_wired_port_whose_row_goes_bad_is_closed_until_it_is_well(self, lab: Lab) -> None:
        receiver = replace(B, group_ids=("in",))
        good, bad = (Rule("r", "ingress", "IPv4"),), (BAD_RULES["port 65536"],)
        lab.driver.converge(make_desired(A, receiver, rules={"in": good}))
        assert lab.reaches(A, B)
        report = lab.driver.converge(make_desired(A, receiver, rules={"in": bad}))
        assert set(report.failed) == {B.id}
        assert not lab.reaches(A, B)
        assert lab.driver.converge(make_desired(A, receiver, rules={"in": good})).failed == {}
        assert lab.reaches(A, B)

    def test_a_bad_network_closes_its_own_ports(self, lab: Lab) -> None:
        bad = replace(OTHER, subnets=(replace(OTHER.subnets[0], gateway="10.1.2.3"),))
        report = lab.driver.converge(replace(make_desired(A, FAR), networks=(NET, bad)))
        assert report.wired == {A.id}
        assert "gateway" in report.failed[FAR.id]

    def test_a_host_says_what_it_has_of_ours(self, lab: Lab) -> None:
        assert lab.driver.holds() == promised.Held(frozenset(), frozenset(), frozenset())
        shut = replace(C, admin_up=False)
        lab.driver.converge(make_desired(A, BAD_PORTS["bad pair"], shut, FAR))
        held = lab.driver.holds()
        assert held.wired == {A.id, FAR.id}
        assert {A.id, FAR.id, C.id} <= held.ports <= {A.id, FAR.id, C.id, B.id}
        assert held.networks == {NET.id, OTHER.id}
        lab.driver.converge(make_desired(A))
        assert lab.again().holds() == digests.expected(plan.make(make_desired(A)))

    def test_a_host_says_what_it_filters_by_and_whom_it_leases_to(self, lab: Lab) -> None:
        desired = everything()
        lab.driver.converge(desired)
        assert _filters(lab.driver.holds()) == _filters(digests.expected(plan.make(desired)))
        fewer = replace(desired, rules={**desired.rules, "many": desired.rules["many"][1:]})
        before = lab.driver.holds()
        lab.driver.converge(fewer)
        after = lab.again().holds()
        assert {port_id for port_id in after.rules if after.rules[port_id] != before.rules[port_id]} == {A.id, B.id}
        assert _filters(after) == _filters(digests.expected(plan.make(fewer)))
        assert after.rules[FAR.id] != after.rules[C.id]

    @pytest.mark.parametrize("part", PARTS)
    def test_what_was_taken_away_is_seen_and_comes_back_when_it_is_loaded_anew(self, lab: Lab, part: str) -> None:
        desired = everything()
        lab.driver.converge(desired)
        lab.take_away(part, A, "many")
        wanted = _filters(digests.expected(plan.make(desired)))
        assert _filters(lab.driver.holds()) != wanted
        lab.driver.converge(desired, anew=True)
        assert _filters(lab.driver.holds()) == wanted

    def test_a_port_that_nobody_gave_up_stays_as_it_was_wired_also_for_a_restarted_worker(self, lab: Lab) -> None:
        desired = everything()
        lab.driver.converge(desired)
        before, count = lab.driver.holds(), lab.changes()
        report = lab.driver.converge(Desired(gone=frozenset()))
        assert lab.changes() == count
        for found in (report, lab.again().converge(Desired(gone=frozenset()))):
            assert set(found.kept) == set(desired.ports)
            assert found.wired == before.wired
            assert lab.driver.holds() == before

    def test_a_port_that_stays_carries_what_it_did_and_is_found_by_others(self, lab: Lab) -> None:
        rule = Rule("rule-peers", "ingress", "IPv4", "udp", remote_group_id="plain")
        a, b, c = (replace(port, group_ids=("plain", "web")) for port in (A, B, C))
        rules = {"web": (rule,)}
        lab.driver.converge(make_desired(a, b, c, rules=rules))
        report = lab.again().converge(replace(make_desired(a, rules=rules), gone=frozenset()))
        assert {port.id for port in report.kept} == {B.id, C.id}
        for sender, receiver in ((A, B), (B, A), (B, C)):
            assert lab.reaches(sender, receiver, "udp", 5000)
            assert not lab.reaches(sender, receiver, "tcp", 80)
        assert lab.offers(B) == "10.77.0.12"
        assert not lab.reaches(B, A, "udp", 5000, source_ip="10.77.0.13")

    def test_a_port_that_was_given_up_is_closed_at_once_beside_one_that_stays(self, lab: Lab) -> None:
        free = [replace(port, secured=False, group_ids=()) for port in (A, B, C)]
        lab.driver.converge(make_desired(*free))
        assert lab.reaches(A, B)
        report = lab.driver.converge(Desired(gone=frozenset({B.id})))
        assert {port.id for port in report.kept} == {A.id, C.id}
        assert lab.taps() == {A.tap, C.tap}
        assert lab.driver.converge(Desired(gone=frozenset({A.id, C.id}))) == promised.Report(frozenset())
        assert lab.driver.holds() == Held(frozenset(), frozenset(), frozenset())

    def test_rules_of_a_group_reach_desired_ports_though_one_that_stays_has_it_too(self, lab: Lab) -> None:
        a, b = (replace(port, group_ids=("plain", "web")) for port in (A, B))
        lab.driver.converge(make_desired(a, b, rules={"web": (WEB,)}))
        assert lab.reaches(A, B)
        assert lab.reaches(B, A)
        lab.driver.converge(replace(make_desired(a, rules={"web": ()}), gone=frozenset()))
        assert not lab.reaches(B, A)

    @pytest.mark.parametrize("changes", [{"addresses": A.addresses}, {"mac": A.mac}], ids=["address", "MAC"])
    def test_a_port_that_stays_gives_way_to_a_desired_one(self, lab: Lab, changes: dict[str, object]) -> None:
        lab.driver.converge(make_desired(A))
        heir = replace(B, **changes)
        report = lab.driver.converge(replace(make_desired(heir), gone=frozenset()))
        assert report.wired == {B.id}
        assert set(report.failed) == {A.id} == {port.id for port in report.kept}
        assert lab.offers(heir) == heir.addresses[0][1]

    def test_a_port_that_stays_and_gets_its_row_back_is_as_its_row_says(self, lab: Lab) -> None:
        lab.driver.converge(make_desired(A, B))
        lab.driver.converge(replace(make_desired(A), gone=frozenset()))
        opened = replace(B, group_ids=("plain", "web"))
        report = lab.driver.converge(replace(make_desired(A, opened, rules={"web": (WEB,)}), gone=frozenset()))
        assert report == promised.Report(frozenset({A.id, B.id}))
        assert lab.reaches(A, B)

    def test_a_port_that_stays_keeps_a_subnet_whose_row_is_gone_where_it_fits(self, lab: Lab) -> None:
        second = Subnet("sub-2", "10.79.0.0/24", "10.79.0.1")
        wide = replace(NET, subnets=(*NET.subnets, second))
        moved = replace(B, addresses=(("sub-2", "10.79.0.12"),))
        lab.driver.converge(replace(make_desired(A, moved), networks=(wide,)))
        report = lab.driver.converge(replace(make_desired(A), gone=frozenset()))
        assert report.wired == {A.id, B.id}
        overlapping = replace(NET, subnets=(*NET.subnets, Subnet("sub-3", "10.79.0.0/25", "10.79.0.1")))
        report = lab.driver.converge(replace(make_desired(A), networks=(overlapping,), gone=frozenset()))
        assert (report.wired, set(report.failed)) == ({A.id}, {B.id})

    def test_remove_all_leaves_nothing_and_may_be_repeated(self, lab: Lab) -> None:
        lab.driver.converge(make_desired(A, FAR))
        lab.driver.remove_all()
        assert lab.taps() == frozenset()
        lab.driver.remove_all()
        lab.driver.start_host()
        assert lab.driver.converge(make_desired(A)).wired == {A.id}


def _filters(held: Held) -> tuple[object, ...]:
    """Return what is compared of a host: what its wired ports are held to."""
    rules = {port_id: digest for port_id, digest in held.rules.items() if port_id in held.wired}
    senders = {port_id: digest for port_id, digest in held.senders.items() if port_id in held.wired}
    return rules, senders, held.members, held.leases
