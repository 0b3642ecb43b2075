"""How a daemon is: whether its work was done lately, not whether its process lives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Check:
    """One thing a part of a daemon has to have done lately.

    :ivar part: whose work: ``iaas-compute on node1``, ``database controller``
    :ivar name: what: ``heartbeat``, ``sweep``, ``messages``
    :ivar age: seconds since it was done, None if it never was or has no time
    :ivar limit: seconds after which it counts as not done, None if only ``ok`` counts
    :ivar why: what is wrong, None if nothing is
    """

    part: str
    name: str
    ok: bool
    age: float | None = None
    limit: float | None = None
    why: str | None = None

    def shown(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        age = None if self.age is None else round(self.age, 1)
        words = {"part": self.part, "check": self.name, "ok": self.ok, "age": age, "limit": self.limit}
        return words if self.why is None else {**words, "why": self.why}


def by_age(part: str, name: str, age: float | None, limit: float, why: str) -> Check:
    """Return the check of something that has to happen again and again: ``why`` is said where it is too long ago."""
    ok = age is not None and age <= limit
    return Check(part, name, ok, age, limit, None if ok else why)
