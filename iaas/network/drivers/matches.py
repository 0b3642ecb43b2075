"""Stored security-group rules turned into something that can only be right, or refused.

Rules are checked when they are made, by the API; here they are checked again, because a row that a packet
filter does not take must close one port and not stop a host (OSSA-2014-014, 2015-012, 2019-001, 2019-002).
Protocols are kept as numbers: https://www.iana.org/assignments/protocol-numbers.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from iaas.network.driver import Rule

PROTOCOLS = {
    "ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "hopopt": 0, "icmp": 1, "icmpv6": 58, "igmp": 2,
    "ip": 0, "ipip": 4, "ipv6-encap": 41, "ipv6-frag": 44, "ipv6-icmp": 58, "ipv6-nonxt": 59, "ipv6-opts": 60,
    "ipv6-route": 43, "ospf": 89, "pgm": 113, "rsvp": 46, "sctp": 132, "tcp": 6, "udp": 17, "udplite": 136,
    "vrrp": 112,
}  # fmt: skip
WITH_PORTS = frozenset({6, 17, 33, 132, 136})
ICMP = {4: 1, 6: 58}
VERSIONS = {"IPv4": 4, "IPv6": 6}


class BadRow(Exception):
    """A stored row that cannot be made real; the sentence says why."""


@dataclass(frozen=True)
class Match:
    """What one rule lets through; ``None`` is any. ``cidr`` and ``group`` are the other end's."""

    version: int
    protocol: int | None = None
    ports: tuple[int, int] | None = None
    icmp: tuple[int, int | None] | None = None
    cidr: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class Group:
    """The rules of one security group, without repetition."""

    id: str
    ingress: tuple[Match, ...]
    egress: tuple[Match, ...]

    def remote_groups(self) -> frozenset[str]:
        return frozenset(match.group for match in (*self.ingress, *self.egress) if match.group)


def group(group_id: str, rules: Iterable[Rule]) -> Group:
    """Return a group's rules as matches.

    :raises BadRow: one of the rules makes no sense; it is named.
    """
    sides: dict[str, dict[Match, None]] = {"ingress": {}, "egress": {}}
    for rule in rules:
        try:
            if rule.direction not in sides:
                raise BadRow(f"unknown direction {rule.direction!r}")
            sides[rule.direction][match(rule)] = None
        except (BadRow, ValueError, TypeError) as error:
            raise BadRow(f"rule {rule.id} of security group {group_id}: {error}") from None
    return Group(group_id, tuple(sides["ingress"]), tuple(sides["egress"]))


def match(rule: Rule) -> Match:
    """Return what a rule matches.

    :raises BadRow: no packet filter can be told this.
    """
    version = VERSIONS.get(rule.ethertype)
    if version is None:
        raise BadRow(f"unknown ethertype {rule.ethertype!r}")
    protocol = _protocol(rule.protocol, version)
    ports, icmp = None, None
    if rule.port_min is not None or rule.port_max is not None:
        if protocol == ICMP[version]:
            icmp = _icmp(rule.port_min, rule.port_max)
        elif protocol in WITH_PORTS:
            ports = _ports(rule.port_min, rule.port_max)
        else:
            raise BadRow(f"protocol {rule.protocol!r} has no ports")
    return Match(version, protocol, ports, icmp, _cidr(rule.remote_cidr, version), rule.remote_group_id or None)


def _protocol(name: str | None, version: int) -> int | None:
    if name is None or name in ("", "any"):
        return None
    if name in PROTOCOLS:
        number = PROTOCOLS[name]
    elif name.isascii() and name.isdecimal() and int(name) <= 255:
        number = int(name)
    else:
        raise BadRow(f"unknown protocol {name!r}")
    if version == 6 and number == ICMP[4]:
        number = ICMP[6]  # the API has always taken "icmp" for the ICMP of the rule's own IP version
    if number == ICMP[10 - version]:
        raise BadRow(f"protocol {name!r} does not belong to IPv{version}")
    return number or None  # protocol 0 is how filters spell "any"


def _ports(low: int | None, high: int | None) -> tuple[int, int]:
    low = high if low is None else low
    high = low if high is None else high
    if low is None or high is None or not 0 <= low <= high <= 65535:
        raise BadRow(f"no port range: {low}-{high}")
    return low, high


def _icmp(kind: int | None, code: int | None) -> tuple[int, int | None]:
    if kind is None or not 0 <= kind <= 255 or (code is not None and not 0 <= code <= 255):
        raise BadRow(f"no ICMP type and code: {kind}, {code}")
    return kind, code


def _cidr(cidr: str | None, version: int) -> str | None:
    if cidr is None:
        return None
    network = ipaddress.ip_network(cidr, strict=False)
    if network.version != version:
        raise BadRow(f"{cidr} is not IPv{version}")
    return None if network.prefixlen == 0 else str(network)
