"""Ids of identity: UUIDs as this API has always written them, without dashes."""

from __future__ import annotations

from iaas.common import runtime


def new() -> str:
    """Return a new id of 32 hexadecimal digits."""
    return runtime.uuid().replace("-", "")
