"""The page a list request asks for."""

from __future__ import annotations

from collections.abc import Mapping

from iaas.common import errors
from iaas.common.rest import wire
from iaas.common.rest.operations import Call


def limit(call: Call) -> int:
    """Return how many rows to answer: what was asked, at most the configured page."""
    longest: int = call.clients.settings.api.max_page
    asked = call.param("limit")
    return longest if asked is None else min(int(asked), longest)


def sort(call: Call, columns: Mapping[str, str], default: tuple[str, str]) -> list[tuple[str, str]]:
    """Return (column, direction) pairs from ``sort_key`` and ``sort_dir``, which pair up by position.

    :param columns: the API's key → the table's column
    :raises Invalid: a key that does not sort, or more directions than keys.
    """
    keys = call.query.get("sort_key") or []
    directions = call.query.get("sort_dir") or []
    if not keys and not directions:
        return [default]
    names = keys or [next((key for key, column in columns.items() if column == default[0]), default[0])]
    if len(directions) > len(names):
        raise errors.Invalid(reason="There are more sort directions than sort keys.")
    pairs: dict[str, str] = {}
    for at, name in enumerate(names):
        if name not in columns:
            raise errors.Invalid(reason=f"The list cannot be sorted by {name[:64]!r}.")
        direction = directions[at] if at < len(directions) else (directions[0] if directions else default[1])
        if direction not in ("asc", "desc"):
            raise errors.Invalid(reason=f"A sort direction is asc or desc, not {direction[:64]!r}.")
        pairs.setdefault(columns[name], direction)
    return list(pairs.items())


def next_links(call: Call, path: str, marker: str) -> list[dict[str, str]]:
    """Return the link to the page after ``marker``, with this request's other parameters."""
    return [wire.next_link(f"{call.base_url}/v2.1{path}", call.query, marker)]
