"""JSON columns: text in the database, plain values in the code."""

from __future__ import annotations

from typing import Any

import orjson


def dump(value: Any) -> str:
    """Return ``value`` as compact JSON text."""
    return orjson.dumps(value).decode()


def load(text: str | None, default: Any = None) -> Any:
    """Return the value of a JSON column; ``default`` where it is NULL."""
    return default if text is None else orjson.loads(text)
