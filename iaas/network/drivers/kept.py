"""Ports that a host carries, that are not desired, and that nobody gave up: they stay as they were desired last.

What is desired always comes first: nothing that is kept may close a desired port or let anything else into it, but
into those of its own groups it was in.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from iaas.network.driver import Desired, Network, Port, Subnet
from iaas.network.drivers import plan as planning
from iaas.network.drivers.plan import Plan

UNKNOWN = "nothing is known of how it was wired"


@dataclass(frozen=True)
class All:
    """Everything a host is to have.

    :ivar desired: with the ports that are kept, behind all others
    :ivar kept: those, and the unknown ones
    :ivar unknown: ports of which only the tap is known, each with that: they cannot be filtered, so they are closed
    """

    desired: Desired
    kept: tuple[Port, ...] = ()
    unknown: Mapping[str, str] = field(default_factory=dict)

    def plan(self) -> Plan:
        """Check everything."""
        plan = planning.make(self.desired)
        used = {wire.port.tap for wire in plan.wires}
        taps = (tap for tap in self.unknown.values() if tap not in used)
        failed = {**plan.failed, **dict.fromkeys(self.unknown, UNKNOWN)}
        return replace(plan, closed=tuple(sorted({*plan.closed, *taps})), failed=failed)


def merge(desired: Desired, last: Desired, taps: Mapping[str, str]) -> All:
    """Return what is desired with the ports that are kept.

    :param last: what the host was made to have last
    :param taps: the ports the host has, each with its tap
    """
    plain = replace(desired, gone=None)
    if desired.gone is None:
        return All(plain)
    left = taps.keys() - desired.gone - {port.id for port in desired.ports}
    kept = tuple(port for port in last.ports if port.id in left)
    known = {port.id for port in kept}
    unknown = {key: taps[key] for key in sorted(left - known) if planning.is_interface(taps[key])}
    bare = tuple(Port(key, "", "", (), tap, "") for key, tap in unknown.items())
    if not kept:
        return All(plain, bare, unknown)
    theirs = {group_id for port in kept for group_id in port.group_ids}
    rules = {**{group_id: last.rules[group_id] for group_id in theirs & last.rules.keys()}, **desired.rules}
    networks = _networks(desired, last, kept)
    merged = replace(plain, networks=networks, ports=(*desired.ports, *kept), rules=rules)
    return All(replace(merged, groups=_groups(merged, desired, last, kept)), (*kept, *bare), unknown)


def _networks(desired: Desired, last: Desired, kept: Sequence[Port]) -> tuple[Network, ...]:
    found = {network.id: network for network in desired.networks}
    before = {network.id: network for network in last.networks}
    for port in kept:
        network, was = found.get(port.network_id), before.get(port.network_id)
        if was is None:
            continue
        if network is None:
            found[was.id] = was
            continue
        lost = {subnet_id for subnet_id, _ in port.addresses} - {subnet.id for subnet in network.subnets}
        back = tuple(subnet for subnet in was.subnets if subnet.id in lost and _fits(subnet, network))
        found[network.id] = replace(network, subnets=(*network.subnets, *back))
    return tuple(found.values())


def _fits(subnet: Subnet, network: Network) -> bool:
    """Whether a network can have a subnet besides its own."""
    try:
        net = ipaddress.ip_network(subnet.cidr)
        others = [ipaddress.ip_network(other.cidr) for other in network.subnets]
    except ValueError:
        return False
    return not any(net.version == other.version and net.overlaps(other) for other in others)


def _groups(merged: Desired, desired: Desired, last: Desired, kept: Sequence[Port]) -> Mapping[str, frozenset[str]]:
    """Return the members of remote groups: as desired, or as they were, and the kept ports."""
    remote = {rule.remote_group_id for rules in merged.rules.values() for rule in rules if rule.remote_group_id}
    here = {port.network_id for port in kept}
    known = [port for port in desired.ports if port.network_id in here]
    taken = {(port.network_id, ip) for port in known for _, ip in port.addresses}
    found = dict(desired.groups)
    for group_id in remote:
        if group_id not in found:
            # an address that a desired port has by now is a member's only if that port is one
            strangers = {ip for port in known if group_id not in port.group_ids for _, ip in port.addresses}
            found[group_id] = last.groups.get(group_id, frozenset()) - strangers
        found[group_id] |= frozenset(_addresses(group_id, kept, taken))
    return found


def _addresses(group_id: str, kept: Sequence[Port], taken: Collection[tuple[str, str]]) -> Iterator[str]:
    for port in kept:
        if group_id in port.group_ids:
            yield from (ip for _, ip in port.addresses if (port.network_id, ip) not in taken)
