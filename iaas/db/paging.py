"""Pages of lists: sorted by any allowed columns, cut by a marker in one comparison, never in Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from iaas.common import errors
from iaas.db.tx import Tx


class MarkerNotFound(errors.IaasError):
    kind = errors.Kind.INVALID
    template = "marker [{marker}] not found"


def page(
    tx: Tx,
    query: sa.Select[Any],
    table: sa.Table,
    sort: Sequence[tuple[str, str]],
    limit: int,
    marker: str | None,
    *,
    among: sa.Select[Any] | None = None,
) -> Sequence[sa.Row[Any]]:
    """Return at most ``limit`` rows of ``query`` after the row ``marker``.

    :param sort: (column, "asc" or "desc") pairs; the id is added, so that the order is total
    :param among: where the marker may be, if not only in ``query``: it may have left a filtered list since
    :raises MarkerNotFound: the marker is not among these rows.
    """
    keys = [(table.c[name], direction) for name, direction in sort]
    if all(column is not table.c.id for column, _ in keys):
        keys.append((table.c.id, keys[-1][1] if keys else "asc"))
    if marker is not None:
        at = tx.one((query if among is None else among).where(table.c.id == marker))
        if at is None:
            raise MarkerNotFound(marker=marker[:64])
        query = query.where(_after(keys, at))
    order = [_nulls_ordered(column, direction) for column, direction in keys]
    return tx.all(query.order_by(*[part for parts in order for part in parts]).limit(limit))


def _nulls_ordered(column: Any, direction: str) -> list[Any]:
    """NULLs come first going up, last going down, on every database alike."""
    ordered = column.asc() if direction == "asc" else column.desc()
    if not column.nullable:
        return [ordered]
    presence = sa.case((column.is_(None), 0), else_=1)
    return [presence.asc() if direction == "asc" else presence.desc(), ordered]


def _after(keys: Sequence[tuple[Any, str]], at: Any) -> sa.ColumnElement[bool]:
    """(a, b) > (x, y), spelled out so that each key has its own direction and NULLs have a place."""
    alternatives = []
    for index, (column, direction) in enumerate(keys):
        equal = [_equal(earlier, getattr(at, earlier.name)) for earlier, _ in keys[:index]]
        alternatives.append(sa.and_(*equal, _beyond(column, direction, getattr(at, column.name))))
    return sa.or_(*alternatives)


def _equal(column: Any, value: Any) -> sa.ColumnElement[bool]:
    return column.is_(None) if value is None else column == value


def _beyond(column: Any, direction: str, value: Any) -> sa.ColumnElement[bool]:
    if value is None:
        return column.isnot(None) if direction == "asc" else sa.false()
    at = sa.literal(value, column.type)  # True and False compare as values only when bound
    if direction == "asc":
        return column > at
    return sa.or_(column < at, column.is_(None)) if column.nullable else column < at
