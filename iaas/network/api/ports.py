"""The verbs of ports: https://docs.openstack.org/api-ref/network/v2/#ports."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iaas.common import errors, runtime
from iaas.common.context import RequestContext
from iaas.db import networks, quotas, security_groups, subnets
from iaas.db import ports as db
from iaas.db.models.networks import ports
from iaas.db.tx import DuplicateKey, Tx
from iaas.network.api import addresses, listing, pairs
from iaas.network.api.addresses import Need, Range
from iaas.network.api.pairs import Pair
from iaas.network.api.security_groups import ensure_default, tell
from iaas.network.api.servers import PortInUse, holding, owns

MAX_ADDRESSES, MAX_GROUPS = 5, 20


class MacInUse(errors.IaasError):
    kind = errors.Kind.CONFLICT
    template = "Unable to complete operation for network {network}. The mac address {mac} is in use."


@dataclass(frozen=True)
class Port:
    """A port with its addresses (rows of address and subnet_id) and the ids of its security groups."""

    row: Any
    addresses: list[Any]
    group_ids: list[str]


@dataclass(frozen=True)
class Fixed:
    """One asked-for address: any of a subnet, or exactly this one."""

    subnet_id: str | None = None
    address: str | None = None


@dataclass(frozen=True)
class NewPort:
    """What a caller wants a port to be. ``fixed`` None means an address of each IP version."""

    network_id: str
    project_id: str
    name: str = ""
    description: str = ""
    admin_state_up: bool = True
    mac: str | None = None
    fixed: tuple[Fixed, ...] | None = None
    group_ids: tuple[str, ...] | None = None
    port_security: bool | None = None
    allowed_pairs: tuple[Pair, ...] = ()
    device_id: str = ""
    device_owner: str = ""
    vnic_type: str = "normal"


# -- reading -------------------------------------------------------------------------------------------------


def page(clients: Any, ctx: RequestContext, asked: listing.Asked, *filters: Any) -> listing.Page:
    """Return one page of the visible ports."""
    with clients.db.read(ctx) as tx:
        found = listing.page(tx, db.page, ports, asked, *filters)
        return listing.Page(_whole(tx, found.rows), found.more)


def show(clients: Any, ctx: RequestContext, port_id: str) -> Port:
    """Return one visible port.

    :raises PortNotFound: there is none.
    """
    with clients.db.read(ctx) as tx:
        return _whole(tx, [db.get(tx, port_id)])[0]


def _whole(tx: Tx, rows: Sequence[Any]) -> list[Port]:
    ids = [row.id for row in rows]
    found: dict[str, list[Any]] = defaultdict(list)
    groups: dict[str, list[str]] = defaultdict(list)
    for address in db.addresses(tx, ids) if ids else ():
        found[address.port_id].append(address)
    for row in security_groups.of_ports(tx, ids) if ids else ():
        groups[row.port_id].append(row.group_id)
    return [Port(row, found[row.id], sorted(groups[row.id])) for row in rows]


# -- making --------------------------------------------------------------------------------------------------


def create(clients: Any, ctx: RequestContext, new: Sequence[NewPort]) -> list[Port]:
    """Make ports: all of them or none.

    :raises NetworkNotFound: a network is not visible.
    :raises QuotaExceeded: too many ports.
    """
    return clients.db.write(ctx, lambda tx: [_create(tx, clients, port) for port in new])


def _create(tx: Tx, clients: Any, new: NewPort) -> Port:
    network = networks.get(tx, new.network_id)
    _check_owner_fields(
        tx,
        network,
        mac_address=new.mac is not None,
        fixed_ips=any(item.address for item in new.fixed or ()),
        port_security_enabled=new.port_security is not None,
        allowed_address_pairs=bool(new.allowed_pairs),
    )
    secured = network.port_security if new.port_security is None else new.port_security
    groups = _groups_of_new(tx, clients, new, secured)
    stored = pairs.checked(new.allowed_pairs, secured)
    quotas.take(tx, new.project_id, {"ports": 1}, clients.settings.quota)
    now = runtime.time()
    row = {
        "id": runtime.uuid(), "network_id": network.id, "project_id": new.project_id, "name": new.name,
        "description": new.description, "mac": new.mac or addresses.new_mac(), "admin_state_up": new.admin_state_up,
        "status": db.DOWN, "device_id": new.device_id, "device_owner": new.device_owner, "made_for_instance": False,
        "device_index": 0, "host": None, "port_security": secured, "allowed_pairs": pairs.text(stored),
        "dns_name": "", "vnic_type": new.vnic_type, "error": None, "created_at": now, "updated_at": now, "revision": 1,
    }  # fmt: skip
    if not db.add_many(tx, [row], None if new.mac else addresses.new_mac):
        raise MacInUse(network=network.id, mac=new.mac)
    security_groups.join(tx, [{"port_id": row["id"], "group_id": group_id} for group_id in groups])
    ranges = [addresses.range_of(subnet) for subnet in subnets.of_networks(tx, [network.id])]
    addresses.give(tx, _needs(row["id"], ranges, new.fixed))
    tell(tx, clients, security_groups.hosts_naming(tx, groups))
    return _whole(tx, [db.get(tx, row["id"])])[0]


def _check_owner_fields(tx: Tx, network: Any, **named: bool) -> None:
    """What only the owner of the network decides about a port on it."""
    if not owns(tx, network):
        for name, there in named.items():
            if there:
                raise errors.Forbidden(action=f"network:ports:set:{name} on a network of another project")


def _groups_of_new(tx: Tx, clients: Any, new: NewPort, secured: bool) -> list[str]:
    if not secured:
        if new.group_ids:
            raise errors.Conflict(reason="Port security must be enabled in order to have security groups on a port.")
        return []
    if new.group_ids is not None:
        return _visible_groups(tx, new.group_ids)
    return [ensure_default(tx, clients.settings.quota, new.project_id).id]


def _visible_groups(tx: Tx, group_ids: Sequence[str]) -> list[str]:
    wanted = list(dict.fromkeys(group_ids))
    if len(wanted) > MAX_GROUPS:
        raise errors.Invalid(reason=f"A port is in at most {MAX_GROUPS} security groups.")
    return [security_groups.get(tx, group_id).id for group_id in wanted]


def _needs(port_id: str, ranges: Sequence[Range], fixed: Sequence[Fixed] | None) -> list[Need]:
    if fixed is None:
        return [Need(port_id, some) for some in addresses.one_per_version(ranges)]
    if len(fixed) > MAX_ADDRESSES:
        raise errors.Invalid(reason=f"Exceeded maximum amount of fixed ips per port: {MAX_ADDRESSES}.")
    return [_need(port_id, ranges, item) for item in fixed]


def _need(port_id: str, ranges: Sequence[Range], item: Fixed) -> Need:
    if item.subnet_id is not None:
        ranges = [some for some in ranges if some.subnet_id == item.subnet_id]
        if not ranges:
            raise subnets.SubnetNotFound(id=item.subnet_id[:64])
    if item.address is None:
        if not ranges:
            raise errors.Invalid(reason="The network has no subnet to take an address from.")
        return Need(port_id, ranges)
    chosen = holding(ranges, item.address)
    return Need(port_id, [chosen], chosen.check(item.address))


# -- changing ------------------------------------------------------------------------------------------------


def update(clients: Any, ctx: RequestContext, port_id: str, changes: Mapping[str, Any]) -> Port:
    """Change a port of the project's own: the names of :class:`NewPort` to their new values.

    :raises PortNotFound: there is none that may be changed.
    :raises PortInUse: a server uses it, and the change would take it away or break its interface.
    """

    def write(tx: Tx) -> Port:
        row = db.get(tx, port_id)
        if not ctx.is_admin and row.project_id != ctx.project_id:
            raise db.PortNotFound(id=port_id)
        network = networks.get(tx, row.network_id)
        _check_update(tx, network, row, changes)
        before = [item.group_id for item in security_groups.of_ports(tx, [port_id])]
        after = _regroup(tx, row, before, changes)
        try:
            db.update(tx, port_id, updated_at=runtime.time(), **_columns(row, changes))
        except DuplicateKey:
            raise MacInUse(network=network.id, mac=changes["mac"]) from None
        if changes.get("fixed") is not None:
            _readdress(tx, row, changes["fixed"])
        if _of_server(row):
            db.refresh_instance(tx, row.device_id)
        hosts = security_groups.hosts_naming(tx, sorted({*before, *after}))
        tell(tx, clients, [*hosts, *([row.host] if row.host else [])])
        return _whole(tx, [db.get(tx, port_id)])[0]

    return clients.db.write(ctx, write)


def _of_server(row: Any) -> bool:
    return bool(row.device_id) and row.device_owner.startswith(db.COMPUTE_OWNER)


def _check_update(tx: Tx, network: Any, row: Any, changes: Mapping[str, Any]) -> None:
    _check_owner_fields(
        tx,
        network,
        mac_address="mac" in changes,
        fixed_ips=any(item.address for item in changes.get("fixed") or ()),
        port_security_enabled="port_security" in changes,
        allowed_address_pairs="allowed_pairs" in changes,
    )
    if _of_server(row):
        columns = ("device_id", "device_owner", "mac", "vnic_type")
        if any(name in changes and changes[name] != getattr(row, name) for name in columns):
            raise PortInUse(id=row.id)


def _regroup(tx: Tx, row: Any, before: Sequence[str], changes: Mapping[str, Any]) -> Sequence[str]:
    """Put the port into its new security groups and return their ids."""
    secured = changes.get("port_security", row.port_security)
    wanted = changes.get("group_ids")
    after = list(before) if wanted is None else _visible_groups(tx, wanted)
    if not secured and after:
        raise errors.Conflict(reason="Port has security group associated. Cannot disable port security or ip address.")
    if set(after) != set(before):
        security_groups.leave(tx, row.id)
        security_groups.join(tx, [{"port_id": row.id, "group_id": group_id} for group_id in after])
    return after


def _columns(row: Any, changes: Mapping[str, Any]) -> dict[str, Any]:
    plain = ("name", "description", "admin_state_up", "mac", "port_security", "device_id", "device_owner", "vnic_type")
    values = {name: changes[name] for name in plain if name in changes}
    secured = changes.get("port_security", row.port_security)
    known = pairs.of_text(row.allowed_pairs)
    stored = pairs.checked(changes.get("allowed_pairs", known), secured)
    if "allowed_pairs" in changes:
        values["allowed_pairs"] = pairs.text(stored)
    return values


def _readdress(tx: Tx, row: Any, fixed: Sequence[Fixed]) -> None:
    """Give the port exactly the addresses of ``fixed``; those it has and may keep stay."""
    ranges = [addresses.range_of(subnet) for subnet in subnets.of_networks(tx, [row.network_id])]
    needs = _needs(row.id, ranges, fixed)
    left = list(db.addresses(tx, [row.id]))
    missing = []
    for need in sorted(needs, key=lambda item: item.address is None):
        ids = {some.subnet_id for some in need.ranges}
        kept = next((a for a in left if a.subnet_id in ids and need.address in (None, a.address)), None)
        if kept is None:
            missing.append(need)
        else:
            left.remove(kept)
    if left:
        db.drop_addresses(tx, row.id, [item.address for item in left])
    addresses.give(tx, missing)


def delete(clients: Any, ctx: RequestContext, port_id: str) -> None:
    """Delete a port that no server uses.

    :raises PortNotFound: there is none that is visible.
    :raises PortInUse: a server uses it.
    """

    def write(tx: Tx) -> None:
        row = db.get(tx, port_id)
        groups = [item.group_id for item in security_groups.of_ports(tx, [port_id])]
        tell(tx, clients, security_groups.hosts_naming(tx, groups))
        if _of_server(row) or not db.remove(tx, port_id):
            raise PortInUse(id=port_id)
        quotas.give_back(tx, row.project_id, {"ports": 1})

    clients.db.write(ctx, write)


#: filters the edge may ask for, built where SQL is at home
with_address, in_group = db.with_address, db.in_group
