"""Values as they are written on the wire: times and links."""

from __future__ import annotations

import datetime
import functools
import math
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from iaas.common import errors

_FRACTION = re.compile(r"(\.\d{1,6})\d*")


def timestamp(seconds: float | None) -> str | None:
    """Return ``2026-11-21T10:00:00Z``."""
    if seconds is None:
        return None
    return _split(seconds)[0] + "Z"


def micros(seconds: float | None) -> str | None:
    """Return ``2026-11-21T10:00:00.000000``, as several compute and volume fields are written."""
    if seconds is None:
        return None
    second, fraction = _split(seconds)
    return f"{second}.{fraction:06d}"


def _split(seconds: float) -> tuple[str, int]:
    """The second as text, and the microseconds after it."""
    fraction, second = math.modf(seconds)
    more, fraction = divmod(round(fraction * 1e6), 1_000_000)
    return _second(second + more), fraction


@functools.lru_cache(4096)  # writing it takes longer than all the rest, and a page names the same few seconds
def _second(second: float) -> str:
    return datetime.datetime.fromtimestamp(second, datetime.UTC).isoformat(timespec="seconds")[:19]


def parse_time(text: str, name: str = "time") -> float:
    """Return the seconds an ISO 8601 text means; without a zone it is UTC.

    :raises Invalid: it cannot be read.
    """
    try:
        # a "+" in a query string that was not escaped arrives as a space
        value = datetime.datetime.fromisoformat(_FRACTION.sub(r"\1", text.strip().replace(" ", "T", 1)))
    except ValueError:
        raise errors.Invalid(reason=f"Invalid input for query parameters {name}. Value: {text[:64]}.") from None
    return (value if value.tzinfo else value.replace(tzinfo=datetime.UTC)).timestamp()


def public_url(settings: Any, port: int) -> str:
    """Return the URL clients know the API on ``port`` by, without a path."""
    return f"{settings.api.public_scheme}://{settings.api.public_host}:{port}"


def links(base: str, version: str, collection: str, item_id: str) -> list[dict[str, str]]:
    """Return the ``self`` and ``bookmark`` links of an item."""
    item = f"{collection}/{quote(item_id)}"
    return [{"rel": "self", "href": f"{base}/{version}/{item}"}, {"rel": "bookmark", "href": f"{base}/{item}"}]


def next_link(url: str, query: Mapping[str, list[str]], marker: str) -> dict[str, str]:
    """Return the link to the page after ``marker``, with the other parameters as they were."""
    kept = [(name, value) for name, values in query.items() if name != "marker" for value in values]
    return {"rel": "next", "href": f"{url}?{urlencode([*kept, ('marker', marker)])}"}
