"""The verbs of networks: https://docs.openstack.org/api-ref/network/v2/#networks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iaas.common import errors, runtime
from iaas.common.context import RequestContext
from iaas.db import networks as db
from iaas.db import quotas, subnets
from iaas.db.models.networks import networks
from iaas.db.tx import Tx
from iaas.network import rpcapi
from iaas.network.api import listing
from iaas.network.api.security_groups import ensure_default

TYPE = "flat"


class SharedInUse(errors.IaasError):
    kind = errors.Kind.CONFLICT
    template = "Unable to reconfigure sharing settings for network {id}. Multiple tenants are using it."


@dataclass(frozen=True)
class Network:
    """A network with the ids of its subnets."""

    row: Any
    subnet_ids: list[str]


@dataclass(frozen=True)
class NewNetwork:
    """What a caller wants a network to be."""

    name: str
    project_id: str
    description: str = ""
    admin_state_up: bool = True
    shared: bool = False
    external: bool = False
    is_default: bool = False
    port_security: bool = True
    mtu: int = 1500


def create(clients: Any, ctx: RequestContext, new: Sequence[NewNetwork]) -> list[Network]:
    """Make networks: all of them or none.

    :raises QuotaExceeded: too many networks.
    """
    return clients.db.write(ctx, add, clients.settings.quota, new)


def add(tx: Tx, limits: Any, new: Sequence[NewNetwork]) -> list[Network]:
    """Make networks in the caller's transaction."""
    rows = []
    for network in new:
        ensure_default(tx, limits, network.project_id)
        quotas.take(tx, network.project_id, {"networks": 1}, limits)
        if network.is_default:
            db.unset_default(tx)
        now = runtime.time()
        rows.append({**vars(network), "id": runtime.uuid(), "type": TYPE, "created_at": now, "updated_at": now})
    db.add_many(tx, rows)
    return [Network(db.get(tx, row["id"]), []) for row in rows]


def page(clients: Any, ctx: RequestContext, asked: listing.Asked) -> listing.Page:
    """Return one page of the visible networks."""
    with clients.db.read(ctx) as tx:
        found = listing.page(tx, db.page, networks, asked)
        return listing.Page(_with_subnets(tx, found.rows), found.more)


def show(clients: Any, ctx: RequestContext, network_id: str) -> Network:
    """Return one visible network.

    :raises NetworkNotFound: there is none.
    """
    with clients.db.read(ctx) as tx:
        return _with_subnets(tx, [db.get(tx, network_id)])[0]


def _with_subnets(tx: Tx, rows: Sequence[Any]) -> list[Network]:
    ids: dict[str, list[str]] = defaultdict(list)
    for row in subnets.of_networks(tx, [row.id for row in rows]) if rows else ():
        ids[row.network_id].append(row.id)
    return [Network(row, ids[row.id]) for row in rows]


def update(clients: Any, ctx: RequestContext, network_id: str, changes: Mapping[str, Any]) -> Network:
    """Change a network of the project's own.

    :raises NetworkNotFound: there is none that may be changed.
    :raises SharedInUse: other projects have ports on a network that would be hidden from them.
    """

    def write(tx: Tx) -> Network:
        row = db.get(tx, network_id)
        if changes.get("is_default") and not row.is_default:
            db.unset_default(tx)
        if not db.update(tx, network_id, updated_at=runtime.time(), **changes):
            raise db.NetworkNotFound(id=network_id)
        hides = (row.shared or row.external) and not (
            changes.get("shared", row.shared) or changes.get("external", row.external)
        )
        if hides and db.has_foreign_ports(tx, network_id, row.project_id):
            raise SharedInUse(id=network_id)
        if changes.keys() & {"admin_state_up", "mtu"}:
            hosts = db.hosts_of(tx, network_id)
            tx.on_commit(lambda: rpcapi.changed(clients.rpc, hosts))
        return _with_subnets(tx, [db.get(tx, network_id)])[0]

    return clients.db.write(ctx, write)


def delete(clients: Any, ctx: RequestContext, network_id: str) -> None:
    """Delete a network of the project's own, with its subnets.

    :raises NetworkNotFound: there is none that may be deleted.
    :raises NetworkInUse: it has ports.
    """

    def write(tx: Tx) -> None:
        row = db.get(tx, network_id)
        if not db.update(tx, network_id):  # holds the row, and says whether it is ours
            raise db.NetworkNotFound(id=network_id)
        if db.has_ports(tx, network_id):
            raise db.NetworkInUse(id=network_id)
        for subnet in subnets.of_networks(tx, [network_id]):
            if subnets.remove(tx, subnet.id):
                quotas.give_back(tx, subnet.project_id, {"subnets": 1})
        if not db.remove(tx, network_id):
            raise db.NetworkInUse(id=network_id)
        quotas.give_back(tx, row.project_id, {"networks": 1})

    clients.db.write(ctx, write)
