"""The names of our objects in the kernel; everything of ours starts with ``iaas``."""

from __future__ import annotations

import hashlib

PREFIX = "iaas"


def short(text: str, length: int = 16) -> str:
    """Return a hash of a text that fits into a kernel name."""
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def address_set(group_id: str, version: int) -> str:
    """The ipset of a group's members."""
    return f"iaas{version}-{short(group_id)}"


def group_chain(group_id: str, direction: str) -> str:
    """The chain of a group's rules; ``direction`` is ``i`` (to the guest) or ``o`` (from it)."""
    return f"iaas-g{direction}-{short(group_id)}"


def port_chain(tap: str, direction: str) -> str:
    return f"iaas-{direction}-{tap}"


def mark_chain(text: str) -> str:
    """An empty chain whose name says which text was loaded."""
    return f"iaas-mark-{short(text, 12)}"
