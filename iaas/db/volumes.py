"""Queries on volumes and their types. Each takes the caller's transaction and never commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from iaas.common import errors, runtime
from iaas.common.context import RequestContext
from iaas.db import codec, paging
from iaas.db.models.volumes import volume_types as types
from iaas.db.models.volumes import volumes
from iaas.db.tx import Tx


class VolumeNotFound(errors.IaasError):
    kind = errors.Kind.NOT_FOUND
    template = "Volume {volume_id} could not be found."


class VolumeTypeNotFound(errors.IaasError):
    kind = errors.Kind.NOT_FOUND
    template = "Volume type {volume_type} could not be found."


class VolumeTypeExists(errors.IaasError):
    kind = errors.Kind.CONFLICT
    template = "Volume Type {name} already exists."


class VolumeTypeInUse(errors.IaasError):
    kind = errors.Kind.INVALID
    template = "Volume type {name} is the default one, or volumes of it exist; it cannot be deleted."


def visible_to(ctx: RequestContext) -> sa.ColumnElement[bool]:
    """The rows a request may see: its own project's; an admin sees all."""
    return sa.true() if ctx.is_admin else volumes.c.project_id == ctx.project_id


def get(tx: Tx, volume_id: str) -> sa.Row[Any]:
    """Return one volume the request may see.

    :raises VolumeNotFound: no such row, or it belongs to another project.
    """
    row = find(tx, volume_id)
    if row is None:
        raise VolumeNotFound(volume_id=volume_id)
    return row


def find(tx: Tx, volume_id: str) -> sa.Row[Any] | None:
    """Return one volume the request may see, or None."""
    return tx.one(sa.select(volumes).where(volumes.c.id == volume_id, visible_to(tx.ctx)))


def page(
    tx: Tx,
    filters: Sequence[sa.ColumnElement[bool]],
    sort: Sequence[tuple[str, str]],
    limit: int,
    marker: str | None,
    offset: int = 0,
) -> Sequence[sa.Row[Any]]:
    """Return one page of the visible volumes.

    :param offset: rows to skip; only without a marker
    :raises MarkerNotFound: the marker is not a visible volume.
    """
    query = sa.select(volumes).where(visible_to(tx.ctx), *filters)
    return paging.page(tx, query.offset(offset) if offset else query, volumes, sort, limit, marker)


def has_item(tx: Tx, key: str, value: str) -> sa.ColumnElement[bool]:
    """The volumes whose metadata have ``key: value``.

    The column is compact JSON of texts, and a quote within a text has a backslash before it, so that the pair
    stands there as it would alone or not at all.
    """
    pair = f"{codec.dump(key)}:{codec.dump(value)}"
    position = sa.func.strpos if tx.database.dialect == "postgresql" else sa.func.instr
    return position(volumes.c.metadata, pair) > 0


def on_host(tx: Tx, host: str) -> Sequence[sa.Row[Any]]:
    return tx.all(sa.select(volumes).where(volumes.c.host == host))


def add(tx: Tx, **values: Any) -> None:
    tx.insert(volumes, **values)


def update(tx: Tx, volume_id: str, **values: Any) -> None:
    """Change columns that are not part of the state."""
    if "status" in values:
        raise ValueError("state columns are written by iaas.db.transitions.move only")
    tx.execute(sa.update(volumes).where(volumes.c.id == volume_id).values(**values))


def replace_metadata(tx: Tx, row: Any, metadata: Mapping[str, str], now: float) -> None:
    """Write a volume's metadata if they are still those of ``row``.

    :raises StateConflict: another request changed them first.
    """
    where = (volumes.c.id == row.id, volumes.c.metadata == row.metadata)
    if tx.count(sa.update(volumes).where(*where).values(metadata=codec.dump(metadata), updated_at=now)) != 1:
        raise errors.StateConflict(machine="volume", id=row.id)


def remove(tx: Tx, volume_id: str) -> sa.Row[Any] | None:
    """Delete the row and return what its end needs."""
    row = tx.one(sa.select(volumes).where(volumes.c.id == volume_id))
    if row is not None:
        tx.execute(sa.delete(volumes).where(volumes.c.id == volume_id))
    return row


# -- types -------------------------------------------------------------------------------------------------


def types_visible_to(ctx: RequestContext) -> sa.ColumnElement[bool]:
    """The types a request may see: public ones; an admin sees all."""
    return sa.true() if ctx.is_admin else types.c.is_public


def get_type(tx: Tx, id_or_name: str) -> sa.Row[Any]:
    """Return a visible type by its id or its name; the id wins.

    :raises VolumeTypeNotFound: there is none.
    """
    match = sa.or_(types.c.id == id_or_name, types.c.name == id_or_name)
    by_id_first = sa.case((types.c.id == id_or_name, 0), else_=1)
    row = tx.one(sa.select(types).where(match, types_visible_to(tx.ctx)).order_by(by_id_first))
    if row is None:
        raise VolumeTypeNotFound(volume_type=id_or_name)
    return row


def find_default_type(tx: Tx) -> sa.Row[Any] | None:
    return tx.one(sa.select(types).where(types.c.is_default))


def default_type(tx: Tx, name: str) -> sa.Row[Any]:
    """Return the default type, made with ``name`` on first need."""
    row = find_default_type(tx)
    if row is not None:
        return row
    values = {
        "id": runtime.uuid(),
        "name": name,
        "description": "Default Volume Type",
        "is_public": True,
        "is_default": True,
        "extra_specs": "{}",
        "created_at": runtime.time(),
    }
    if not tx.insert_new(types, **values):
        tx.execute(sa.update(types).where(types.c.name == name).values(is_default=True))
    return tx.execute(sa.select(types).where(types.c.name == name)).one()


def page_types(
    tx: Tx, filters: Sequence[sa.ColumnElement[bool]], sort: Sequence[tuple[str, str]], limit: int, marker: str | None
) -> Sequence[sa.Row[Any]]:
    """Return one page of the visible types.

    :raises MarkerNotFound: the marker is not a visible type.
    """
    query = sa.select(types).where(types_visible_to(tx.ctx), *filters)
    return paging.page(tx, query, types, sort, limit, marker)


def add_type(tx: Tx, **values: Any) -> None:
    """Insert a type.

    :raises VolumeTypeExists: one of that name exists.
    """
    if not tx.insert_new(types, **values):
        raise VolumeTypeExists(name=values["name"])


def remove_type(tx: Tx, row: Any) -> None:
    """Delete a type no volume has.

    :raises VolumeTypeInUse: a volume has it, or it is the default one.
    """
    used = sa.exists().where(volumes.c.type_id == row.id)
    statement = sa.delete(types).where(types.c.id == row.id, sa.not_(types.c.is_default), sa.not_(used))
    if tx.count(statement) != 1:
        raise VolumeTypeInUse(name=row.name)


def replace_extra_specs(tx: Tx, row: Any, specs: Mapping[str, str]) -> None:
    """Write a type's extra specs if they are still those of ``row``.

    :raises StateConflict: another request changed them first.
    """
    where = (types.c.id == row.id, types.c.extra_specs == row.extra_specs)
    if tx.count(sa.update(types).where(*where).values(extra_specs=codec.dump(specs))) != 1:
        raise errors.StateConflict(machine="volume type", id=row.id)
