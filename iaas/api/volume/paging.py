"""Lists: the page a query string asks for, and the link to the next one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from iaas.common import errors
from iaas.common.rest.operations import Call

DIRECTIONS = ("asc", "desc")


def limit(call: Call) -> int:
    """Return how many rows a page has at most."""
    most = call.clients.settings.api.max_page
    asked = call.param("limit")
    return most if asked is None else min(int(asked), most)


def sort(call: Call, columns: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the asked order, newest first if none is asked.

    ``sort=key:direction,key`` or the older ``sort_key`` and ``sort_dir``.

    :param columns: the keys of the API and their columns
    :raises Invalid: both forms, or a key or direction that is not one.
    """
    given, old_keys, old_directions = call.param("sort"), call.query.get("sort_key"), call.query.get("sort_dir")
    if given is not None and (old_keys or old_directions):
        raise errors.Invalid(reason="The 'sort_key' and 'sort_dir' parameters cannot be used with 'sort'.")
    if given is not None:
        pairs = [_pair(part) for part in given.split(",")]
    else:
        pairs = [((old_keys or ["created_at"])[-1], (old_directions or ["desc"])[-1])]
    for key, direction in pairs:
        if key not in columns:
            raise errors.Invalid(reason=f"{key[:64]!r} is not a key lists are sorted by: {', '.join(sorted(columns))}.")
        if direction not in DIRECTIONS:
            raise errors.Invalid(reason=f"{direction[:64]!r} is not a direction: asc, desc.")
    return [(columns[key], direction) for key, direction in pairs]


def _pair(text: str) -> tuple[str, str]:
    key, _, direction = text.strip().partition(":")
    return key, direction or "desc"


def links(call: Call, rows: Sequence[Any], size: int) -> list[dict[str, str]]:
    """Return the link to the page after these rows: a full page has one, as clients expect, even if that page is empty.

    :param size: rows of a page
    """
    if len(rows) < size or size == 0:
        return []
    query = {name: values[-1] for name, values in call.query.items() if name != "offset"}
    query.update(limit=str(size), marker=rows[size - 1].id)
    path = quote(call.environ.get("PATH_INFO", "").encode("latin-1"))
    return [{"rel": "next", "href": f"{call.base_url}{path}?{urlencode(query)}"}]
