"""The names of our objects in the kernel; everything of ours starts with ``iaas``."""

from __future__ import annotations

import re

from iaas.network.drivers.digests import member_key, short

PREFIX = "iaas"
PORT_CHAINS = ("iaas-i-", "iaas-o-")
GROUP_CHAINS = ("iaas-gi-", "iaas-go-")
_SET = re.compile(r"iaas[46]-([0-9a-f]+)")


def address_set(group_id: str, version: int) -> str:
    """The ipset of a group's members."""
    return f"iaas{version}-{member_key(group_id)}"


def group_of_set(name: str) -> str | None:
    """Return by what the remote group of an ipset of ours is known, None if it is not ours."""
    found = _SET.fullmatch(name)
    return found[1] if found else None


def group_chain(group_id: str, direction: str) -> str:
    """The chain of a group's rules; ``direction`` is ``i`` (to the guest) or ``o`` (from it)."""
    return f"iaas-g{direction}-{short(group_id)}"


def port_chain(tap: str, direction: str) -> str:
    return f"iaas-{direction}-{tap}"


def mark_chain(text: str) -> str:
    """An empty chain whose name says which text was loaded."""
    return f"iaas-mark-{short(text, 12)}"
