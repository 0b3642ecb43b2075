"""Numbers in place of ids, for versions of the API from before it had UUIDs."""

from __future__ import annotations


def number(id_: str) -> int:
    """Return a number that stays the same for an id, and is another one for another (one chance in 2^31 apart)."""
    return int(id_.replace("-", "")[:8], 16) & 0x7FFF_FFFF
