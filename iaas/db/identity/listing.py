"""Lists: filters by column, name comparisons, pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

_ESCAPES = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})


@dataclass(frozen=True)
class Listing:
    """What part of a table is asked for.

    :ivar equal: column name -> value
    :ivar like: (column name, comparator, text); comparators are those of the Identity API's query strings
    """

    limit: int
    marker: str | None = None
    equal: Mapping[str, Any] = field(default_factory=dict)
    like: tuple[tuple[str, str, str], ...] = ()


def like(column: sa.ColumnElement[str], comparator: str, text: str) -> sa.ColumnElement[bool]:
    """The condition ``column <comparator> text``: contains, startswith, endswith, each also with an ``i``."""
    escaped = text.translate(_ESCAPES)
    patterns = {"contains": f"%{escaped}%", "startswith": f"{escaped}%", "endswith": f"%{escaped}", "equals": escaped}
    if comparator.startswith("i") and comparator[1:] in patterns:
        return sa.func.lower(column).like(patterns[comparator[1:]].lower(), escape="\\")
    return column.like(patterns[comparator], escape="\\")


def page(query: sa.Select[Any], table: sa.Table, listing: Listing) -> sa.Select[Any]:
    """Return ``query`` filtered, in the order of ids, one row longer than a page: to see whether there is more."""
    for name, value in listing.equal.items():
        query = query.where(table.c[name].is_(None) if value is None else table.c[name] == value)
    for name, comparator, text in listing.like:
        query = query.where(like(table.c[name], comparator, text))
    if listing.marker is not None:
        query = query.where(table.c.id > listing.marker)
    return query.order_by(table.c.id).limit(listing.limit + 1)
