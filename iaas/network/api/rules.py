"""Security group rules as they are stored: checked and normalised once, when they are made.

A rule no packet filter would take never becomes a row (OSSA-2012-007, 2014-014, 2019-001).  Protocol numbers:
https://www.iana.org/assignments/protocol-numbers.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass, replace

from iaas.common import errors

PROTOCOLS = {
    "ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "hopopt": 0, "icmp": 1, "icmpv6": 58, "igmp": 2, "ip": 0,
    "ipip": 4, "ipv6-encap": 41, "ipv6-frag": 44, "ipv6-icmp": 58, "ipv6-nonxt": 59, "ipv6-opts": 60,
    "ipv6-route": 43, "ospf": 89, "pgm": 113, "rsvp": 46, "sctp": 132, "tcp": 6, "udp": 17, "udplite": 136,
    "vrrp": 112,
}  # fmt: skip
WITH_PORTS = frozenset({6, 17, 33, 132, 136})
ICMP4, ICMP6 = 1, 58


@dataclass(frozen=True)
class NewRule:
    """What a caller wants let through; ``None`` is any."""

    group_id: str
    direction: str
    ethertype: str = "IPv4"
    protocol: str | None = None
    port_min: int | None = None
    port_max: int | None = None
    remote_cidr: str | None = None
    remote_group_id: str | None = None
    description: str = ""


def normalised(rule: NewRule) -> NewRule:
    """Return the rule in its one spelling.

    :raises Invalid: it makes no sense; the sentence says why.
    """
    if rule.remote_cidr is not None and rule.remote_group_id is not None:
        raise errors.Invalid(reason="Only remote_ip_prefix or remote_group_id may be provided.")
    version = 6 if rule.ethertype == "IPv6" else 4
    protocol = _protocol(rule.protocol, version)
    low, high = _ports(protocol, rule)
    cidr = None if rule.remote_cidr is None else _cidr(rule.remote_cidr, version)
    return replace(rule, protocol=protocol, port_min=low, port_max=high, remote_cidr=cidr)


def digest(rule: NewRule) -> str:
    """Return what two rules that let the same through have in common."""
    number = _number(rule.protocol)
    cidr = None if rule.remote_cidr in ("0.0.0.0/0", "::/0") else rule.remote_cidr
    says = (rule.direction, rule.ethertype, number, rule.port_min, rule.port_max, cidr, rule.remote_group_id)
    return hashlib.sha256(repr(says).encode()).hexdigest()


def _number(protocol: str | None) -> int | None:
    if protocol is None:
        return None
    number = PROTOCOLS[protocol] if protocol in PROTOCOLS else int(protocol)
    return number or None  # protocol 0 is how filters spell "any"


def _protocol(name: str | None, version: int) -> str | None:
    if name is None or name.lower() in ("", "any"):
        return None
    name = name.lower()
    known = name in PROTOCOLS
    if not known and not (name.isascii() and name.isdecimal() and int(name) <= 255):
        raise errors.Invalid(
            reason=f"Security group rule protocol {name[:40]} not supported. Only protocol values "
            f"{sorted(PROTOCOLS)} and integer representations [0 to 255] are supported."
        )
    if not known:
        name = str(int(name))
    number = _number(name)
    if version == 6 and number == ICMP4:
        return "ipv6-icmp"  # the API takes "icmp" for the ICMP of the rule's own IP version
    if version == 4 and number == ICMP6:
        raise errors.Invalid(reason=f"Invalid ethertype IPv4 for protocol {name}.")
    return name


def _ports(protocol: str | None, rule: NewRule) -> tuple[int | None, int | None]:
    low, high = rule.port_min, rule.port_max
    if low is None and high is None:
        return None, None
    number = _number(protocol)
    if number in (ICMP4, ICMP6):
        if low is None:
            raise errors.Invalid(
                reason=f"ICMP code (port-range-max) {high} is provided but ICMP type (port-range-min) is missing."
            )
        for word, value in (("type", low), ("code", high)):
            if value is not None and not 0 <= value <= 255:
                raise errors.Invalid(reason=f"Invalid value for ICMP {word}: {value}. It must be 0 to 255.")
        return low, high
    if number not in WITH_PORTS:
        raise errors.Invalid(
            reason="Must also specify protocol if port range is given."
            if protocol is None
            else f"Port range cannot be specified for protocol {protocol}."
        )
    for value in (low, high):
        if value is not None and not 0 <= value <= 65535:
            raise errors.Invalid(reason=f"Invalid value for port {value}. It must be 0 to 65535.")
    if low is None or high is None or low > high:
        raise errors.Invalid(reason="For TCP/UDP protocols, port_range_min must be <= port_range_max.")
    return low, high


def _cidr(text: str, version: int) -> str:
    try:
        net = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise errors.Invalid(reason=f"'{text[:64]}' is not a valid IP prefix.") from None
    if net.version != version:
        raise errors.Invalid(reason=f"Conflicting value ethertype IPv{version} for CIDR {text}")
    return str(net)
