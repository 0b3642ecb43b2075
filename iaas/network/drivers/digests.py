"""What a host's filters come to, in texts short enough to be kept beside them in the kernel and to be compared.

Two ports have the same digest if the same may pass.  Hosts keep them where the filters are; who compares makes them
from a plan.  Pure functions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from iaas.network.driver import Held
from iaas.network.drivers.matches import Match
from iaas.network.drivers.plan import Plan, Wire

VERSIONS = (4, 6)


def short(text: str, length: int = 16) -> str:
    """Return a hash of a text that fits into a kernel name."""
    return hashlib.sha256(text.encode()).hexdigest()[:length]


EVERYTHING = short("everything")  # of a port without security


def rules_of(wire: Wire, plan: Plan, version: int) -> str:
    """Return the digest of what a port may send and be sent in one IP version."""
    if not wire.port.secured:
        return EVERYTHING
    groups = [plan.groups[group_id] for group_id in wire.port.group_ids]
    found = {f"in {_said(match)}" for group in groups for match in group.ingress if match.version == version}
    found |= {f"out {_said(match)}" for group in groups for match in group.egress if match.version == version}
    return _lines(found)


def rules(wire: Wire, plan: Plan) -> str:
    """Return the digests of both IP versions: each is loaded by itself."""
    return " ".join(rules_of(wire, plan, version) for version in VERSIONS)


def senders(wire: Wire) -> str:
    """Return the digest of the MACs and addresses a port may send from."""
    if not wire.port.secured:
        return EVERYTHING
    return _lines(f"{guard.mac} {net}" for guard in wire.guards for net in guard.nets)


def members(addresses: Iterable[str]) -> str:
    """Return the digest of the addresses of a group, of both IP versions."""
    return _lines(set(addresses))


def member_key(group_id: str) -> str:
    """Return by what a host knows a remote group: its id does not fit into a kernel name."""
    return short(group_id)


def expected(plan: Plan) -> Held:
    """Return what a host has that carries a plan."""
    groups = {group_id for group_id, _ in plan.members}
    both = {group_id: plan.members[group_id, 4] | plan.members[group_id, 6] for group_id in groups}
    leases: dict[str, dict[str, str]] = {
        network.id: {} for network in plan.networks if any(subnet.dhcp for subnet in network.subnets)
    }
    for wire in plan.wires:
        leases.get(wire.network.id, {}).update({str(ip): wire.mac for subnet, ip in wire.addresses if subnet.dhcp})
    up = [wire for wire in plan.wires if wire.port.admin_up]
    return Held(
        wired=frozenset(wire.port.id for wire in up),
        ports=frozenset(wire.port.id for wire in plan.wires),
        networks=frozenset(network.id for network in plan.networks),
        rules={wire.port.id: rules(wire, plan) for wire in plan.wires},
        senders={wire.port.id: senders(wire) for wire in plan.wires},
        members={member_key(group_id): members(found) for group_id, found in both.items()},
        leases=leases,
    )


def _said(match: Match) -> str:
    return repr((match.protocol, match.ports, match.icmp, match.cidr, match.group))


def _lines(found: Iterable[str]) -> str:
    return short("\n".join(sorted(found)))
