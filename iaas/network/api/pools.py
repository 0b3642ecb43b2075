"""The arithmetic of subnets: their gateway and the ranges addresses are taken from."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

from iaas.common import errors

Net = ipaddress.IPv4Network | ipaddress.IPv6Network
Pool = tuple[str, str]  # first and last address
MAX_POOLS = 20


def network(cidr: str, version: int) -> Net:
    """Return a subnet's network.

    :raises Invalid: it is none, has host bits, is of the other IP version, or cannot carry guests.
    """
    try:
        net = ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        raise errors.Invalid(reason=f"'{cidr[:64]}' is not a valid IP subnet.") from None
    if net.version != version:
        raise errors.Invalid(reason=f"CIDR {net} doesn't match the ip_version '{version}'.")
    special = net.is_loopback or net.is_multicast or net.is_link_local or net.network_address.is_unspecified
    if net.prefixlen == 0 or special or (version == 4 and net.prefixlen > 30):
        raise errors.Invalid(reason=f"'{net}' cannot be the range of a subnet.")
    return net


def first_host(net: Net) -> str:
    return str(net.network_address + 1)


def gateway(text: str, net: Net) -> str:
    """Return a gateway in its usual spelling.

    :raises Invalid: it is not an address a host of the subnet can have.
    """
    address = ipaddress.ip_address(text)
    link_local = net.version == 6 and address.version == 6 and address.is_link_local
    first, last = _ends(net)
    if not link_local and (address.version != net.version or not first <= int(address) <= last):
        raise errors.Invalid(reason=f"Gateway IP {text} is not valid on subnet {net}.")
    return str(address)


def _ends(net: Net) -> tuple[int, int]:
    """The first and last address a host may have."""
    first, last = int(net.network_address), int(net.broadcast_address)
    if net.prefixlen >= net.max_prefixlen - 1:
        return first, last
    return first + 1, last - (1 if net.version == 4 else 0)


def default(net: Net, gateway_ip: str | None) -> list[Pool]:
    """Return everything a host may have, without the gateway."""
    kind = type(net.network_address)
    first, last = _ends(net)
    hole = int(ipaddress.ip_address(gateway_ip)) if gateway_ip else None
    if hole is None or not first <= hole <= last:
        return [(str(kind(first)), str(kind(last)))]
    sides = [(first, hole - 1), (hole + 1, last)]
    return [(str(kind(low)), str(kind(high))) for low, high in sides if low <= high]


def checked(pools: Sequence[Pool], net: Net, gateway_ip: str | None) -> list[Pool]:
    """Return asked-for pools in their usual spelling.

    :raises Invalid: one is outside the subnet, backwards, or overlaps another.
    :raises Conflict: the gateway is in one of them.
    """
    if len(pools) > MAX_POOLS:
        raise errors.Invalid(reason=f"A subnet has at most {MAX_POOLS} allocation pools.")
    low, high = _ends(net)
    found: list[tuple[int, int]] = []
    for start, end in pools:
        first, last = ipaddress.ip_address(start), ipaddress.ip_address(end)
        same = first.version == last.version == net.version
        if not same or int(first) > int(last):
            raise errors.Invalid(reason=f"The allocation pool {start}-{end} is not valid.")
        if int(first) < low or int(last) > high:
            raise errors.Invalid(reason=f"The allocation pool {start}-{end} spans beyond the subnet cidr {net}.")
        if any(int(first) <= b and a <= int(last) for a, b in found):
            raise errors.Invalid(reason=f"Found overlapping allocation pools in the subnet: {start}-{end}.")
        if gateway_ip is not None and int(first) <= int(ipaddress.ip_address(gateway_ip)) <= int(last):
            raise errors.Conflict(reason=f"Gateway ip {gateway_ip} conflicts with allocation pool {start}-{end}.")
        found.append((int(first), int(last)))
    kind = type(net.network_address)
    return [(str(kind(a)), str(kind(b))) for a, b in sorted(found)]


def words(pools: Sequence[Pool]) -> list[dict[str, str]]:
    """Return pools as the API and the rows spell them."""
    return [{"start": start, "end": end} for start, end in pools]


def of_words(items: Sequence[Mapping[str, str]]) -> list[Pool]:
    return [(item["start"], item["end"]) for item in items]
