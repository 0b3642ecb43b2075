"""The verbs of subnets: https://docs.openstack.org/api-ref/network/v2/#subnets."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iaas.common import errors, runtime
from iaas.common.context import RequestContext
from iaas.db import codec, networks, quotas
from iaas.db import subnets as db
from iaas.db.models.networks import subnets
from iaas.db.tx import Tx
from iaas.network import rpcapi
from iaas.network.api import listing, pools
from iaas.network.api.pools import Pool

UNSAID = "unsaid"  # the gateway is the first address
MAX_DNS, MAX_ROUTES = 5, 20


@dataclass(frozen=True)
class NewSubnet:
    """What a caller wants a subnet to be. ``gateway`` None means it has none."""

    network_id: str
    cidr: str
    ip_version: int
    project_id: str | None = None  # None: the network's
    name: str = ""
    description: str = ""
    gateway: str | None = UNSAID
    enable_dhcp: bool = True
    dns: tuple[str, ...] = ()
    routes: tuple[tuple[str, str], ...] = ()
    pools: tuple[Pool, ...] | None = None


def create(clients: Any, ctx: RequestContext, new: Sequence[NewSubnet]) -> list[Any]:
    """Make subnets and return their rows: all of them or none.

    :raises NetworkNotFound: the network is not the project's own.
    :raises Invalid: the addresses make no sense, or overlap another subnet of the network.
    :raises QuotaExceeded: too many subnets.
    """

    def write(tx: Tx) -> list[Any]:
        rows = [add(tx, clients.settings.quota, subnet) for subnet in new]
        _tell(tx, clients, {row.network_id for row in rows})
        return rows

    return clients.db.write(ctx, write)


def add(tx: Tx, limits: Any, new: NewSubnet) -> Any:
    """Make a subnet in the caller's transaction and return its row."""
    network = networks.get(tx, new.network_id)
    # the network's row is held from here on, so that two overlapping subnets cannot both be made
    if not networks.update(tx, network.id):
        raise networks.NetworkNotFound(id=new.network_id)
    net = pools.network(new.cidr, new.ip_version)
    for other in db.of_networks(tx, [network.id]):
        if other.ip_version == net.version and net.overlaps(ipaddress.ip_network(other.cidr)):  # type: ignore[arg-type]
            raise errors.Invalid(
                reason=f"Invalid input for operation: Requested subnet with cidr: {net} for network: {network.id} "
                f"overlaps with another subnet."
            )
    gateway = pools.first_host(net) if new.gateway == UNSAID else new.gateway
    if gateway is not None:
        gateway = pools.gateway(gateway, net)
    ranges = pools.default(net, gateway) if new.pools is None else pools.checked(new.pools, net, gateway)
    _check_hosts(new.dns, new.routes, net)
    project_id = network.project_id if new.project_id is None else new.project_id
    quotas.take(tx, project_id, {"subnets": 1}, limits)
    now, subnet_id = runtime.time(), runtime.uuid()
    row = {
        "id": subnet_id, "network_id": network.id, "project_id": project_id, "name": new.name,
        "description": new.description, "ip_version": net.version, "cidr": str(net), "gateway_ip": gateway,
        "enable_dhcp": new.enable_dhcp, "dns_nameservers": codec.dump(new.dns),
        "host_routes": codec.dump(_routes(new.routes)), "allocation_pools": codec.dump(pools.words(ranges)),
        "created_at": now, "updated_at": now, "revision": 1,
    }  # fmt: skip
    db.add(tx, row)
    return db.get(tx, subnet_id)


def _routes(routes: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"destination": destination, "nexthop": hop} for destination, hop in routes]


def _check_hosts(dns: Sequence[str], routes: Sequence[tuple[str, str]], net: pools.Net) -> None:
    for what, values, limit in (("dns_nameservers", dns, MAX_DNS), ("host_routes", routes, MAX_ROUTES)):
        if len(values) > limit:
            raise errors.Invalid(reason=f"A subnet has at most {limit} {what}.")
        if len(set(values)) != len(values):
            raise errors.Invalid(reason=f"Duplicate items in {what}.")
    for destination, hop in routes:
        if ipaddress.ip_network(destination, strict=False).version != net.version:
            raise errors.Invalid(reason=f"The route to {destination} is not of the subnet's IP version.")
        if ipaddress.ip_address(hop).version != net.version:
            raise errors.Invalid(reason=f"The next hop {hop} is not of the subnet's IP version.")


def page(clients: Any, ctx: RequestContext, asked: listing.Asked) -> listing.Page:
    """Return one page of the visible subnets."""
    with clients.db.read(ctx) as tx:
        return listing.page(tx, db.page, subnets, asked)


def show(clients: Any, ctx: RequestContext, subnet_id: str) -> Any:
    """Return one visible subnet.

    :raises SubnetNotFound: there is none.
    """
    with clients.db.read(ctx) as tx:
        return db.get(tx, subnet_id)


def update(clients: Any, ctx: RequestContext, subnet_id: str, changes: Mapping[str, Any]) -> Any:
    """Change a subnet of the project's own and return its row.

    :param changes: ``name``, ``description``, ``enable_dhcp``, ``gateway`` (or None), ``dns``, ``routes``, ``pools``
    :raises SubnetNotFound: there is none that may be changed.
    """

    def write(tx: Tx) -> Any:
        row = db.get(tx, subnet_id)
        if not db.update(tx, subnet_id, updated_at=runtime.time(), **_columns(row, changes)):
            raise db.SubnetNotFound(id=subnet_id)
        _tell(tx, clients, {row.network_id})
        return db.get(tx, subnet_id)

    return clients.db.write(ctx, write)


def _columns(row: Any, changes: Mapping[str, Any]) -> dict[str, Any]:
    net = ipaddress.ip_network(row.cidr)
    values = {name: changes[name] for name in ("name", "description", "enable_dhcp") if name in changes}
    gateway = changes.get("gateway", row.gateway_ip)
    if "gateway" in changes:
        gateway = values["gateway_ip"] = None if gateway is None else pools.gateway(gateway, net)
    if changes.keys() & {"gateway", "pools"}:
        wanted = changes.get("pools") or pools.of_words(codec.load(row.allocation_pools, []))
        values["allocation_pools"] = codec.dump(pools.words(pools.checked(wanted, net, gateway)))
    dns = changes.get("dns", codec.load(row.dns_nameservers, []))
    known = [(route["destination"], route["nexthop"]) for route in codec.load(row.host_routes, [])]
    routes = changes.get("routes", known)
    _check_hosts([str(item) for item in dns], [tuple(route) for route in routes], net)
    if "dns" in changes:
        values["dns_nameservers"] = codec.dump(dns)
    if "routes" in changes:
        values["host_routes"] = codec.dump(_routes(routes))
    return values


def delete(clients: Any, ctx: RequestContext, subnet_id: str) -> None:
    """Delete a subnet of the project's own.

    :raises SubnetNotFound: there is none that may be deleted.
    :raises SubnetInUse: a port has an address of it.
    """

    def write(tx: Tx) -> None:
        row = db.get(tx, subnet_id)
        if not db.update(tx, subnet_id) or not db.remove(tx, subnet_id):
            raise db.SubnetNotFound(id=subnet_id)
        quotas.give_back(tx, row.project_id, {"subnets": 1})
        _tell(tx, clients, {row.network_id})

    clients.db.write(ctx, write)


def _tell(tx: Tx, clients: Any, network_ids: set[str]) -> None:
    hosts = [host for network_id in network_ids for host in networks.hosts_of(tx, network_id)]
    tx.on_commit(lambda: rpcapi.changed(clients.rpc, hosts))
