"""What a host is asked for, checked and typed: the only form in which back-ends see it.

Nothing that leaves here can break out of a line of a configuration file or be refused by a packet filter.
A row that fails the checks closes its own port: it is in ``Plan.closed`` and, with the reason, in
``Plan.failed``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from iaas.network.driver import Desired, Network, Port, Subnet, bridge_name
from iaas.network.drivers import matches
from iaas.network.drivers.matches import BadRow, Group

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,14}")
_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_WRONG = (BadRow, ValueError, TypeError, AttributeError)


@dataclass(frozen=True)
class Guard:
    """The addresses a port may send from with one MAC, no two of them overlapping."""

    mac: str
    nets: tuple[IPNetwork, ...]

    def of(self, version: int) -> tuple[IPNetwork, ...]:
        return tuple(net for net in self.nets if net.version == version)


@dataclass(frozen=True)
class Wire:
    """A port that can be wired. ``guards[0]`` is for its own MAC."""

    port: Port
    network: Network
    addresses: tuple[tuple[Subnet, IPAddress], ...]
    guards: tuple[Guard, ...]

    @property
    def mac(self) -> str:
        return self.guards[0].mac


@dataclass(frozen=True)
class Plan:
    """What can be made real, and what cannot."""

    networks: tuple[Network, ...]
    wires: tuple[Wire, ...]
    closed: tuple[str, ...]  # taps that must carry nothing
    failed: Mapping[str, str]  # port id -> reason
    groups: Mapping[str, Group]  # those in use
    members: Mapping[tuple[str, int], frozenset[str]]  # (remote group id, IP version) -> addresses

    def without(self, bad: Mapping[str, str]) -> Plan:
        """Return the plan with some more ports closed: by id, the reason."""
        gone = [wire.port.tap for wire in self.wires if wire.port.id in bad]
        wires = tuple(wire for wire in self.wires if wire.port.id not in bad)
        used = {group_id for wire in wires if wire.port.secured for group_id in wire.port.group_ids}
        groups = {group_id: group for group_id, group in self.groups.items() if group_id in used}
        return replace(self, wires=wires, closed=(*self.closed, *gone), failed={**self.failed, **bad}, groups=groups)


def make(desired: Desired) -> Plan:
    """Check everything a host should have; nothing raises, the bad is set aside."""
    networks, bad_networks = _networks(desired.networks)
    groups = _Groups(desired)
    seen = _Seen()
    wires: list[Wire] = []
    failed: dict[str, str] = {}
    taps: list[str] = []
    for port in desired.ports:
        try:
            if port.network_id in bad_networks:
                raise BadRow(f"network {port.network_id}: {bad_networks[port.network_id]}")
            wire = _wire(port, networks)
            if port.secured:
                groups.need(port.group_ids)
            seen.add(wire)
            wires.append(wire)
        except _WRONG as error:
            failed[port.id] = str(error)
            taps.append(port.tap)
    open_taps = {wire.port.tap for wire in wires}
    closed = tuple(sorted(tap for tap in set(taps) if _is(tap, _INTERFACE) and tap not in open_taps))
    used = {group_id for wire in wires if wire.port.secured for group_id in wire.port.group_ids}
    in_use = {group_id: group for group_id, group in groups.good.items() if group_id in used}
    return Plan(tuple(networks.values()), tuple(wires), closed, failed, in_use, _members(desired, in_use.values()))


def link_local(mac: str) -> ipaddress.IPv6Network:
    """Return the address a guest gives itself (RFC 4291, appendix A), as a network of one."""
    octets = bytearray.fromhex(mac.replace(":", ""))
    octets[0] ^= 2
    host = bytes(octets[:3]) + b"\xff\xfe" + bytes(octets[3:])
    return ipaddress.IPv6Network((b"\xfe\x80" + bytes(6) + host, 128))


def is_label(text: str) -> bool:
    """Whether a text is one label of a host name."""
    return _is(text, _LABEL)


def is_interface(text: str) -> bool:
    """Whether a text is a name that interfaces of ours may have."""
    return _is(text, _INTERFACE)


class _Groups:
    """Groups are compiled when the first port needs them, once."""

    def __init__(self, desired: Desired) -> None:
        self._rules = desired.rules
        self.good: dict[str, Group] = {}
        self._bad: dict[str, str] = {}

    def need(self, group_ids: Iterable[str]) -> None:
        for group_id in group_ids:
            if group_id in self.good:
                continue
            if group_id not in self._bad:
                try:
                    self.good[group_id] = matches.group(group_id, self._rules.get(group_id, ()))
                    continue
                except _WRONG as error:
                    self._bad[group_id] = str(error)
            raise BadRow(self._bad[group_id])


class _Seen:
    """What may be there only once; the first port has it."""

    def __init__(self) -> None:
        self._taken: dict[tuple[str, ...], str] = {}

    def add(self, wire: Wire) -> None:
        keys = [("tap", wire.port.tap), ("id", wire.port.id), ("MAC", wire.network.id, wire.mac)]
        keys += [("address", wire.network.id, str(ip)) for _, ip in wire.addresses]
        for key in keys:
            if key in self._taken:
                raise BadRow(f"{key[0]} {key[-1]} belongs to port {self._taken[key]} already")
        self._taken.update(dict.fromkeys(keys, wire.port.id))


def _is(text: object, pattern: re.Pattern[str]) -> bool:
    return isinstance(text, str) and pattern.fullmatch(text) is not None


def _networks(networks: Iterable[Network]) -> tuple[dict[str, Network], dict[str, str]]:
    good: dict[str, Network] = {}
    bad: dict[str, str] = {}
    bridges: dict[str, str] = {}
    for network in networks:
        try:
            checked = _network(network)
            holder = bridges.setdefault(bridge_name(network.id), network.id)
            if holder != network.id or network.id in good:
                raise BadRow(f"its bridge belongs to network {holder} already")
            good[network.id] = checked
        except _WRONG as error:
            bad[network.id] = str(error)
    return good, bad


def _network(network: Network) -> Network:
    if not _is(network.id, _ID):
        raise BadRow(f"{network.id!r} is no id")
    if not 576 <= network.mtu <= 65521:
        raise BadRow(f"no guest can live with an MTU of {network.mtu}")
    subnets = tuple(_subnet(subnet) for subnet in network.subnets)
    nets = [ipaddress.ip_network(subnet.cidr) for subnet in subnets]
    if any(a.overlaps(b) for i, a in enumerate(nets) for b in nets[:i] if a.version == b.version):
        raise BadRow("two of its subnets overlap")
    return replace(network, subnets=subnets)


def _subnet(subnet: Subnet) -> Subnet:
    net = ipaddress.ip_network(subnet.cidr)
    if subnet.gateway is not None and ipaddress.ip_address(subnet.gateway) not in net:
        raise BadRow(f"gateway {subnet.gateway} is outside of {net}")
    dns = tuple(str(ipaddress.ip_address(server)) for server in subnet.dns)
    routes = []
    for destination, hop in subnet.routes:
        target, via = ipaddress.ip_network(destination, strict=False), ipaddress.ip_address(hop)
        if not target.version == via.version == net.version:
            raise BadRow(f"route {destination} via {hop} is not IPv{net.version}")
        routes.append((str(target), str(via)))
    gateway = None if subnet.gateway is None else str(ipaddress.ip_address(subnet.gateway))
    return replace(subnet, cidr=str(net), gateway=gateway, dns=dns, routes=tuple(routes))


def _wire(port: Port, networks: Mapping[str, Network]) -> Wire:
    if not _is(port.id, _ID):
        raise BadRow(f"{port.id!r} is no id")
    if not _is(port.tap, _INTERFACE):
        raise BadRow(f"{port.tap!r} is no interface name")
    if not _is(port.hostname, _LABEL):
        raise BadRow(f"{port.hostname!r} is no host name")
    if port.network_id not in networks:
        raise BadRow(f"network {port.network_id} is not on this host")
    network = networks[port.network_id]
    subnets = {subnet.id: subnet for subnet in network.subnets}
    addresses: list[tuple[Subnet, IPAddress]] = []
    for subnet_id, text in port.addresses:
        if subnet_id not in subnets:
            raise BadRow(f"subnet {subnet_id} is not on network {network.id}")
        subnet, ip = subnets[subnet_id], ipaddress.ip_address(text)
        if ip not in ipaddress.ip_network(subnet.cidr) or text == subnet.gateway:
            raise BadRow(f"{ip} is not for a guest of {subnet.cidr}")
        addresses.append((subnet, ip))
    return Wire(port, network, tuple(addresses), _guards(port, [ip for _, ip in addresses]))


def _guards(port: Port, own: list[IPAddress]) -> tuple[Guard, ...]:
    mac = _mac(port.mac)
    nets: dict[str, list[IPNetwork]] = {mac: [ipaddress.ip_network(ip) for ip in own] + [link_local(mac)]}
    for pair, pair_mac in port.allowed_pairs:
        nets.setdefault(_mac(pair_mac) if pair_mac else mac, []).append(ipaddress.ip_network(pair, strict=False))
    return tuple(Guard(key, collapse(found)) for key, found in nets.items())


def collapse(nets: Iterable[IPNetwork]) -> tuple[IPNetwork, ...]:
    """Return the fewest networks that cover the same addresses: filters refuse sets that overlap."""
    found = list(nets)
    v4 = [net for net in found if isinstance(net, ipaddress.IPv4Network)]
    v6 = [net for net in found if isinstance(net, ipaddress.IPv6Network)]
    return (*ipaddress.collapse_addresses(v4), *ipaddress.collapse_addresses(v6))


def _mac(text: str) -> str:
    mac = text.lower()
    if not _is(mac, _MAC) or int(mac[:2], 16) & 1 or mac == "00:00:00:00:00:00":
        raise BadRow(f"{text!r} is no MAC of a guest")
    return mac


def _members(desired: Desired, groups: Iterable[Group]) -> dict[tuple[str, int], frozenset[str]]:
    """The members of every group that a rule in use names; an address that is none is left out of its set."""
    named = frozenset[str]().union(*(group.remote_groups() for group in groups))
    found: dict[tuple[str, int], set[str]] = {(group_id, version): set() for group_id in named for version in (4, 6)}
    for group_id in named:
        for text in desired.groups.get(group_id, ()):
            ip = _address(text)
            if ip is not None and not ip.is_unspecified:
                found[group_id, ip.version].add(str(ip))
    return {key: frozenset(addresses) for key, addresses in found.items()}


def _address(text: str) -> IPAddress | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None  # matching fewer packets than asked is safe; the port that holds this address fails by itself
