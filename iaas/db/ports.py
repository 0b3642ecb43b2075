"""Queries on ports and their addresses that jobs and core verbs share.

A port belongs to a server if its ``device_id`` is the server's id *and* its owner is ``compute:…``: the first may be
set by users to any text, the second by the cloud only (OSSA-2014-008, 2015-018).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from iaas.common import errors, runtime
from iaas.common.context import RequestContext
from iaas.db import codec, engines, paging, quotas
from iaas.db.models.instances import instances
from iaas.db.models.networks import fixed_ips, networks, port_groups, ports, subnets
from iaas.db.tx import Tx

COMPUTE_OWNER = "compute:"
ACTIVE, DOWN = "ACTIVE", "DOWN"
MAX_TRIES = 8


class PortNotFound(errors.IaasError):
    kind = errors.Kind.NOT_FOUND
    template = "Port {id} could not be found."


def visible_to(ctx: RequestContext) -> sa.ColumnElement[bool]:
    """The ports a request may see: its own project's and those on its networks; an admin sees all."""
    if ctx.is_admin:
        return sa.true()
    own = sa.select(networks.c.id).where(networks.c.project_id == ctx.project_id)
    return sa.or_(ports.c.project_id == ctx.project_id, ports.c.network_id.in_(own))


# Statements that every server meets are made once: to build one costs more than to run it
_OF_INSTANCE = sa.and_(ports.c.device_id == sa.bindparam("instance"), ports.c.device_owner.like(f"{COMPUTE_OWNER}%"))
_HERE = ports.c.host == sa.bindparam("here")
_IDS = sa.bindparam("ids", expanding=True)
_CHANGE = sa.update(ports).values(revision=ports.c.revision + 1)
_UNWIRED = {"status": DOWN, "error": None}


# -- ports ---------------------------------------------------------------------------------------------------


def get(tx: Tx, port_id: str) -> sa.Row[Any]:
    """Return one port the request may see.

    :raises PortNotFound: no such row, or it is hidden from this project.
    """
    row = tx.one(sa.select(ports).where(ports.c.id == port_id, visible_to(tx.ctx)))
    if row is None:
        raise PortNotFound(id=port_id)
    return row


def page(
    tx: Tx, filters: Sequence[Any], sort: Sequence[tuple[str, str]], limit: int, marker: str | None
) -> Sequence[sa.Row[Any]]:
    """Return one page of the visible ports.

    :raises Invalid: the marker is not a visible port.
    """
    query = sa.select(ports).where(visible_to(tx.ctx), *filters)
    return paging.page(tx, query, ports, sort, limit, marker)


def with_address(equal: Mapping[str, Sequence[str]]) -> sa.ColumnElement[bool]:
    """A filter: the port has an address whose ``address`` or ``subnet_id`` is among these."""
    where = [fixed_ips.c[name].in_(list(values)) for name, values in equal.items()]
    return ports.c.id.in_(sa.select(fixed_ips.c.port_id).where(*where))


def in_group(group_ids: Sequence[str]) -> sa.ColumnElement[bool]:
    """A filter: the port is in one of these security groups."""
    return ports.c.id.in_(sa.select(port_groups.c.port_id).where(port_groups.c.group_id.in_(list(group_ids))))


def by_ids(tx: Tx, port_ids: Sequence[str]) -> dict[str, sa.Row[Any]]:
    """Return those of these ports that are the request's own project's, by id."""
    where: list[sa.ColumnElement[bool]] = [ports.c.id.in_(list(port_ids))]
    if not tx.ctx.is_admin:
        where.append(ports.c.project_id == tx.ctx.project_id)
    return {row.id: row for row in tx.all(sa.select(ports).where(*where))}


_ALL_OF_INSTANCE = (
    sa.select(ports, networks.c.mtu.label("mtu"), networks.c.name.label("network_name"))
    .join(networks, networks.c.id == ports.c.network_id)
    .where(_OF_INSTANCE)
    .order_by(ports.c.device_index, ports.c.created_at)
)
_ON_HOST = sa.select(ports).where(_HERE).order_by(ports.c.id)


def of_instance(tx: Tx, instance_id: str) -> Sequence[sa.Row[Any]]:
    """Return the ports of an instance with their network's MTU and name, in the order of its interfaces."""
    return tx.execute(_ALL_OF_INSTANCE, {"instance": instance_id}).all()


def on_host(tx: Tx, host: str) -> Sequence[sa.Row[Any]]:
    """Return the ports bound to a host."""
    return tx.execute(_ON_HOST, {"here": host}).all()


def add_many(tx: Tx, rows: Sequence[dict[str, Any]], new_mac: Callable[[], str] | None) -> bool:
    """Insert ports in one statement.

    :param new_mac: makes another MAC for a row whose own is taken on its network; None keeps the MACs as they are
    :return: False if a MAC is taken and may not be changed.
    :raises Conflict: a network was deleted at the same time.
    """
    left = list(rows)
    for _ in range(MAX_TRIES):
        statement = engines.insert_ignoring(tx.connection.dialect.name, ports).values(left)
        try:
            if tx.count(statement) == len(left):
                return True
        except exc.IntegrityError as error:
            raise errors.Conflict(reason="The network was deleted while a port was made on it.") from error
        there = {row.id for row in tx.all(sa.select(ports.c.id).where(ports.c.id.in_([r["id"] for r in left])))}
        left = [row for row in left if row["id"] not in there]
        if new_mac is None:
            return False
        for row in left:
            row["mac"] = new_mac()
    raise errors.Conflict(reason="The network was deleted, or has no MAC address left.")


def update(tx: Tx, port_id: str, **values: Any) -> bool:
    """Change a port; False if it is gone.

    :raises DuplicateKey: its network has a port with the new MAC.
    """
    statement = sa.update(ports).where(ports.c.id == port_id)
    return tx.count(statement.values(revision=ports.c.revision + 1, **values)) == 1


def take(tx: Tx, port_id: str, **values: Any) -> bool:
    """Give a free port to a device; False if another has it."""
    statement = sa.update(ports).where(ports.c.id == port_id, ports.c.device_id == "")
    return tx.count(statement.values(revision=ports.c.revision + 1, **values)) == 1


def remove(tx: Tx, port_id: str) -> bool:
    """Delete a port that no server uses, with its addresses; False if there is none such."""
    tx.execute(sa.delete(fixed_ips).where(fixed_ips.c.port_id == port_id))
    tx.execute(sa.delete(port_groups).where(port_groups.c.port_id == port_id))
    used = ports.c.device_owner.like(f"{COMPUTE_OWNER}%") & (ports.c.device_id != "")
    return tx.count(sa.delete(ports).where(ports.c.id == port_id, ~used)) == 1


# -- a server's ports ----------------------------------------------------------------------------------------


_BIND = _CHANGE.where(_OF_INSTANCE).values(_UNWIRED)
_UNBIND = _BIND.where(_HERE).values(host=None)
_MADE = sa.select(ports.c.id, ports.c.project_id).where(_OF_INSTANCE, ports.c.made_for_instance.is_(True))
_DROP_ADDRESSES = sa.delete(fixed_ips).where(fixed_ips.c.port_id.in_(_IDS))
_LEAVE_GROUPS = sa.delete(port_groups).where(port_groups.c.port_id.in_(_IDS))
_REMOVE = sa.delete(ports).where(ports.c.id.in_(_IDS))
_SET_FREE = _BIND.values(device_id="", device_owner="", host=None, dns_name="")
_WIRED = _CHANGE.where(_HERE, ports.c.id.in_(_IDS), sa.or_(ports.c.status != ACTIVE, ports.c.error.isnot(None))).values(
    status=ACTIVE, error=None
)


def bind(tx: Tx, instance_id: str, host: str | None) -> int:
    """Bind an instance's ports to a host (None unbinds); return how many there are."""
    return tx.count(_BIND, {"instance": instance_id, "host": host})


def unbind(tx: Tx, instance_id: str, host: str) -> int:
    """Unbind those of an instance's ports that are bound to ``host``; return how many there were."""
    return tx.count(_UNBIND, {"instance": instance_id, "here": host})


def release(tx: Tx, instance_id: str) -> None:
    """Let go of an instance's ports, and give back the quota of those that are gone."""
    for project_id, gone in let_go(tx, instance_id).items():
        quotas.give_back(tx, project_id, {"ports": gone})


def let_go(tx: Tx, instance_id: str) -> dict[str, int]:
    """Let go of an instance's ports: those made for it go, with their addresses; the others are free.

    :returns: how many of each project are gone; their quota is still to be given back
    """
    by_project: dict[str, list[str]] = {}
    counts: dict[str, int] = {}
    for row in tx.execute(_MADE, {"instance": instance_id}):
        by_project.setdefault(row.project_id, []).append(row.id)
    for project_id, doomed in by_project.items():
        tx.execute(_DROP_ADDRESSES, {"ids": doomed})
        tx.execute(_LEAVE_GROUPS, {"ids": doomed})
        counts[project_id] = tx.count(_REMOVE, {"ids": doomed})
    tx.execute(_SET_FREE, {"instance": instance_id})
    return {project_id: count for project_id, count in counts.items() if count}


def wired(tx: Tx, host: str, port_ids: Sequence[str]) -> int:
    """Record that these ports, if they are still bound to ``host``, carry frames; return how many were not so."""
    return tx.count(_WIRED, {"here": host, "ids": list(port_ids)})


def closed(tx: Tx, host: str, port_id: str, reason: str | None) -> int:
    """Record that a port bound to ``host`` carries nothing; ``reason`` says what is wrong, if anything is."""
    where = (ports.c.host == host, ports.c.id == port_id)
    values = {"status": DOWN, "error": reason[:255] if reason else None, "revision": ports.c.revision + 1}
    return tx.count(sa.update(ports).where(*where).values(**values))


def network_info(tx: Tx, instance_id: str) -> list[dict[str, Any]]:
    """Return what an instance's row keeps about its interfaces, from the rows of its ports."""
    rows = of_instance(tx, instance_id)
    found: dict[str, list[dict[str, Any]]] = {row.id: [] for row in rows}
    for item in addresses(tx, list(found)):
        words = {"address": item.address, "version": item.ip_version, "subnet_id": item.subnet_id}
        found[item.port_id].append(words)
    return [
        {
            "port_id": row.id,
            "network_id": row.network_id,
            "network_name": row.network_name,
            "mac": row.mac,
            "mtu": row.mtu,
            "addresses": found[row.id],
        }
        for row in rows
    ]


def refresh_instance(tx: Tx, instance_id: str) -> None:
    """Rewrite an instance's copy of its addresses after a port of it changed."""
    before = codec.load(tx.scalar(sa.select(instances.c.network_info).where(instances.c.id == instance_id)), [])
    tags = {nic["port_id"]: nic["tag"] for nic in before if "tag" in nic}
    info = [
        {**nic, "tag": tags[nic["port_id"]]} if nic["port_id"] in tags else nic for nic in network_info(tx, instance_id)
    ]
    values = {"network_info": codec.dump(info), "updated_at": runtime.time()}
    tx.execute(sa.update(instances).where(instances.c.id == instance_id).values(**values))


# -- addresses -----------------------------------------------------------------------------------------------


def addresses(tx: Tx, port_ids: Sequence[str]) -> Sequence[sa.Row[Any]]:
    """Return (port_id, subnet_id, address, ip_version) of these ports."""
    query = (
        sa.select(fixed_ips.c.port_id, fixed_ips.c.subnet_id, fixed_ips.c.address, subnets.c.ip_version)
        .join(subnets, subnets.c.id == fixed_ips.c.subnet_id)
        .where(fixed_ips.c.port_id.in_(list(port_ids)))
        .order_by(subnets.c.ip_version, fixed_ips.c.address)
    )
    return tx.all(query)


_ADDRESSES_ON_HOST = (
    sa.select(fixed_ips).join(ports, ports.c.id == fixed_ips.c.port_id).where(_HERE).order_by(fixed_ips.c.address)
)
_GROUPS_ON_HOST = (
    sa.select(port_groups)
    .join(ports, ports.c.id == port_groups.c.port_id)
    .where(_HERE)
    .order_by(port_groups.c.group_id)
)


def addresses_on_host(tx: Tx, host: str) -> Sequence[sa.Row[Any]]:
    """Return (port_id, subnet_id, address) of the ports bound to a host."""
    return tx.execute(_ADDRESSES_ON_HOST, {"here": host}).all()


def groups_on_host(tx: Tx, host: str) -> Sequence[sa.Row[Any]]:
    """Return (port_id, group_id) of the ports bound to a host."""
    return tx.execute(_GROUPS_ON_HOST, {"here": host}).all()


def take_addresses(tx: Tx, rows: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """Insert rows of subnet_id, address and port_id; return those whose address another port has."""
    if not rows:
        return []
    statement = engines.insert_ignoring(tx.connection.dialect.name, fixed_ips).values([dict(row) for row in rows])
    if tx.count(statement) == len(rows):
        return []
    where = fixed_ips.c.port_id.in_([row["port_id"] for row in rows])
    there = {(row.subnet_id, row.address, row.port_id) for row in tx.all(sa.select(fixed_ips).where(where))}
    return [row for row in rows if (row["subnet_id"], row["address"], row["port_id"]) not in there]


def drop_addresses(tx: Tx, port_id: str, addresses_: Sequence[str] | None = None) -> None:
    """Give back addresses of a port: all, or these."""
    where = [fixed_ips.c.port_id == port_id]
    if addresses_ is not None:
        where.append(fixed_ips.c.address.in_(list(addresses_)))
    tx.execute(sa.delete(fixed_ips).where(*where))
