"""The flat driver keeps the promises of the interface, and forged frames reach nobody."""

from __future__ import annotations

import socket
import struct
from dataclasses import replace

import pytest

from iaas.network.driver import NetworkError, Rule
from iaas.network.drivers import digests, plan
from iaas.network.drivers.flat.firewall import Firewall
from tests.contract.network_driver import A, B, C, NetworkDriverContract, make_desired
from tests.integration.flat_lab import EVERYTHING, GATEWAY_MAC, QUIET, FlatLab, lab
from tests.integration.guest_frames import (
    BROADCAST,
    Guest,
    arp,
    dhcp_message,
    ethernet,
    icmp6,
    ipv4,
    ipv6,
    udp,
)

__all__ = ["lab"]
pytestmark = pytest.mark.host


class TestFlatDriver(NetworkDriverContract):
    pass


# -- anti-spoofing (T47) -------------------------------------------------------------------------------------


def _forgeries() -> dict[str, tuple[bytes, ...]]:
    """Frames port A must not send; B, C and the gateway are the victims."""
    forged = "fa:16:3e:00:aa:99"
    own6, b6 = "fe80::f816:3eff:fe00:aa0b", "fe80::f816:3eff:fe00:aa0c"
    allnodes, multicast = "ff02::1", "33:33:00:00:00:01"
    target = socket.inet_pton(socket.AF_INET6, b6)
    pinged = ipv4("10.77.0.11", "10.77.0.12", 1, b"\x08\x00" + bytes(6))

    options, fragment = bytes([58, 0, 1, 4, 0, 0, 0, 0]), bytes([58, 0, 0, 0, 0, 0, 0, 9])

    def v6(source: str, protocol: int, payload: bytes) -> bytes:
        return ethernet(A.mac, multicast, 0x86DD, ipv6(source, allnodes, protocol, payload))

    answer = udp(67, 68, dhcp_message(2, B.mac, operation=2))
    single = {
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
        "IPv6 source": ethernet(A.mac, multicast, 0x86DD, ipv6(b6, allnodes, 17, udp(5000, 5000))),
        "router advertisement": v6(own6, 58, icmp6(own6, allnodes, 134, bytes(12))),
        "redirect": v6(own6, 58, icmp6(own6, allnodes, 137, bytes(36))),
        "neighbour advertisement for B": v6(own6, 58, icmp6(own6, allnodes, 136, bytes(4) + target)),
        "advertisement behind options": v6(own6, 0, options + icmp6(own6, allnodes, 134, bytes(12))),
        "fragmented advertisement": v6(own6, 44, fragment + icmp6(own6, allnodes, 134, bytes(12))),
        "solicitation to disturb B's duplicate check": v6("::", 58, icmp6("::", allnodes, 135, bytes(4) + target)),
        "DHCPv6 answer": v6(own6, 17, udp(547, 546, b"\x07\x00\x00\x00")),
    }  # fmt: skip
    parts = [ipv4("10.77.0.9", B.addresses[0][1], 17, bytes(64), offset=offset) for offset in (0x2000, 8)]
    fragments = tuple(ethernet(A.mac, B.mac, 0x0800, part) for part in parts)
    return {"fragments of a forged packet": fragments, **{name: (frame,) for name, frame in single.items()}}


@pytest.fixture
def street(lab: FlatLab) -> tuple[Guest, Guest, Guest]:
    """A, B and C on one network; everything is let in and out, so that only forgery is stopped."""
    out6 = {"plain": (Rule("o4", "egress", "IPv4"), Rule("o6", "egress", "IPv6"))}
    ports = [replace(port, group_ids=("plain", "in")) for port in (A, B, C)]
    assert len(lab.driver.converge(make_desired(*ports, rules={**EVERYTHING, **out6})).wired) == 3
    first, second, third = lab.guests_of(*ports)
    return first, second, third


def _seen_by_others(street: tuple[Guest, Guest, Guest], name: str) -> bool:
    """Send a forgery from the first guest, and say whether another saw it."""
    sender, *others = street
    for guest in others:
        guest.drain()
    frames = _forgeries()[name]
    for frame in frames:
        assert sender.send(frame)
    found = [g.receive(lambda seen: seen.source == A.mac or seen.data.startswith(frames[0]), QUIET) for g in others]
    return any(found)


@pytest.mark.parametrize("name", _forgeries())
def test_a_forged_frame_reaches_nobody_t47(street: tuple[Guest, Guest, Guest], name: str) -> None:
    assert not _seen_by_others(street, name)


def test_every_forgery_would_arrive_from_a_port_without_security(lab: FlatLab) -> None:
    """Else the test above could not fail."""
    free = [replace(port, secured=False, group_ids=()) for port in (A, B, C)]
    lab.driver.converge(make_desired(*free))
    first, second, third = lab.guests_of(*free)
    assert [name for name in _forgeries() if not _seen_by_others((first, second, third), name)] == []


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
    frame, known = first.datagram(second, "udp", 5000)  # B has never sent: the bridge does not know where it is
    first.send(frame)
    assert second.receive(known)
    assert third.receive(known, QUIET) is None


# -- what nobody gave up -------------------------------------------------------------------------------------


def test_a_port_of_which_only_the_tap_is_known_is_closed_and_keeps_its_tap(lab: FlatLab) -> None:
    free = [replace(port, secured=False, group_ids=()) for port in (A, B, C)]
    lab.driver.converge(make_desired(*free))
    assert lab.reaches(A, B)
    (lab.settings.state_dir / "desired.json").write_text("{torn")
    report = lab.again().converge(replace(make_desired(*free[:1]), gone=frozenset({C.id})))
    assert report.wired == {A.id}
    assert {port.id for port in report.kept} == set(report.failed) == {B.id}
    assert lab.taps() == {A.tap, B.tap}
    assert lab.driver.holds().wired == {A.id}
    assert not lab.reaches(A, B)
    assert lab.driver.converge(make_desired(*free)).wired == {A.id, B.id, C.id}
    assert lab.reaches(A, B)


def test_a_port_whose_tap_an_administrator_removed_is_forgotten(lab: FlatLab) -> None:
    lab.driver.converge(make_desired(A, B))
    lab.driver.converge(replace(make_desired(A), gone=frozenset()))
    lab.host.batch([f"link del dev {B.tap}"])
    report = lab.driver.converge(replace(make_desired(A), gone=frozenset()))
    assert report.kept == ()
    assert lab.driver.holds() == digests.expected(plan.make(make_desired(A)))


def test_a_worker_killed_within_a_pass_keeps_what_the_pass_had_not_taken_away(
    lab: FlatLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.driver.converge(make_desired(A, B))

    def killed(*_: object, **__: object) -> None:
        raise NetworkError(reason="killed")

    with monkeypatch.context() as patch:
        patch.setattr(Firewall, "apply", killed)
        with pytest.raises(NetworkError):
            lab.driver.converge(replace(make_desired(A), gone=frozenset({B.id})))
    report = lab.again().converge(replace(make_desired(A), gone=frozenset()))
    assert report.wired == {A.id, B.id}
    assert lab.offers(B) == "10.77.0.12"
