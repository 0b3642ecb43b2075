"""Queries on networks. Each takes the caller's transaction and never commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from iaas.common import errors
from iaas.common.context import RequestContext
from iaas.db import paging
from iaas.db.models.networks import networks, ports, subnets
from iaas.db.tx import Tx


class NetworkNotFound(errors.IaasError):
    kind = errors.Kind.NOT_FOUND
    template = "Network {id} could not be found."


class NetworkInUse(errors.IaasError):
    kind = errors.Kind.CONFLICT
    template = "Unable to complete operation on network {id}. There are one or more ports still in use on the network."


def mine(ctx: RequestContext) -> sa.ColumnElement[bool]:
    """The networks a request may change: its own project's; an admin changes all."""
    return sa.true() if ctx.is_admin else networks.c.project_id == ctx.project_id


def visible_to(ctx: RequestContext) -> sa.ColumnElement[bool]:
    """The networks a request may see: its own project's, shared and external ones; an admin sees all."""
    if ctx.is_admin:
        return sa.true()
    return sa.or_(networks.c.project_id == ctx.project_id, networks.c.shared.is_(True), networks.c.external.is_(True))


def get(tx: Tx, network_id: str) -> sa.Row[Any]:
    """Return one network the request may see.

    :raises NetworkNotFound: no such row, or it is hidden from this project.
    """
    row = tx.one(sa.select(networks).where(networks.c.id == network_id, visible_to(tx.ctx)))
    if row is None:
        raise NetworkNotFound(id=network_id)
    return row


def by_ids(tx: Tx, network_ids: Sequence[str]) -> dict[str, sa.Row[Any]]:
    """Return those of these networks that the request may see, by id."""
    query = sa.select(networks).where(networks.c.id.in_(list(network_ids)), visible_to(tx.ctx))
    return {row.id: row for row in tx.all(query)}


def page(
    tx: Tx, filters: Sequence[Any], sort: Sequence[tuple[str, str]], limit: int, marker: str | None
) -> Sequence[sa.Row[Any]]:
    """Return one page of the visible networks.

    :raises Invalid: the marker is not a visible network.
    """
    query = sa.select(networks).where(visible_to(tx.ctx), *filters)
    return paging.page(tx, query, networks, sort, limit, marker)


def add_many(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    tx.execute(sa.insert(networks), list(rows))


def update(tx: Tx, network_id: str, **values: Any) -> bool:
    """Change a network of the request's own; False if there is none."""
    statement = sa.update(networks).where(networks.c.id == network_id, mine(tx.ctx))
    return tx.count(statement.values(revision=networks.c.revision + 1, **values)) == 1


def unset_default(tx: Tx) -> None:
    """Let no network be the one servers get unasked."""
    tx.execute(sa.update(networks).where(networks.c.is_default.is_(True)).values(is_default=False))


def remove(tx: Tx, network_id: str) -> bool:
    """Delete a network of the request's own without subnets; False if there is none.

    :raises NetworkInUse: it has ports.
    """
    used = sa.exists().where(ports.c.network_id == network_id)
    try:
        return tx.count(sa.delete(networks).where(networks.c.id == network_id, mine(tx.ctx), ~used)) == 1
    except exc.IntegrityError as error:  # a port or subnet came between
        raise NetworkInUse(id=network_id) from error


def has_ports(tx: Tx, network_id: str) -> bool:
    return tx.one(sa.select(ports.c.id).where(ports.c.network_id == network_id).limit(1)) is not None


def has_foreign_ports(tx: Tx, network_id: str, project_id: str) -> bool:
    """Whether another project has a port on the network."""
    where = (ports.c.network_id == network_id, ports.c.project_id != project_id)
    return tx.one(sa.select(ports.c.id).where(*where).limit(1)) is not None


def hosts_of(tx: Tx, network_id: str) -> list[str]:
    """Return the hosts with a port of the network."""
    where = (ports.c.network_id == network_id, ports.c.host.isnot(None))
    return [row.host for row in tx.all(sa.select(ports.c.host).where(*where).distinct())]


def for_servers(tx: Tx, network_ids: Sequence[str] | None) -> dict[str, tuple[Any, list[Any]]]:
    """Return networks with their subnets, by id, in one statement.

    :param network_ids: None means the candidates for a server that names none: the project's own, and the default
    """
    if network_ids is None:
        own = sa.and_(networks.c.project_id == tx.ctx.project_id, networks.c.external.is_(False))
        default = sa.and_(networks.c.is_default.is_(True), networks.c.shared.is_(True))
        where: Any = sa.or_(own, default)
    else:
        where = sa.and_(networks.c.id.in_(list(network_ids)), visible_to(tx.ctx))
    of_subnet = [subnets.c[name].label(f"subnet_{name}") for name in subnets.c.keys()]  # noqa: SIM118  a collection
    query = sa.select(networks, *of_subnet).join(subnets, subnets.c.network_id == networks.c.id, isouter=True)
    found: dict[str, tuple[Any, list[Any]]] = {}
    for row in tx.all(query.where(where).order_by(networks.c.created_at, subnets.c.created_at, subnets.c.id)):
        _, of_network = found.setdefault(row.id, (row, []))
        if row.subnet_id is not None:
            of_network.append(row)
    return found
