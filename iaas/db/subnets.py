"""Queries on subnets. Each takes the caller's transaction and never commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from iaas.common import errors
from iaas.common.context import RequestContext
from iaas.db import paging
from iaas.db.models.networks import fixed_ips, networks, subnets
from iaas.db.networks import visible_to as network_visible_to
from iaas.db.tx import Tx


class SubnetNotFound(errors.IaasError):
    kind = errors.Kind.NOT_FOUND
    template = "Subnet {id} could not be found."


class SubnetInUse(errors.IaasError):
    kind = errors.Kind.CONFLICT
    template = "Unable to complete operation on subnet {id}: One or more ports have an IP allocation from this subnet."


def mine(ctx: RequestContext) -> sa.ColumnElement[bool]:
    """The subnets a request may change."""
    return sa.true() if ctx.is_admin else subnets.c.project_id == ctx.project_id


def visible_to(ctx: RequestContext) -> sa.ColumnElement[bool]:
    """A subnet is seen by who sees its network; an admin sees all."""
    if ctx.is_admin:
        return sa.true()
    seen = sa.select(networks.c.id).where(network_visible_to(ctx))
    return sa.or_(subnets.c.project_id == ctx.project_id, subnets.c.network_id.in_(seen))


def get(tx: Tx, subnet_id: str) -> sa.Row[Any]:
    """Return one subnet the request may see.

    :raises SubnetNotFound: no such row, or its network is hidden from this project.
    """
    row = tx.one(sa.select(subnets).where(subnets.c.id == subnet_id, visible_to(tx.ctx)))
    if row is None:
        raise SubnetNotFound(id=subnet_id)
    return row


def page(
    tx: Tx, filters: Sequence[Any], sort: Sequence[tuple[str, str]], limit: int, marker: str | None
) -> Sequence[sa.Row[Any]]:
    """Return one page of the visible subnets.

    :raises Invalid: the marker is not a visible subnet.
    """
    query = sa.select(subnets).where(visible_to(tx.ctx), *filters)
    return paging.page(tx, query, subnets, sort, limit, marker)


def of_networks(tx: Tx, network_ids: Sequence[str]) -> Sequence[sa.Row[Any]]:
    """Return the subnets of these networks, oldest first."""
    where = subnets.c.network_id.in_(list(network_ids))
    return tx.all(sa.select(subnets).where(where).order_by(subnets.c.created_at, subnets.c.id))


def add(tx: Tx, row: Mapping[str, Any]) -> None:
    tx.insert(subnets, **row)


def update(tx: Tx, subnet_id: str, **values: Any) -> bool:
    """Change a subnet of the request's own; False if there is none."""
    statement = sa.update(subnets).where(subnets.c.id == subnet_id, mine(tx.ctx))
    return tx.count(statement.values(revision=subnets.c.revision + 1, **values)) == 1


def remove(tx: Tx, subnet_id: str) -> bool:
    """Delete a subnet of the request's own; False if there is none.

    :raises SubnetInUse: a port has an address of it.
    """
    used = sa.exists().where(fixed_ips.c.subnet_id == subnet_id)
    try:
        if tx.count(sa.delete(subnets).where(subnets.c.id == subnet_id, mine(tx.ctx), ~used)) == 1:
            return True
    except exc.IntegrityError as error:  # an address was taken between
        raise SubnetInUse(id=subnet_id) from error
    if tx.one(sa.select(fixed_ips.c.address).where(fixed_ips.c.subnet_id == subnet_id).limit(1)) is not None:
        raise SubnetInUse(id=subnet_id)
    return False


def addresses(tx: Tx, subnet_id: str) -> set[str]:
    """Return every address of a subnet that a port has."""
    return {row.address for row in tx.all(sa.select(fixed_ips.c.address).where(fixed_ips.c.subnet_id == subnet_id))}
