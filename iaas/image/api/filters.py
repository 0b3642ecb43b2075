"""Query strings of ``GET /v2/images``: which images, in what order, from where on.

Source: https://docs.openstack.org/api-ref/image/v2/index.html#list-images
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping
from typing import Any

from iaas.common import errors
from iaas.common.rest import schemas
from iaas.db import images
from iaas.db.images import Listing
from iaas.image.api.schemas.images import VISIBILITIES
from iaas.image.api.schemas.members import STATUSES

DEFAULT_PAGE = 25
SORT_KEYS = frozenset({
    "id", "name", "status", "disk_format", "container_format", "size", "virtual_size", "created_at", "updated_at",
    "min_disk", "min_ram", "owner", "visibility", "protected", "checksum", "os_hidden",
})  # fmt: skip
_WORDS = ("id", "name", "status", "disk_format", "container_format")  # may be ``in:a,b`` or ``neq:a``
_TEXTS = ("owner", "checksum", "os_hash_algo", "os_hash_value")
_NUMBERS = ("min_disk", "min_ram", "size", "virtual_size")
_FLAGS = ("protected", "os_hidden")
_TIMES = ("created_at", "updated_at")
_PAGING = frozenset({"limit", "marker", "sort", "sort_key", "sort_dir", "visibility", "member_status"})
_LIST_ITEM = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^",]*))\s*(?:,|$)')
MAX_ITEMS = 200
Query = Mapping[str, list[str]]


def listing(query: Query, max_page: int) -> Listing:
    """Return what a query string asks for.

    :raises Invalid: names the parameter that cannot be understood.
    """
    visibility = schemas.one(query, "visibility")
    if visibility is not None and visibility not in (*VISIBILITIES, "all"):
        raise errors.Invalid(reason=f"Invalid visibility value: {visibility[:64]}")
    member_status = schemas.one(query, "member_status") or "accepted"
    if member_status not in (*STATUSES, "all"):
        raise errors.Invalid(reason=f"Invalid member_status value: {member_status[:64]}")
    conditions = []
    for name, values in query.items():
        if name not in _PAGING:
            conditions += _conditions(name, values)
    if "os_hidden" not in query:
        conditions.append(images.column_is("os_hidden", [False]))
    return Listing(
        limit=_limit(query, max_page),
        marker=schemas.one(query, "marker"),
        sort=_sort(query),
        visibility=visibility,
        member_status=member_status,
        conditions=conditions,
    )


def _conditions(name: str, values: list[str]) -> list[Any]:
    if name == "tag":
        return [images.has_tag(value) for value in values]
    value = values[-1]
    if name in _WORDS:
        return [_word(name, value)]
    if name in _FLAGS:
        if value.lower() not in ("true", "false", "1", "0"):
            raise errors.Invalid(reason=f"{name} must be true or false, not {value[:64]!r}.")
        return [images.column_is(name, [schemas.to_bool(value)])]
    if name == "size_min":
        return [images.column_between("size", low=_number(name, value))]
    if name == "size_max":
        return [images.column_between("size", below=_number(name, value) + 1)]
    if name in _NUMBERS:
        return [images.column_is(name, [_number(name, value)])]
    if name in _TIMES:
        return [_time(name, each) for each in values]
    if name in _TEXTS:
        return [images.column_is(name, [value])]
    return [images.has_property(name, each) for each in values]


def _word(name: str, value: str) -> Any:
    operator, colon, rest = value.partition(":")
    if colon and operator == "in":
        return images.column_is(name, _items(rest))
    if colon and operator == "neq":
        return images.negated(images.column_is(name, [rest]))
    return images.column_is(name, [rest if colon and operator == "eq" else value])


def _items(text: str) -> list[str]:
    """Return the items of ``a,"b,c",d``."""
    items, at = [], 0
    while at < len(text) and len(items) <= MAX_ITEMS:
        match = _LIST_ITEM.match(text, at)
        if match is None or match.end() == at:
            raise errors.Invalid(reason="The list after 'in:' cannot be read.")
        quoted, plain = match.groups()
        items.append(plain.strip() if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
        at = match.end()
    if not items or len(items) > MAX_ITEMS:
        raise errors.Invalid(reason=f"A list after 'in:' has 1 to {MAX_ITEMS} items.")
    return items


def _number(name: str, value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", value, re.ASCII):
        raise errors.Invalid(reason=f"{name} must be a whole number, not {value[:64]!r}.")
    return int(value)


#: a stored time has a fraction, a shown one has none: each comparison is with the whole second
_COMPARISONS: Mapping[str, Callable[[str, float], Any]] = {
    "eq": lambda name, at: images.column_between(name, low=at, below=at + 1),
    "neq": lambda name, at: images.negated(images.column_between(name, low=at, below=at + 1)),
    "gt": lambda name, at: images.column_between(name, low=at + 1),
    "gte": lambda name, at: images.column_between(name, low=at),
    "lt": lambda name, at: images.column_between(name, below=at),
    "lte": lambda name, at: images.column_between(name, below=at + 1),
}


def _time(name: str, value: str) -> Any:
    operator, colon, rest = value.partition(":")
    if not colon or operator not in _COMPARISONS:
        operator, rest = "eq", value
    try:
        moment = datetime.datetime.fromisoformat(rest.replace(" ", "+"))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.UTC)
        return _COMPARISONS[operator](name, float(int(moment.timestamp())))
    except (ValueError, OverflowError):
        raise errors.Invalid(reason=f"{name} must be an ISO 8601 time, not {rest[:64]!r}.") from None


def _limit(query: Query, max_page: int) -> int:
    text = schemas.one(query, "limit")
    if text is None:
        return min(DEFAULT_PAGE, max_page)
    if not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII):
        raise errors.Invalid(reason=f"limit must be a whole number, not {text[:64]!r}.")
    return min(int(text), max_page)


def _sort(query: Query) -> list[tuple[str, str]]:
    if "sort" in query:
        if "sort_key" in query or "sort_dir" in query:
            raise errors.Invalid(reason="Use either sort, or sort_key and sort_dir.")
        pairs = [part.partition(":")[::2] for part in ",".join(query["sort"]).split(",")]
    else:
        keys, directions = query.get("sort_key", ["created_at"]), query.get("sort_dir", [])
        if len(directions) not in (0, 1, len(keys)):
            raise errors.Invalid(reason="Give as many sort_dir as sort_key, or one, or none.")
        each = directions if len(directions) == len(keys) else (directions or ["desc"]) * len(keys)
        pairs = list(zip(keys, each, strict=True))
    found: dict[str, str] = {}
    for name, direction in pairs:
        name, direction = name.strip(), direction.strip().lower() or "desc"
        if name not in SORT_KEYS or direction not in ("asc", "desc"):
            raise errors.Invalid(reason=f"Images cannot be sorted by {name[:64]!r} {direction[:8]!r}.")
        found.setdefault(name, direction)
    if len(found) > 5:
        raise errors.Invalid(reason="Images can be sorted by at most 5 keys.")
    return list(found.items())
