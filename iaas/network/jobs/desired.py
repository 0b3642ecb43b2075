"""From the rows to everything a host should have: seven statements, whatever the number of ports."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from iaas.common import names
from iaas.db import codec, networks, ports, security_groups, subnets
from iaas.db.tx import Tx
from iaas.network.driver import Desired, Network, Port, Rule, Subnet


def read(tx: Tx, host: str) -> tuple[Desired, Sequence[Any]]:
    """Return what ``host`` should have, and the rows of its ports."""
    rows = ports.on_host(tx, host)
    network_rows = networks.by_ids(tx, sorted({row.network_id for row in rows})) if rows else {}
    subnet_rows = subnets.of_networks(tx, list(network_rows)) if network_rows else []
    addresses = _by_port(ports.addresses_on_host(tx, host), lambda row: (row.subnet_id, row.address))
    groups = _by_port(ports.groups_on_host(tx, host), lambda row: row.group_id)
    rules = _rules(tx, {group_id for ids in groups.values() for group_id in ids})
    remote = sorted({rule.remote_group_id for some in rules.values() for rule in some if rule.remote_group_id})
    desired = Desired(
        networks=tuple(_network(row, subnet_rows) for row in network_rows.values()),
        ports=tuple(_port(row, network_rows[row.network_id], addresses, groups) for row in rows),
        rules=rules,
        groups=_members(tx, remote),
    )
    return desired, rows


def _by_port(rows: Iterable[Any], value: Any) -> dict[str, tuple[Any, ...]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.port_id].append(value(row))
    return {port_id: tuple(values) for port_id, values in found.items()}


def _rules(tx: Tx, group_ids: set[str]) -> dict[str, tuple[Rule, ...]]:
    found: dict[str, list[Rule]] = {group_id: [] for group_id in sorted(group_ids)}
    for row in security_groups.rules_of(tx, group_ids) if group_ids else ():
        rule = Rule(
            row.id, row.direction, row.ethertype, row.protocol, row.port_min, row.port_max,
            row.remote_cidr, row.remote_group_id,
        )  # fmt: skip
        found[row.group_id].append(rule)
    return {group_id: tuple(rules) for group_id, rules in found.items()}


def _members(tx: Tx, group_ids: Sequence[str]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {group_id: set() for group_id in group_ids}
    for row in security_groups.members(tx, group_ids) if group_ids else ():
        found[row.group_id].add(row.address)
    return {group_id: frozenset(addresses) for group_id, addresses in found.items()}


def _network(row: Any, subnet_rows: Sequence[Any]) -> Network:
    mine = tuple(_subnet(subnet) for subnet in subnet_rows if subnet.network_id == row.id)
    return Network(row.id, mine, row.mtu)


def _subnet(row: Any) -> Subnet:
    routes = tuple((route["destination"], route["nexthop"]) for route in codec.load(row.host_routes, []))
    dns = tuple(codec.load(row.dns_nameservers, []))
    return Subnet(row.id, row.cidr, row.gateway_ip, bool(row.enable_dhcp), dns, routes)


def _port(
    row: Any, network: Any, addresses: Mapping[str, tuple[Any, ...]], groups: Mapping[str, tuple[str, ...]]
) -> Port:
    return Port(
        id=row.id,
        network_id=row.network_id,
        mac=row.mac,
        addresses=addresses.get(row.id, ()),
        tap=names.tap(row.id),
        hostname=row.dns_name or f"port-{row.id[:8]}",
        secured=bool(row.port_security),
        group_ids=groups.get(row.id, ()) if row.port_security else (),
        admin_up=bool(row.admin_state_up and network.admin_state_up),
        allowed_pairs=tuple((ip, mac or row.mac) for ip, mac in codec.load(row.allowed_pairs, [])),
    )
