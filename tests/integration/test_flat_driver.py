"""The flat driver in namespaces of its own, seen through real frames on the guests' taps."""

from __future__ import annotations

import itertools
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from iaas.common import shell
from iaas.network import driver as promised
from iaas.network.driver import Desired, NetworkDriver, Port, Rule
from iaas.network.drivers.flat import links
from iaas.network.drivers.flat.driver import FlatDriver
from iaas.network.drivers.flat.host import Host
from iaas.network.drivers.flat.settings import FlatSettings
from tests.contract.network_driver import (
    NET,
    TWIN,
    A,
    B,
    C,
    Lab,
    NetworkDriverContract,
    make_desired,
    make_port,
)
from tests.integration.guest_frames import (
    BROADCAST,
    Guest,
    arp,
    dhcp_message,
    ethernet,
    icmp6,
    ipv4,
    ipv6,
    tcp,
    udp,
)

pytestmark = pytest.mark.host
GATEWAY_MAC = links.mac_of(NET.id)
QUIET = (
    0.05  # seconds in which a frame that was let through has arrived: the kernel forwards within the write
)
CHANGING = ("-batch", "-f", "restore", "iptables-restore", "ip6tables-restore", "dnsmasq", "--load-file")
_numbers = itertools.count()
EVERYTHING = {"in": (Rule("r4", "ingress", "IPv4"), Rule("r6", "ingress", "IPv6"))}


def _why_not() -> str | None:
    if os.geteuid() != 0:
        return "SKIPPED LOUDLY: the network data plane is tested only by root"
    if not Path("/dev/net/tun").exists():
        return "SKIPPED LOUDLY: no /dev/net/tun, so no taps"
    try:
        shell.run(["unshare", "--net", "true"])
        for program in ("nft", "ipset", "dnsmasq", "conntrack", "iptables-restore"):
            shell.which(program)
    except (shell.CommandFailed, shell.CommandMissing) as error:
        return f"SKIPPED LOUDLY: {error.message}"
    return None


class FlatLab(Lab):
    def __init__(self, folder: Path, uplink: str | None = None) -> None:
        self.namespace = f"iaas-t{os.getpid()}-{next(_numbers)}"
        self.settings = FlatSettings(folder / "network", self.namespace, uplink, lease_seconds=3600)
        self.host = Host(self.namespace)
        self.guests: dict[str, Guest] = {}
        self.count = 0
        self.driver: NetworkDriver = FlatDriver(self.settings)
        self.driver.start_host()

    def again(self) -> NetworkDriver:
        self.driver = FlatDriver(self.settings)
        self.driver.start_host()
        return self.driver

    def close(self) -> None:
        self.hang_up()
        self.driver.remove_all()

    def hang_up(self) -> None:
        for guest in self.guests.values():
            guest.close()
        self.guests.clear()

    def taps(self) -> frozenset[str]:
        return frozenset(links.ours(links.read(self.host), links.PORT)) if self.host.exists else frozenset()

    def changes(self) -> int:
        return self.count

    def guest(self, port: Port) -> Guest | None:
        if port.tap not in self.taps():
            return None
        if port.id not in self.guests:
            self.guests[port.id] = Guest(self.host, port)
        return self.guests[port.id]

    def guests_of(self, *ports: Port) -> list[Guest]:
        found = [self.guest(port) for port in ports]
        return [guest for guest in found if guest is not None]

    def reaches(
        self,
        sender: Port,
        receiver: Port,
        protocol: str = "tcp",
        port: int = 80,
        *,
        source_ip: str | None = None,
        source_mac: str | None = None,
    ) -> bool:
        source, target = self.guest(sender), self.guest(receiver)
        if source is None or target is None:
            return False
        frame, known = source.datagram(target, protocol, port, source_ip, source_mac)
        return source.send(frame) and target.receive(known, QUIET) is not None

    def offers(self, port: Port, mac: str | None = None) -> str | None:
        guest = self.guest(port)
        assert guest is not None
        if mac is None:
            return _offer(guest, [{}], tries=10)
        return _offer(guest, [{"chaddr": mac}, {"source": mac, "chaddr": mac}], tries=1)


def _offer(guest: Guest, questions: Sequence[dict[str, str]], tries: int) -> str | None:
    """Return what is offered; answers are broadcast, so those to others are heard too and passed over."""
    for _ in range(tries):
        xid = next(_numbers)
        for question in questions:
            guest.send(guest.discover(xid=xid, **question))
        answer = guest.receive(lambda frame, xid=xid: frame.dhcp(xid) is not None, 0.3)
        options = answer.dhcp() if answer else None
        if options:
            return socket.inet_ntoa(options[0])
    return None


@pytest.fixture(scope="module", autouse=True)
def _able() -> None:
    reason = _why_not()
    if reason:
        pytest.skip(reason)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlatLab]:
    yield from _lab(tmp_path, monkeypatch)


def _lab(folder: Path, monkeypatch: pytest.MonkeyPatch, uplink: str | None = None) -> Iterator[FlatLab]:
    made = FlatLab(folder, uplink)
    run = shell.run

    def counted(argv: Sequence[str | Path], **words: Any) -> shell.Result:
        made.count += any(word in CHANGING for word in argv)
        return run(argv, **words)

    monkeypatch.setattr(shell, "run", counted)
    yield made
    made.close()


class TestFlatDriver(NetworkDriverContract):
    pass


# -- anti-spoofing (T47) -------------------------------------------------------------------------------------


def _forgeries() -> dict[str, bytes]:
    """Frames port A must not send; B, C and the gateway are the victims."""
    forged = "fa:16:3e:00:aa:99"
    own6, b6 = "fe80::f816:3eff:fe00:aa0b", "fe80::f816:3eff:fe00:aa0c"
    allnodes, multicast = "ff02::1", "33:33:00:00:00:01"
    target = socket.inet_pton(socket.AF_INET6, b6)
    pinged = ipv4("10.77.0.11", "10.77.0.12", 1, b"\x08\x00" + bytes(6))

    options, fragment = bytes([58, 0, 1, 4, 0, 0, 0, 0]), bytes([58, 0, 0, 1, 0, 0, 0, 9])

    def v6(source: str, protocol: int, payload: bytes) -> bytes:
        return ethernet(A.mac, multicast, 0x86DD, ipv6(source, allnodes, protocol, payload))

    answer = udp(67, 68, dhcp_message(2, B.mac, operation=2))
    return {
        "ARP reply for the gateway": ethernet(A.mac, BROADCAST, 0x0806, arp(2, A.mac, "10.77.0.1", "10.77.0.12")),
        "gratuitous ARP for B": ethernet(A.mac, BROADCAST, 0x0806, arp(1, A.mac, "10.77.0.12", "10.77.0.12")),
        "ARP of another MAC": ethernet(A.mac, BROADCAST, 0x0806, arp(2, forged, "10.77.0.11", "10.77.0.12")),
        "ARP from a forged frame": ethernet(forged, BROADCAST, 0x0806, arp(1, A.mac, "10.77.0.11", "10.77.0.12")),
        "RARP": ethernet(A.mac, BROADCAST, 0x8035, arp(3, A.mac, "10.77.0.11", "10.77.0.12")),
        "DHCP answer": ethernet(A.mac, BROADCAST, 0x0800, ipv4("10.77.0.11", "255.255.255.255", 17, answer)),
        "DHCP answer as gateway": ethernet(A.mac, BROADCAST, 0x0800, ipv4("10.77.0.1", "255.255.255.255", 17, answer)),
        "802.1Q": ethernet(A.mac, BROADCAST, 0x8100, struct.pack("!HH", 5, 0x0800) + pinged),
        "802.1Q with priority only": ethernet(A.mac, BROADCAST, 0x8100, struct.pack("!HH", 0, 0x0800) + pinged),
        "802.1ad": ethernet(A.mac, BROADCAST, 0x88A8, struct.pack("!HH", 5, 0x0800) + pinged),
        "unknown ethertype": ethernet(A.mac, BROADCAST, 0x88B5, b"hello"),
        "spanning tree": ethernet(A.mac, "01:80:c2:00:00:00", 38, b"\x42\x42\x03" + bytes(35)),
        "forged fragment": ethernet(A.mac, B.mac, 0x0800, ipv4("10.77.0.9", "10.77.0.12", 17, bytes(64), offset=8)),
        "IPv6 source": ethernet(A.mac, multicast, 0x86DD, ipv6(b6, allnodes, 17, udp(5000, 5000))),
        "router advertisement": v6(own6, 58, icmp6(own6, allnodes, 134, bytes(12))),
        "redirect": v6(own6, 58, icmp6(own6, allnodes, 137, bytes(36))),
        "neighbour advertisement for B": v6(own6, 58, icmp6(own6, allnodes, 136, bytes(4) + target)),
        "advertisement behind options": v6(own6, 0, options + icmp6(own6, allnodes, 134, bytes(12))),
        "fragmented advertisement": v6(own6, 44, fragment + icmp6(own6, allnodes, 134, bytes(12))),
        "solicitation to disturb B's duplicate check": v6("::", 58, icmp6("::", allnodes, 135, bytes(4) + target)),
        "DHCPv6 answer": v6(own6, 17, udp(547, 546, b"\x07\x00\x00\x00")),
    }  # fmt: skip


@pytest.fixture
def street(lab: FlatLab) -> tuple[Guest, Guest, Guest]:
    """A, B and C on one network; everything is let in and out, so that only forgery is stopped."""
    out6 = {"plain": (Rule("o4", "egress", "IPv4"), Rule("o6", "egress", "IPv6"))}
    ports = [replace(port, group_ids=("plain", "in")) for port in (A, B, C)]
    assert len(lab.driver.converge(make_desired(*ports, rules={**EVERYTHING, **out6})).wired) == 3
    first, second, third = lab.guests_of(*ports)
    return first, second, third


@pytest.mark.parametrize("name", _forgeries())
def test_a_forged_frame_reaches_nobody_t47(street: tuple[Guest, Guest, Guest], name: str) -> None:
    sender, *others = street
    for guest in others:
        guest.drain()
    frame = _forgeries()[name]
    assert sender.send(frame)
    assert [
        g.receive(lambda seen: seen.source == sender.mac or seen.data[:60] == frame[:60], QUIET)
        for g in others
    ] == [
        None,
        None,
    ]


def test_a_guests_own_arp_and_discovery_pass_t47(street: tuple[Guest, Guest, Guest]) -> None:
    first, second, _ = street
    own6 = "fe80::f816:3eff:fe00:aa0b"
    about_me = bytes(4) + socket.inet_pton(socket.AF_INET6, own6)
    for kind, target, payload in (
        (0x0806, BROADCAST, arp(1, A.mac, "10.77.0.11", "10.77.0.12")),
        (0x0806, BROADCAST, arp(1, A.mac, "0.0.0.0", "10.77.0.11")),
        (0x0806, B.mac, arp(2, A.mac, "10.77.0.11", "10.77.0.12", target_mac=B.mac)),
        (0x86DD, "33:33:00:00:00:01", ipv6(own6, "ff02::1", 58, icmp6(own6, "ff02::1", 136, about_me))),
        (0x86DD, "33:33:00:00:00:01", ipv6("::", "ff02::1", 58, icmp6("::", "ff02::1", 135, about_me))),
        (0x86DD, B.mac, ipv6(own6, "fe80::f816:3eff:fe00:aa0c", 17, udp(5000, 5001))),
    ):
        frame = ethernet(A.mac, target, kind, payload)
        first.send(frame)
        assert second.receive(lambda seen, frame=frame: seen.data.startswith(frame)), payload.hex()


def test_the_gateway_answers_arp_with_a_mac_that_does_not_change(lab: FlatLab) -> None:
    lab.driver.converge(make_desired(A))
    guest = lab.guests_of(A)[0]
    guest.send(ethernet(A.mac, BROADCAST, 0x0806, arp(1, A.mac, A.addresses[0][1], "10.77.0.1")))
    answer = guest.receive(lambda frame: frame.kind == 0x0806)
    assert answer is not None
    assert answer.source == GATEWAY_MAC


def test_a_neighbour_never_sees_unicast_of_others_even_when_the_bridge_floods_t51(
    street: tuple[Guest, Guest, Guest],
) -> None:
    first, second, third = street
    frame, known = first.datagram(
        second, "udp", 5000
    )  # B has never sent: the bridge does not know where it is
    first.send(frame)
    assert second.receive(known)
    assert third.receive(known, QUIET) is None


# -- state ---------------------------------------------------------------------------------------------------


def test_answers_pass_where_nothing_else_may_come_in(lab: FlatLab) -> None:
    lab.driver.converge(make_desired(A, replace(B, group_ids=("plain", "web")), rules={"web": (WEB_RULE,)}))
    first, second = lab.guests_of(A, B)
    ask = tcp((first.ip, 4000), (second.ip, 80), flags=2)
    first.send(ethernet(first.mac, second.mac, 0x0800, ipv4(first.ip, second.ip, 6, ask)))
    assert second.receive(lambda frame: frame.protocol == 6)
    answer = tcp((second.ip, 80), (first.ip, 4000), flags=0x12, ack=2)
    second.send(ethernet(second.mac, first.mac, 0x0800, ipv4(second.ip, first.ip, 6, answer)))
    assert first.receive(lambda frame: frame.protocol == 6 and frame.ports == (80, 4000))
    stray = tcp((second.ip, 80), (first.ip, 4001), flags=0x12, ack=2)
    second.send(ethernet(second.mac, first.mac, 0x0800, ipv4(second.ip, first.ip, 6, stray)))
    assert first.receive(lambda frame: frame.protocol == 6, QUIET) is None


WEB_RULE = Rule("rule-web", "ingress", "IPv4", "tcp", 80, 80)


def test_a_rule_taken_away_ends_the_flows_it_had_let_in(lab: FlatLab) -> None:
    opened = replace(B, group_ids=("plain", "web"))
    rule = Rule("rule-udp", "ingress", "IPv4", "udp", 5000, 5000)
    lab.driver.converge(make_desired(A, opened, rules={"web": (rule,)}))
    first, second = lab.guests_of(A, B)
    frame, known = first.datagram(second, "udp", 5000)
    first.send(frame)
    assert second.receive(known)
    back = udp(5000, struct.unpack("!H", frame[34:36])[0])
    second.send(ethernet(second.mac, first.mac, 0x0800, ipv4(second.ip, first.ip, 17, back)))
    assert first.receive(lambda seen: seen.protocol == 17)
    lab.driver.converge(make_desired(A, opened, rules={"web": ()}))
    first.send(frame)
    assert second.receive(known, QUIET) is None


def test_a_flow_of_one_network_does_not_vouch_for_the_same_addresses_on_another(lab: FlatLab) -> None:
    twin = make_port(11, TWIN)
    double = make_port(12, TWIN)
    lab.driver.converge(
        make_desired(A, replace(B, group_ids=("plain", "in")), twin, double, rules=EVERYTHING)
    )
    first, second = lab.guests_of(A, B)
    frame, known = first.datagram(second, "udp", 5000)
    first.send(frame)
    assert second.receive(known)
    stranger, victim = lab.guests_of(double, twin)
    answer = ipv4(second.ip, first.ip, 17, udp(5000, struct.unpack("!H", frame[34:36])[0]))
    stranger.send(ethernet(stranger.mac, victim.mac, 0x0800, answer))
    assert victim.receive(lambda seen: seen.protocol == 17, QUIET) is None


def test_rules_are_in_force_before_a_port_forwards_for_the_first_time_t46(lab: FlatLab) -> None:
    lab.driver.converge(make_desired(A))
    first = lab.guests_of(A)[0]
    seen: list[bool] = []
    run = shell.run

    def watched(argv: Sequence[str | Path], **words: Any) -> shell.Result:
        result = run(argv, **words)
        there = links.read(lab.host) if run is not None else {}
        if B.tap in there and there[B.tap].up:
            text = run(["nsenter", f"--net=/run/netns/{lab.namespace}", "--", "iptables-save"]).out.decode()
            seen.append(f":iaas-i-{B.tap} " in text)
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("iaas.network.drivers.flat.host.shell.run", _unnested(run, watched))
        lab.driver.converge(make_desired(A, B))
    assert seen
    assert all(seen)
    assert first.send(first.discover())


def _unnested(plain: Any, watched: Any) -> Any:
    """Return a runner that does not watch what the watching itself runs."""
    inside: list[bool] = []

    def run(argv: Sequence[str | Path], **words: Any) -> shell.Result:
        if inside:
            return plain(argv, **words)
        inside.append(True)
        try:
            return watched(argv, **words)
        finally:
            inside.clear()

    return run


def test_flushed_rules_and_dead_servers_come_back_with_the_next_pass(lab: FlatLab) -> None:
    desired = make_desired(A, replace(B, group_ids=("plain", "in")), rules=EVERYTHING)
    lab.driver.converge(desired)
    lab.host.run(["iptables", "-F"])
    lab.host.run(["nft", "delete", "table", "bridge", "iaas"])
    folder = lab.settings.state_dir / "dhcp" / NET.id
    pid = int((folder / "pid").read_text())
    shell.kill(pid, 9)
    lab.driver.converge(desired)
    assert int((folder / "pid").read_text()) != pid
    assert lab.offers(A) == "10.77.0.11"
    assert lab.reaches(A, B)
    assert not lab.reaches(A, B, source_ip="10.77.0.99")


def test_a_pid_file_that_names_a_stranger_hurts_nobody(lab: FlatLab, tmp_path: Path) -> None:
    lab.driver.converge(make_desired(A))
    stranger = shell.start(["sleep", "60"], log=tmp_path / "log")
    pid = lab.settings.state_dir / "dhcp" / NET.id / "pid"
    shell.kill(int(pid.read_text()))
    try:
        pid.write_text(f"{stranger.pid}\n")
        lab.driver.converge(Desired())
        assert stranger.poll() is None
    finally:
        stranger.stop()


def test_an_interface_that_is_not_ours_is_left_alone(lab: FlatLab) -> None:
    lab.host.batch(
        [f"tuntap add dev {A.tap} mode tap", f"link add {promised.bridge_name(TWIN.id)} type bridge"]
    )
    report = lab.driver.converge(make_desired(A, B, make_port(11, TWIN)))
    assert report.wired == {B.id}
    assert all("not ours" in reason for reason in report.failed.values())
    lab.driver.converge(Desired())
    assert {A.tap, promised.bridge_name(TWIN.id)} <= set(links.read(lab.host))


def test_a_changed_port_costs_few_commands(lab: FlatLab) -> None:
    lab.driver.converge(make_desired(A, B))
    before = lab.changes()
    lab.driver.converge(make_desired(A, B, C))
    assert lab.changes() - before <= 6


# -- services ------------------------------------------------------------------------------------------------


def test_a_lease_tells_mtu_routes_and_name(lab: FlatLab) -> None:
    lab.driver.converge(make_desired(replace(A, hostname="12h")))
    guest = lab.guests_of(A)[0]
    guest.send(guest.discover())
    frame = guest.receive(lambda seen: seen.dhcp() is not None)
    options = frame.dhcp() if frame else None
    assert options is not None
    assert struct.unpack("!H", options[26])[0] == 1450
    assert socket.inet_ntoa(options[3]) == socket.inet_ntoa(options[6]) == "10.77.0.1"
    gateway = socket.inet_aton("10.77.0.1")
    assert options[121] == bytes([32, 169, 254, 169, 254]) + gateway + b"\0" + gateway
    assert options[12] == b"12h"


def test_a_network_without_gateway_has_dhcp_and_metadata(lab: FlatLab) -> None:
    lonely = replace(NET, subnets=(replace(NET.subnets[0], gateway=None),))
    lab.driver.converge(replace(make_desired(A), networks=(lonely,)))
    guest = lab.guests_of(A)[0]
    guest.send(guest.discover())
    frame = guest.receive(lambda seen: seen.dhcp() is not None)
    options = frame.dhcp() if frame else None
    assert options is not None
    assert socket.inet_ntoa(options[0]) == "10.77.0.11"
    assert 3 not in options
    assert options[121] == bytes([32, 169, 254, 169, 254, 0, 0, 0, 0])
    guest.send(ethernet(A.mac, BROADCAST, 0x0806, arp(1, A.mac, guest.ip, "169.254.169.254")))
    assert guest.receive(lambda seen: seen.kind == 0x0806)
    with _listener(lab, NET.id) as listener:
        _connect(guest, listener)


def _listener(lab: FlatLab, network_id: str) -> socket.socket:
    listener = lab.driver.metadata_listener(network_id)
    assert listener is not None
    listener.settimeout(3)
    return listener


def _connect(guest: Guest, listener: socket.socket, number: int = 4100) -> None:
    """Say hello to 169.254.169.254 through a hand-made connection and see who the listener thinks it was."""
    here, there = (guest.ip, number), ("169.254.169.254", 80)
    gateway = links.mac_of(guest.port.network_id)

    def say(flags: int, seq: int, ack: int, data: bytes = b"") -> None:
        segment = tcp(here, there, flags, seq, ack, data)
        guest.send(ethernet(guest.mac, gateway, 0x0800, ipv4(*(here[0], there[0]), 6, segment)))

    say(2, 100, 0)
    for _ in range(3):  # the kernel may ask for the guest's MAC first
        asked = guest.receive(
            lambda seen: seen.kind == 0x0806 or (seen.protocol == 6 and seen.ports == (80, number))
        )
        assert asked is not None, "no answer from the metadata address"
        if asked.protocol == 6:
            break
        host_ip = socket.inet_ntoa(asked.payload[14:18])
        guest.send(
            ethernet(
                guest.mac, asked.source, 0x0806, arp(2, guest.mac, guest.ip, host_ip, target_mac=asked.source)
            )
        )
    assert asked.ips == (there[0], guest.ip)
    say(0x18, 101, int.from_bytes(asked.body[4:8]) + 1, b"hello")
    connection, peer = listener.accept()
    with connection:
        connection.settimeout(3)
        assert peer == here
        assert connection.recv(5) == b"hello"


def test_metadata_reaches_the_listener_of_the_guests_own_network_t41(lab: FlatLab) -> None:
    twin = make_port(11, TWIN)
    lab.driver.converge(make_desired(A, twin))
    own, other = lab.guests_of(A, twin)
    with _listener(lab, NET.id) as listener, _listener(lab, TWIN.id) as second:
        _connect(own, listener)
        _connect(other, second)  # the same address and port, at the same time, on another network


def test_a_guest_reaches_nothing_else_on_its_host(lab: FlatLab) -> None:
    lab.driver.converge(make_desired(A))
    guest = lab.guests_of(A)[0]
    port = lab.settings.metadata_port_base + 1

    def _open() -> socket.socket:
        return socket.create_server(("0.0.0.0", 2222))

    with _listener(lab, NET.id), lab.host.inside(_open):
        for target in (2222, port):
            ask = tcp((guest.ip, 4200), ("10.77.0.1", target), flags=2)
            guest.send(ethernet(guest.mac, GATEWAY_MAC, 0x0800, ipv4(guest.ip, "10.77.0.1", 6, ask)))
            assert guest.receive(lambda seen: seen.protocol == 6, QUIET) is None


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[FlatLab, socket.socket]]:
    """A lab with an uplink ``up0`` to 203.0.113.2, where a socket listens on UDP port 9999."""
    for made in _lab(tmp_path, monkeypatch, "up0"):
        outside = f"{made.namespace}-o"
        shell.run(["ip", "netns", "add", outside])
        made.host.batch([f"link add up0 type veth peer name o0 netns {outside}"])
        made.host.batch(
            ["addr add 203.0.113.1/24 dev up0", "link set up0 up", "route add default via 203.0.113.2"]
        )
        world = Host(outside)
        world.batch(
            ["addr add 203.0.113.2/24 dev o0", "link set o0 up", "route add 10.77.0.0/24 via 203.0.113.1"]
        )
        with world.inside(_udp_listener) as sock:
            sock.settimeout(3)
            yield made, sock
        world.delete()


def _udp_listener() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("203.0.113.2", 9999))
    return sock


def _to_outside(guest: Guest, number: int) -> None:
    packet = ipv4(guest.ip, "203.0.113.2", 17, udp(number, 9999, guest.port.id.encode()))
    guest.send(ethernet(guest.mac, links.mac_of(guest.port.network_id), 0x0800, packet))


def _back(guest: Guest, sock: socket.socket, peer: tuple[str, int], number: int) -> bool:
    sock.sendto(b"back", peer)
    for _ in range(3):
        seen = guest.receive(
            lambda frame: frame.kind == 0x0806 or (frame.protocol == 17 and frame.ports == (9999, number))
        )
        if seen is None or seen.protocol == 17:
            return seen is not None and seen.ips == ("203.0.113.2", guest.ip)
        ip = socket.inet_ntoa(seen.payload[14:18])
        guest.send(
            ethernet(guest.mac, seen.source, 0x0806, arp(2, guest.mac, guest.ip, ip, target_mac=seen.source))
        )
    return False


def test_guests_get_out_under_the_uplinks_address_also_two_with_the_same_address(
    town: tuple[FlatLab, socket.socket],
) -> None:
    lab, sock = town
    twin = make_port(11, TWIN)
    lab.driver.converge(make_desired(A, twin))
    for guest in lab.guests_of(A, twin):
        _to_outside(guest, 5353)
        data, peer = sock.recvfrom(100)
        assert (data.decode(), peer[0]) == (guest.port.id, "203.0.113.1")
        assert _back(guest, sock, peer, 5353)


def test_from_outside_only_rules_let_in(town: tuple[FlatLab, socket.socket]) -> None:
    lab, sock = town
    rule = Rule("r", "ingress", "IPv4", "udp", 7000, 7000, remote_cidr="203.0.113.0/24")
    lab.driver.converge(make_desired(A, replace(B, group_ids=("plain", "in")), rules={"in": (rule,)}))
    for guest, port, wanted in ((*lab.guests_of(A), 7000, False), (*lab.guests_of(B), 7001, False)):
        sock.sendto(b"x", (guest.ip, port))
        assert (
            guest.receive(
                lambda seen: seen.protocol == 17 or (seen.kind == 0x0806 and seen.source == GATEWAY_MAC),
                QUIET,
            )
            is not None
        ) == wanted
    assert _back(lab.guests_of(B)[0], sock, (B.addresses[0][1], 7000), 7000)


def test_a_network_without_external_access_stays_inside(town: tuple[FlatLab, socket.socket]) -> None:
    lab, sock = town
    closed = replace(NET, external_access=False)
    lab.driver.converge(replace(make_desired(A), networks=(closed,)))
    _to_outside(lab.guests_of(A)[0], 5353)
    sock.settimeout(0.2)
    with pytest.raises(TimeoutError):
        sock.recvfrom(100)
