"""Giving out IP and MAC addresses: a random free one, decided by a unique key, exact to the last address.

A random pick is inserted; where another port has it the next is tried, and after a few misses the free addresses are
looked up.  Only a look-up that finds none says that a subnet is full.
"""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iaas.common import errors, runtime
from iaas.db import codec, ports, subnets
from iaas.db.tx import Tx

MAC_PREFIX = "fa:16:3e"
GUESSES = 3
LOOKUPS = 50
AT_ONCE = 64


class NoAddressLeft(errors.IaasError):
    kind = errors.Kind.CONFLICT
    template = "No more IP addresses available on network {network}."


class AddressInUse(errors.IaasError):
    kind = errors.Kind.CONFLICT
    template = "IP address {address} already allocated in subnet {subnet}."


@dataclass(frozen=True)
class Range:
    """A subnet as something to take addresses from. ``pools`` are pairs of integers, both ends included."""

    subnet_id: str
    network_id: str
    cidr: str
    gateway: str | None
    pools: tuple[tuple[int, int], ...]

    @property
    def version(self) -> int:
        return 6 if ":" in self.cidr else 4

    def text(self, number: int) -> str:
        return str(ipaddress.IPv6Address(number) if self.version == 6 else ipaddress.IPv4Address(number))

    def guess(self) -> str | None:
        """Return any address of the pools, taken or not; None where there is none."""
        sizes = [last - first + 1 for first, last in self.pools]
        if not sizes:
            return None
        at = runtime.rng().randrange(sum(sizes))
        for (first, _), size in zip(self.pools, sizes, strict=True):
            if at < size:
                return self.text(first + at)
            at -= size
        raise AssertionError("unreachable")

    def holds(self, address: str) -> bool:
        """Whether an address is one of the subnet's, whoever has it."""
        try:
            return ipaddress.ip_address(address) in ipaddress.ip_network(self.cidr)
        except ValueError:
            return False

    def check(self, address: str) -> str:
        """Return an asked-for address in its usual spelling.

        :raises Invalid: a port of this subnet cannot have it.
        """
        net, ip = ipaddress.ip_network(self.cidr), ipaddress.ip_address(address)
        if ip not in net:
            raise errors.Invalid(reason=f"IP address {address} is not a valid IP for the specified subnet.")
        ends = net.prefixlen < net.max_prefixlen - 1
        if ends and (ip == net.network_address or (net.version == 4 and ip == net.broadcast_address)):
            raise errors.Invalid(reason=f"IP address {address} is not a valid IP for the specified subnet.")
        if self.gateway is not None and ip == ipaddress.ip_address(self.gateway):
            raise errors.Conflict(reason=f"IP address {address} is the gateway of the subnet.")
        return str(ip)


def range_of(row: Any, prefix: str = "") -> Range:
    """Return a subnet's row as a range; ``prefix`` is that of its columns in a joined row."""
    pools = codec.load(getattr(row, f"{prefix}allocation_pools"), [])
    return Range(
        getattr(row, f"{prefix}id"),
        getattr(row, f"{prefix}network_id"),
        getattr(row, f"{prefix}cidr"),
        getattr(row, f"{prefix}gateway_ip"),
        tuple((int(ipaddress.ip_address(p["start"])), int(ipaddress.ip_address(p["end"]))) for p in pools),
    )


def one_per_version(ranges: Iterable[Range]) -> list[list[Range]]:
    """Return what a port that asks for nothing gets: an address of each IP version the network has."""
    by_version: dict[int, list[Range]] = {}
    for item in ranges:
        by_version.setdefault(item.version, []).append(item)
    return [by_version[version] for version in sorted(by_version)]


@dataclass(frozen=True)
class Need:
    """One address for a port: from any of ``ranges``, or exactly ``address`` of the first."""

    port_id: str
    ranges: Sequence[Range]
    address: str | None = None


@dataclass(frozen=True)
class Given:
    """An address a port has now."""

    port_id: str
    subnet_id: str
    address: str
    version: int

    def words(self) -> dict[str, Any]:
        return {"address": self.address, "version": self.version, "subnet_id": self.subnet_id}


def give(tx: Tx, needs: Sequence[Need]) -> list[Given]:
    """Take an address for every need, in as few statements as luck allows.

    :raises AddressInUse: an asked-for address is taken.
    :raises NoAddressLeft: a network is full.
    """
    given: list[Given] = []
    left = list(needs)
    for _ in range(GUESSES):
        if not left:
            break
        left = _try(tx, [(need, *_guess(need)) for need in left], given)
        taken = next((need for need in left if need.address is not None), None)
        if taken is not None:
            raise AddressInUse(address=taken.address, subnet=taken.ranges[0].subnet_id)
    for need in left:
        _look_up(tx, need, given)
    order = {need.port_id: index for index, need in enumerate(needs)}
    return sorted(given, key=lambda item: (order[item.port_id], item.version))


def _guess(need: Need) -> tuple[Range, str]:
    if need.address is not None:
        return need.ranges[0], need.address
    with_pools = [item for item in need.ranges if item.pools]
    if not with_pools:
        raise NoAddressLeft(network=need.ranges[0].network_id)
    chosen = runtime.rng().choice(with_pools)
    address = chosen.guess()
    assert address is not None  # noqa: S101  it has pools
    return chosen, address


def _try(tx: Tx, picks: Sequence[tuple[Need, Range, str]], given: list[Given]) -> list[Need]:
    """Insert the picks; add the new ones to ``given`` and return the needs that got nothing."""
    rows = [
        {"subnet_id": chosen.subnet_id, "address": address, "port_id": need.port_id} for need, chosen, address in picks
    ]
    refused = {_key(row) for row in ports.take_addresses(tx, rows)}
    left = []
    for (need, chosen, address), row in zip(picks, rows, strict=True):
        if _key(row) in refused:
            left.append(need)
        else:
            given.append(Given(need.port_id, chosen.subnet_id, address, chosen.version))
    return left


def _key(row: Mapping[str, str]) -> tuple[str, str, str]:
    return row["subnet_id"], row["address"], row["port_id"]


def _look_up(tx: Tx, need: Need, given: list[Given]) -> None:
    """Take an address that is free now; another transaction may be faster, so look again until there is none."""
    for _ in range(LOOKUPS):
        for chosen in need.ranges:
            free = _free(tx, chosen)
            if free:
                if not _try(tx, [(need, chosen, runtime.rng().choice(free))], given):
                    return
                break
        else:
            raise NoAddressLeft(network=need.ranges[0].network_id)
    raise errors.Unavailable(reason="Too many ports are made on this network at the same time; try again.")


def _free(tx: Tx, chosen: Range) -> list[str]:
    used = subnets.addresses(tx, chosen.subnet_id)
    every = (chosen.text(number) for first, last in chosen.pools for number in range(first, last + 1))
    return list(itertools.islice((address for address in every if address not in used), AT_ONCE))


def new_mac() -> str:
    """Return a random MAC address of ours; the network's unique key says whether it is free."""
    number = runtime.rng().getrandbits(24)
    return f"{MAC_PREFIX}:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
