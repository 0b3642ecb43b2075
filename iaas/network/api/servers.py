"""The network side of accepting a server: which ports it gets, decided and recorded in the caller's transaction.

``plan`` is asked once per request, whatever the number of servers; ``allocate`` makes or takes the ports of one
server and returns what its row keeps as ``network_info``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from iaas.common import errors, runtime
from iaas.db import networks, ports, quotas, security_groups
from iaas.db.tx import Tx
from iaas.network.api import addresses
from iaas.network.api.addresses import Given, Need, Range
from iaas.network.api.security_groups import DEFAULT, ensure_default

OWNER = "compute:nova"
MAX_INTERFACES = 32


class PortInUse(errors.IaasError):
    kind = errors.Kind.CONFLICT
    template = "Port {id} is still in use."


@dataclass(frozen=True)
class Wanted:
    """One interface of a server: on a network, perhaps with a fixed address, or with a port that is there."""

    network_id: str | None = None
    port_id: str | None = None
    fixed_ip: str | None = None
    tag: str | None = None


@dataclass(frozen=True)
class Interface:
    """One interface, resolved. ``port`` is the row of a port that is there; else one is made."""

    network: Any
    ranges: tuple[Range, ...]
    port: Any = None
    given: tuple[Given, ...] = ()
    fixed_ip: str | None = None
    tag: str | None = None


@dataclass(frozen=True)
class Plan:
    """The interfaces every server of a request gets, and the security groups of the ports made for it.

    ``groups`` are rows: their names are what the server shows.
    """

    interfaces: tuple[Interface, ...] = ()
    groups: tuple[Any, ...] = field(default=())

    @property
    def takes_ports(self) -> bool:
        """Whether it names ports that are there, so that only one server can have it."""
        return any(item.port is not None or item.fixed_ip is not None for item in self.interfaces)


# -- deciding ------------------------------------------------------------------------------------------------


def plan(
    tx: Tx, clients: Any, wanted: Sequence[Wanted] | Literal["auto", "none", "default"], group_names: Sequence[str] = ()
) -> Plan:
    """Decide the interfaces of a request's servers.

    :param wanted: ``auto`` is the project's one network or else the cloud's default one; ``default`` is the same,
        or no interface where there is no network at all; ``none`` is no interface
    :param group_names: names or ids of security groups of the project; none of them means its default group
    :raises Invalid: a network, port or group is not there for this project, or a network has no subnet.
    :raises Conflict: the project has several networks to choose from, or several groups of a name.
    :raises PortInUse: a port belongs to another device.
    """
    if wanted == "none" and not group_names:
        return Plan()
    groups = _groups(tx, clients, group_names)
    if wanted == "none":
        return Plan((), groups)
    if isinstance(wanted, str):
        return Plan(_automatic(tx, needed=wanted == "auto"), groups)
    if len(wanted) > MAX_INTERFACES:
        raise errors.Invalid(reason=f"A server has at most {MAX_INTERFACES} interfaces.")
    return Plan(tuple(_named(tx, wanted)), groups)


def _groups(tx: Tx, clients: Any, names: Sequence[str]) -> tuple[Any, ...]:
    wanted = list(dict.fromkeys(names)) or [DEFAULT]
    found = security_groups.named(tx, tx.ctx.project_id, wanted)
    chosen: dict[str, Any] = {}
    for name in wanted:
        matches = [row for row in found if row.id == name] or [row for row in found if row.name == name]
        if not matches and name == DEFAULT and tx.ctx.project_id:
            matches = [ensure_default(tx, clients.settings.quota, tx.ctx.project_id)]
        if not matches:
            raise errors.Invalid(reason=f"Security group {name[:64]} not found for project {tx.ctx.project_id}.")
        if len(matches) > 1:
            raise errors.Conflict(reason=f"Multiple security groups found matching '{name[:64]}'. Use an ID instead.")
        chosen[matches[0].id] = matches[0]
    return tuple(chosen.values())


def _automatic(tx: Tx, *, needed: bool) -> tuple[Interface, ...]:
    found = list(networks.for_servers(tx, None).values())
    own = [item for item in found if item[0].project_id == tx.ctx.project_id and item[1]]
    default = [item for item in found if item[0].is_default and item[0].shared and item[1]]
    if len(own) > 1:
        raise errors.Conflict(reason="Multiple possible networks found, use a Network ID to be more specific.")
    if not own and not default:
        if not needed:
            return ()
        raise errors.Invalid(
            reason="There is no network with a subnet this server could be put on; make one, or ask for 'none'."
        )
    network, subnets = (own or default)[0]
    return (Interface(network, _ranges(subnets)),)


def _ranges(subnets: Sequence[Any]) -> tuple[Range, ...]:
    return tuple(addresses.range_of(row, "subnet_") for row in subnets)


def _named(tx: Tx, wanted: Sequence[Wanted]) -> list[Interface]:
    ids = [item.port_id for item in wanted if item.port_id is not None]
    if len(set(ids)) != len(ids):
        raise errors.Invalid(reason="A port is named twice.")
    there = ports.by_ids(tx, ids) if ids else {}
    given = _given(tx, list(there))
    network_ids = {item.network_id for item in wanted if item.network_id} | {row.network_id for row in there.values()}
    found = networks.for_servers(tx, sorted(network_ids)) if network_ids else {}
    result = []
    for item in wanted:
        if item.port_id is not None:
            port = _free_port(item, there)
            network, subnets = found[port.network_id]
            addrs = tuple(given[port.id])
            result.append(Interface(network, _ranges(subnets), port, addrs, tag=item.tag))
        else:
            result.append(_on_network(tx, item, found))
    return result


def _given(tx: Tx, port_ids: Sequence[str]) -> Mapping[str, list[Given]]:
    found: dict[str, list[Given]] = defaultdict(list)
    for row in ports.addresses(tx, port_ids) if port_ids else ():
        found[row.port_id].append(Given(row.port_id, row.subnet_id, row.address, row.ip_version))
    return found


def _free_port(item: Wanted, there: Mapping[str, Any]) -> Any:
    port = there.get(item.port_id or "")
    if port is None:
        raise errors.Invalid(reason=f"Port {str(item.port_id)[:64]} could not be found.")
    if item.network_id is not None and item.network_id != port.network_id:
        raise errors.Invalid(reason=f"Port {port.id} is not on network {item.network_id[:64]}.")
    if port.device_id:
        raise PortInUse(id=port.id)
    return port


def _on_network(tx: Tx, item: Wanted, found: Mapping[str, tuple[Any, list[Any]]]) -> Interface:
    if item.network_id is None:
        raise errors.Invalid(reason="Every interface needs a network or a port.")
    if item.network_id not in found:
        raise errors.Invalid(reason=f"Network {item.network_id[:64]} could not be found.")
    network, subnets = found[item.network_id]
    if network.external and not network.shared and not owns(tx, network):
        raise errors.Forbidden(action=f"put a server on the external network {network.id}")
    ranges = _ranges(subnets)
    if not ranges:
        raise errors.Invalid(reason=f"Network {network.id} requires a subnet in order to boot instances on.")
    if item.fixed_ip is None:
        return Interface(network, ranges, tag=item.tag)
    if not owns(tx, network):
        raise errors.Forbidden(action="choose an address on a network of another project")
    chosen = holding(ranges, item.fixed_ip)
    return Interface(network, (chosen,), fixed_ip=chosen.check(item.fixed_ip), tag=item.tag)


def owns(tx: Tx, network: Any) -> bool:
    """Whether the request may decide what only a network's owner decides: addresses, MACs, security."""
    return tx.ctx.is_admin or network.project_id == tx.ctx.project_id


def holding(ranges: Sequence[Range], address: str) -> Range:
    """Return the range an address is in.

    :raises Invalid: it is in none of them.
    """
    for item in ranges:
        if item.holds(address):
            return item
    raise errors.Invalid(reason=f"Fixed IP address {address[:64]} is not in any subnet of the network.")


# -- recording -----------------------------------------------------------------------------------------------


def allocate(
    tx: Tx, clients: Any, plan: Plan, instance_id: str, hostname: str, project_id: str
) -> list[dict[str, Any]]:
    """Make or take the ports of one server and return what its row keeps as ``network_info``.

    :raises QuotaExceeded: too many ports.
    :raises PortInUse: another request took a port first.
    :raises Conflict: an address is taken, or a network is full.
    """
    return allocate_many(tx, clients, plan, {instance_id: hostname}, project_id)[instance_id]


def allocate_many(
    tx: Tx, clients: Any, plan: Plan, servers: Mapping[str, str], project_id: str
) -> dict[str, list[dict[str, Any]]]:
    """Do :func:`allocate` for several servers (id → host name) with as few statements as for one."""
    if plan.takes_ports and len(servers) > 1:
        raise errors.Invalid(reason="Several servers cannot share a port or a fixed address.")
    made = [
        (instance_id, index, item, _row(instance_id, hostname, index, item, project_id))
        for instance_id, hostname in servers.items()
        for index, item in enumerate(plan.interfaces)
        if item.port is None
    ]
    given = _make(tx, clients, plan, made, project_id) if made else {}
    rows = {(instance_id, index): row for instance_id, index, _, row in made}
    infos: dict[str, list[dict[str, Any]]] = {}
    for instance_id, hostname in servers.items():
        infos[instance_id] = []
        for index, item in enumerate(plan.interfaces):
            if item.port is not None:
                _take(tx, item.port, instance_id, hostname, index)
                infos[instance_id].append(_info(item, item.port.id, item.port.mac, item.given))
            else:
                row = rows[instance_id, index]
                infos[instance_id].append(_info(item, row["id"], row["mac"], given[row["id"]]))
    return infos


def _row(instance_id: str, hostname: str, index: int, item: Interface, project_id: str) -> dict[str, Any]:
    now = runtime.time()
    return {
        "id": runtime.uuid(), "network_id": item.network.id, "project_id": project_id, "name": "", "description": "",
        "mac": addresses.new_mac(), "admin_state_up": True, "status": ports.DOWN, "device_id": instance_id,
        "device_owner": OWNER, "made_for_instance": True, "device_index": index, "host": None,
        "port_security": item.network.port_security, "allowed_pairs": "[]", "dns_name": hostname[:63],
        "vnic_type": "normal", "error": None, "created_at": now, "updated_at": now, "revision": 1,
    }  # fmt: skip


def _make(tx: Tx, clients: Any, plan: Plan, made: Sequence[Any], project_id: str) -> dict[str, list[Given]]:
    quotas.take(tx, project_id, {"ports": len(made)}, clients.settings.quota)
    ports.add_many(tx, [row for *_, row in made], addresses.new_mac)
    memberships = [
        {"port_id": row["id"], "group_id": group.id}
        for *_, row in made
        if row["port_security"]
        for group in plan.groups
    ]
    security_groups.join(tx, memberships)
    needs = [
        Need(row["id"], ranges, item.fixed_ip)
        for _, _, item, row in made
        for ranges in addresses.one_per_version(item.ranges)
    ]
    given: dict[str, list[Given]] = defaultdict(list)
    for address in addresses.give(tx, needs):
        given[address.port_id].append(address)
    return given


def _take(tx: Tx, port: Any, instance_id: str, hostname: str, index: int) -> None:
    values: dict[str, Any] = {"device_id": instance_id, "device_owner": OWNER, "device_index": index}
    if not ports.take(tx, port.id, dns_name=port.dns_name or hostname[:63], updated_at=runtime.time(), **values):
        raise PortInUse(id=port.id)


def _info(item: Interface, port_id: str, mac: str, given: Sequence[Given]) -> dict[str, Any]:
    info = {
        "port_id": port_id,
        "network_id": item.network.id,
        "network_name": item.network.name,
        "mac": mac,
        "mtu": item.network.mtu,
        "addresses": [address.words() for address in given],
    }
    return {**info, "tag": item.tag} if item.tag else info
