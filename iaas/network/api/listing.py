"""What a list of anything here may be asked for: equality filters, order, and one page of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from iaas.db.tx import Tx

#: (tx, filters, sort, limit, marker) → rows
Query = Callable[..., Sequence[Any]]


@dataclass(frozen=True)
class Asked:
    """One page of a list.

    :param equal: column name → the values it may have
    :param sort: (column, "asc" or "desc") pairs
    :param limit: rows of the page, at most
    :param reverse: the page *before* the marker
    """

    equal: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    sort: Sequence[tuple[str, str]] = (("created_at", "asc"),)
    limit: int = 1000
    marker: str | None = None
    reverse: bool = False


@dataclass(frozen=True)
class Page:
    """The rows of a page, and whether there are more in the direction asked for."""

    rows: list[Any]
    more: bool


def page(tx: Tx, query: Query, table: Any, asked: Asked, *filters: Any) -> Page:
    """Return one page of what the request may see.

    :raises Invalid: the marker is not among the visible rows.
    """
    where = [*filters, *(_among(table.c[name], values) for name, values in asked.equal.items())]
    sort = list(asked.sort)
    if all(name != "id" for name, _ in sort):
        sort.append(("id", "asc"))
    if asked.reverse:
        sort = [(name, "desc" if direction == "asc" else "asc") for name, direction in sort]
    rows = list(query(tx, where, sort, asked.limit + 1, asked.marker))
    more = len(rows) > asked.limit
    rows = rows[: asked.limit]
    return Page(rows[::-1] if asked.reverse else rows, more)


def _among(column: Any, values: Sequence[Any]) -> Any:
    some = column.in_([value for value in values if value is not None])
    return some | column.is_(None) if None in values else some
