"""From the rows to everything a host should have: seven statements, whatever the number of ports.

Who has the rows of many hosts already, as the doctor, makes it of those by :func:`of`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iaas.common import names
from iaas.db import codec, networks, ports, security_groups, subnets
from iaas.db.tx import Tx
from iaas.network.driver import Desired, Network, Port, Rule, Subnet


@dataclass(frozen=True)
class Rows:
    """What a host's networks are made of; all but ``ports`` may be more than it needs.

    :ivar ports: those bound to the host
    :ivar networks: by id
    :ivar addresses: ``fixed_ips``
    :ivar groups: ``port_groups``
    :ivar rules: by security group
    :ivar members: addresses by security group
    """

    ports: Sequence[Any]
    networks: Mapping[str, Any]
    subnets: Sequence[Any]
    addresses: Iterable[Any]
    groups: Iterable[Any]
    rules: Mapping[str, Sequence[Any]]
    members: Mapping[str, Iterable[str]]


def read(tx: Tx, host: str) -> tuple[Desired, Sequence[Any]]:
    """Return what ``host`` should have, and the rows of its ports."""
    rows = ports.on_host(tx, host)
    network_rows = networks.by_ids(tx, sorted({row.network_id for row in rows})) if rows else {}
    groups = ports.groups_on_host(tx, host)
    rules = _by(security_groups.rules_of(tx, {row.group_id for row in groups}) if groups else (), "group_id")
    remote = sorted({rule.remote_group_id for some in rules.values() for rule in some if rule.remote_group_id})
    members = _by(security_groups.members(tx, remote) if remote else (), "group_id")
    found = Rows(
        ports=rows,
        networks=network_rows,
        subnets=subnets.of_networks(tx, list(network_rows)) if network_rows else [],
        addresses=ports.addresses_on_host(tx, host),
        groups=groups,
        rules=rules,
        members={group_id: [row.address for row in some] for group_id, some in members.items()},
    )
    return of(found), rows


def of(rows: Rows) -> Desired:
    """Return what a host should have."""
    mine = {row.id for row in rows.ports}
    addresses = _by((row for row in rows.addresses if row.port_id in mine), "port_id")
    groups = _by((row for row in rows.groups if row.port_id in mine), "port_id")
    used = sorted({row.group_id for some in groups.values() for row in some})
    rules = {group_id: tuple(_rule(row) for row in rows.rules.get(group_id, ())) for group_id in used}
    remote = {rule.remote_group_id for some in rules.values() for rule in some if rule.remote_group_id}
    here = sorted({row.network_id for row in rows.ports})
    return Desired(
        networks=tuple(_network(rows.networks[network_id], rows.subnets) for network_id in here),
        ports=tuple(
            _port(row, rows.networks[row.network_id], addresses.get(row.id, ()), groups.get(row.id, ()))
            for row in rows.ports
        ),
        rules=rules,
        groups={group_id: frozenset(rows.members.get(group_id, ())) for group_id in sorted(remote)},
    )


def _by(rows: Iterable[Any], name: str) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        found[getattr(row, name)].append(row)
    return found


def _rule(row: Any) -> Rule:
    return Rule(
        row.id, row.direction, row.ethertype, row.protocol, row.port_min, row.port_max,
        row.remote_cidr, row.remote_group_id,
    )  # fmt: skip


def _network(row: Any, subnet_rows: Sequence[Any]) -> Network:
    mine = tuple(_subnet(subnet) for subnet in subnet_rows if subnet.network_id == row.id)
    return Network(row.id, mine, row.mtu)


def _subnet(row: Any) -> Subnet:
    routes = tuple((route["destination"], route["nexthop"]) for route in codec.load(row.host_routes, []))
    dns = tuple(codec.load(row.dns_nameservers, []))
    return Subnet(row.id, row.cidr, row.gateway_ip, bool(row.enable_dhcp), dns, routes)


def _port(row: Any, network: Any, addresses: Iterable[Any], groups: Iterable[Any]) -> Port:
    return Port(
        id=row.id,
        network_id=row.network_id,
        mac=row.mac,
        addresses=tuple((address.subnet_id, address.address) for address in addresses),
        tap=names.tap(row.id),
        hostname=row.dns_name or f"port-{row.id[:8]}",
        secured=bool(row.port_security),
        group_ids=tuple(group.group_id for group in groups) if row.port_security else (),
        admin_up=bool(row.admin_state_up and network.admin_state_up),
        allowed_pairs=tuple((ip, mac or row.mac) for ip, mac in codec.load(row.allowed_pairs, [])),
        device=row.device_id,
    )
