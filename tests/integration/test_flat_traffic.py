"""What passes through the flat driver: flows, rules at work, leases, metadata, the way out."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from iaas.common import runtime, shell
from iaas.network import driver as promised
from iaas.network.driver import Desired, Port, Rule, Subnet
from iaas.network.drivers.flat import links
from iaas.network.drivers.flat.driver import FlatDriver
from iaas.network.drivers.flat.host import Host
from tests.contract.network_driver import NET, OPEN_OUT, TWIN, A, B, C, make_desired, make_port
from tests.integration.flat_lab import EVERYTHING, GATEWAY_MAC, QUIET, FlatLab, lab, make_lab
from tests.integration.guest_frames import (
    BROADCAST,
    Frame,
    Guest,
    arp,
    ethernet,
    icmp6,
    ipv4,
    ipv6,
    tcp,
    udp,
    udp6,
)

__all__ = ["lab"]
pytestmark = pytest.mark.host


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
    lab.driver.converge(make_desired(A, replace(B, group_ids=("plain", "in")), twin, double, rules=EVERYTHING))
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
        there = links.read(lab.host)
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


def test_not_one_forbidden_frame_passes_while_rules_are_loaded_again_and_again_t46(lab: FlatLab) -> None:
    def desired(step: int) -> Desired:
        port = 1000 + step
        rules = {"web": (Rule("r", "ingress", "IPv4", "tcp", port, port),)}
        others = (C,) if step % 2 else ()
        return make_desired(A, replace(B, group_ids=("plain", "web")), *others, rules=rules)

    lab.driver.converge(desired(0))
    first, second = lab.guests_of(A, B)
    forbidden, known = first.datagram(second, "udp", 5000)
    forged, known_forged = first.datagram(second, "tcp", 1000, ip="10.77.0.99")
    passing = runtime.spawn(lambda: [lab.driver.converge(desired(step)) for step in range(1, 9)])
    sent = 0
    while not passing.done:
        sent += first.send(forbidden) and first.send(forged)
        runtime.sleep(0)
    assert all(report.wired >= {A.id, B.id} for report in passing.wait())
    assert sent > 100
    assert second.receive(lambda frame: known(frame) or known_forged(frame), QUIET) is None


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
    lab.host.batch([f"tuntap add dev {A.tap} mode tap", f"link add {promised.bridge_name(TWIN.id)} type bridge"])
    report = lab.driver.converge(make_desired(A, B, make_port(11, TWIN)))
    assert report.wired == {B.id}
    assert all("not ours" in reason for reason in report.failed.values())
    lab.driver.converge(Desired())
    assert {A.tap, promised.bridge_name(TWIN.id)} <= set(links.read(lab.host))


def test_what_a_killed_pass_left_is_finished_or_removed_by_the_next(lab: FlatLab) -> None:
    """A bridge without address, a tap without mark, a tap that is not on its bridge yet."""
    bridge = promised.bridge_name(NET.id)
    lab.host.batch([f"link add name {bridge} type bridge", "tuntap add dev iaasnew0 mode tap"])
    lab.host.batch([f"link set dev {bridge} alias '{links.NETWORK}{NET.id}'"])
    lab.host.batch([f"tuntap add dev {A.tap} mode tap", f"link set dev {A.tap} alias '{links.PORT}{A.id}'"])
    assert lab.driver.converge(make_desired(A)).wired == {A.id}
    assert lab.offers(A) == "10.77.0.11"
    there = links.read(lab.host)
    assert "iaasnew0" not in there
    assert there[bridge].addresses == {"10.77.0.1/24"}


def test_a_changed_port_costs_few_commands(lab: FlatLab) -> None:
    lab.driver.converge(make_desired(A, B))
    before = lab.changes()
    lab.driver.converge(make_desired(A, B, C))
    assert lab.changes() - before <= 6


def test_in_the_hosts_own_namespace_what_others_have_is_left_alone(lab: FlatLab, tmp_path: Path) -> None:
    """The namespace of the lab plays the host: this thread is in it, and the driver is told of none."""

    def work() -> None:
        shell.run(["iptables", "-A", "FORWARD", "-p", "tcp", "--dport", "4", "-j", "DROP"])
        shell.run(["nft", "add", "table", "bridge", "theirs"])
        shell.run(["ipset", "create", "theirs", "hash:ip"])
        driver = FlatDriver(replace(lab.settings, state_dir=tmp_path / "other", namespace=None))
        driver.start_host()
        try:
            assert driver.converge(make_desired(A)).wired == {A.id}
            before = lab.changes()
            assert driver.converge(make_desired(A)).wired == {A.id}
            assert lab.changes() == before
        finally:
            driver.remove_all()
        saved = shell.run(["iptables-save"]).out.decode()
        assert "--dport 4 -j DROP" in saved
        assert "iaas" not in saved
        assert shell.run(["nft", "list", "tables", "bridge"]).out == b"table bridge theirs\n"
        assert shell.run(["ipset", "list", "-n"]).out == b"theirs\n"
        assert not links.ours(links.read(Host(None)), "iaas ")
        assert b"fwmark" not in shell.run(["ip", "rule"]).out

    lab.host.inside(work)


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
        asked = guest.receive(lambda seen: seen.kind == 0x0806 or (seen.protocol == 6 and seen.ports == (80, number)))
        assert asked is not None, "no answer from the metadata address"
        if asked.protocol == 6:
            break
        host_ip = socket.inet_ntoa(asked.payload[14:18])
        guest.send(
            ethernet(guest.mac, asked.source, 0x0806, arp(2, guest.mac, guest.ip, host_ip, target_mac=asked.source))
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
    for made in make_lab(tmp_path, monkeypatch, "up0"):
        outside = f"{made.namespace}-o"
        shell.run(["ip", "netns", "add", outside])
        made.host.batch([f"link add up0 type veth peer name o0 netns {outside}"])
        made.host.batch(["addr add 203.0.113.1/24 dev up0", "link set up0 up", "route add default via 203.0.113.2"])
        world = Host(outside)
        world.batch(["addr add 203.0.113.2/24 dev o0", "link set o0 up", "route add 10.77.0.0/24 via 203.0.113.1"])
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
        guest.send(ethernet(guest.mac, seen.source, 0x0806, arp(2, guest.mac, guest.ip, ip, target_mac=seen.source)))
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


DUAL = replace(NET, subnets=(*NET.subnets, Subnet("sub-6", "fd00:77::/64", "fd00:77::1")))


def _dual(port: Port, number: int) -> Port:
    return replace(port, addresses=(*port.addresses, ("sub-6", f"fd00:77::{number:x}")))


def test_ipv6_rules_open_and_close_like_ipv4_ones(lab: FlatLab) -> None:
    rules = {
        "plain": (OPEN_OUT, Rule("o6", "egress", "IPv6")),
        "in": (Rule("r", "ingress", "IPv6", "udp", 53, 53),),
    }
    ports = (_dual(A, 11), _dual(replace(B, group_ids=("plain", "in")), 12))
    assert lab.driver.converge(replace(make_desired(*ports, rules=rules), networks=(DUAL,))).failed == {}
    first, second = lab.guests_of(*ports)
    for source, port, passes in (
        ("fd00:77::b", 53, True),
        ("fd00:77::b", 54, False),
        ("fd00:77::9", 53, False),
    ):
        body = udp6(source, "fd00:77::c", 4000, port)
        frame = ethernet(first.mac, second.mac, 0x86DD, ipv6(source, "fd00:77::c", 17, body))
        first.send(frame)
        assert (second.receive(lambda seen, frame=frame: seen.data.startswith(frame), QUIET) is not None) == passes


def test_a_guest_that_asks_for_a_router_is_told_of_its_gateway_and_mtu(lab: FlatLab) -> None:
    lab.driver.converge(replace(make_desired(_dual(A, 11)), networks=(DUAL,)))
    guest = lab.guests_of(A)[0]
    own6 = "fe80::f816:3eff:fe00:aa0b"

    def advertisement(frame: Frame) -> bool:
        return frame.kind == 0x86DD and frame.payload[6] == 58 and frame.payload[40] == 134

    for _ in range(10):
        guest.send(
            ethernet(
                A.mac,
                "33:33:00:00:00:02",
                0x86DD,
                ipv6(own6, "ff02::2", 58, icmp6(own6, "ff02::2", 133, bytes(4))),
            )
        )
        answer = guest.receive(advertisement, 0.5)
        if answer is not None:
            break
    assert answer is not None
    assert answer.source == GATEWAY_MAC
    assert answer.payload[45] & 0x80  # addresses come by DHCPv6
    assert struct.pack("!BBHI", 5, 1, 0, DUAL.mtu) in answer.payload
