"""Queries on flavors and on who may use the private ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from iaas.common import errors
from iaas.common.context import RequestContext
from iaas.db import paging
from iaas.db.models.instances import flavor_access, flavors
from iaas.db.tx import DuplicateKey, Tx


class FlavorNotFound(errors.IaasError):
    kind = errors.Kind.NOT_FOUND
    template = "Flavor {flavor_id} could not be found."


class FlavorExists(errors.IaasError):
    kind = errors.Kind.CONFLICT
    template = "A flavor with the id {flavor_id} or the name {name} exists already."


def _granted(project_id: Any) -> sa.ColumnElement[bool]:
    return sa.exists().where(flavor_access.c.flavor_id == flavors.c.id, flavor_access.c.project_id == project_id)


def visible_to(ctx: RequestContext) -> sa.ColumnElement[bool]:
    """The flavors a request may see: public ones and those its project was given; an admin sees all."""
    return sa.true() if ctx.is_admin else sa.or_(flavors.c.is_public, _granted(ctx.project_id))


def offered_to(ctx: RequestContext, public: bool | None) -> list[sa.ColumnElement[bool]]:
    """Conditions of a list: an admin's ``public`` chooses public (and the own project's), private, or all (None)."""
    if not ctx.is_admin:
        return [visible_to(ctx), sa.not_(flavors.c.disabled)]
    if public is None:
        return []
    return [sa.or_(flavors.c.is_public, _granted(ctx.project_id)) if public else sa.not_(flavors.c.is_public)]


# As `visible_to` says, but made once: every boot asks for one
_BY_ID = sa.select(flavors).where(flavors.c.id == sa.bindparam("id"))
_VISIBLE_BY_ID = _BY_ID.where(sa.or_(flavors.c.is_public, _granted(sa.bindparam("project_id"))))


def get(tx: Tx, flavor_id: str, *, to_change: bool = False) -> sa.Row[Any]:
    """Return one flavor the request may see.

    :param to_change: nobody else changes it before this transaction ends
    :raises FlavorNotFound: no such row, or it is private and the project has no access.
    """
    query = _BY_ID if tx.ctx.is_admin else _VISIBLE_BY_ID
    values = {"id": flavor_id, "project_id": tx.ctx.project_id}
    row = tx.execute(query.with_for_update() if to_change else query, values).first()
    if row is None:
        raise FlavorNotFound(flavor_id=flavor_id)
    return row


def by_names(tx: Tx, names: Sequence[str]) -> Sequence[sa.Row[Any]]:
    """Return the flavors of these names (EC2's instance types) that the request may see."""
    return tx.all(sa.select(flavors).where(flavors.c.name.in_(names), visible_to(tx.ctx)))


def page(
    tx: Tx,
    *,
    public: bool | None = True,
    min_disk_gb: int = 0,
    min_memory_mb: int = 0,
    sort: Sequence[tuple[str, str]] = (("id", "asc"),),
    limit: int = 1000,
    marker: str | None = None,
) -> Sequence[sa.Row[Any]]:
    """Return one page of the flavors offered to the request.

    :raises Invalid: the marker is not one of them.
    """
    query = sa.select(flavors).where(
        *offered_to(tx.ctx, public), flavors.c.disk_gb >= min_disk_gb, flavors.c.memory_mb >= min_memory_mb
    )
    return paging.page(tx, query, flavors, sort, limit, marker)


def add(tx: Tx, **values: Any) -> None:
    """Insert a flavor.

    :raises FlavorExists: the id or the name is taken.
    """
    try:
        tx.insert(flavors, **values)
    except DuplicateKey:
        raise FlavorExists(flavor_id=values["id"], name=values["name"]) from None


def update(tx: Tx, flavor_id: str, **values: Any) -> None:
    tx.execute(sa.update(flavors).where(flavors.c.id == flavor_id).values(**values))


def remove(tx: Tx, flavor_id: str) -> None:
    """Delete a flavor and the access to it; instances keep their copy.

    :raises FlavorNotFound: no such row.
    """
    tx.execute(sa.delete(flavor_access).where(flavor_access.c.flavor_id == flavor_id))
    if tx.count(sa.delete(flavors).where(flavors.c.id == flavor_id)) != 1:
        raise FlavorNotFound(flavor_id=flavor_id)


# -- access to private flavors -------------------------------------------------------------------------------


def projects_of(tx: Tx, flavor_id: str) -> list[str]:
    """Return the projects that were given a flavor."""
    query = sa.select(flavor_access.c.project_id).where(flavor_access.c.flavor_id == flavor_id)
    return [row.project_id for row in tx.all(query.order_by(flavor_access.c.project_id))]


def grant(tx: Tx, flavor_id: str, project_id: str) -> bool:
    """Let a project use a flavor; False if it may already."""
    return tx.insert_new(flavor_access, flavor_id=flavor_id, project_id=project_id)


def revoke(tx: Tx, flavor_id: str, project_id: str) -> bool:
    """Take a project's access away; False if it had none."""
    where = (flavor_access.c.flavor_id == flavor_id, flavor_access.c.project_id == project_id)
    return tx.count(sa.delete(flavor_access).where(*where)) == 1
