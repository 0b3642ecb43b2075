"""What the project promises, and what the same client saw of OpenStack 2026.2 on a machine with 2 cores."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

#: figure → what must hold of its fields: at most (or, negative, at least) so much
GOALS: dict[str, dict[str, float]] = {
    "token by password": {"cpu_ms": 25},
    "token by token": {"cpu_ms": 1.0},
    "token validate": {"cpu_ms": 0.7},
    "image upload": {"median": -450},
    "image memory growth": {"median": 20},
    "GET server": {"cpu_ms": 2},
    "POST server": {"median": 10, "sql": 15},
    "POST to ACTIVE": {"median": 100},
    "boot cycle": {"cpu_ms": 25, "sql": 45},
    "100 boots, 8 clients": {"median": -30},
    "100 boots beside 1000, 8 clients": {"median": -30},
    "servers/detail, 1000 present": {"median": 45},
    "idle memory": {"median": 140},
    "start to first ACTIVE": {"median": 4000},
    "place a server, 10000 hosts": {"cpu_ms": 25},
    "boot, 10000 over 0 servers": {"median": 1.2},
    "list of 1000, 10000 over 1000 servers": {"median": 1.2},
}
#: (median, CPU-ms per operation) of the peer
PEER: dict[str, tuple[str, str]] = {
    "token by password": ("219", "238"),
    "token by token": ("3.9", "3.5"),
    "token validate": ("3.3", "2.9"),
    "image upload": ("278", "740"),
    "image download": ("6,300", "40"),
    "GET image": ("5.7", "5.3"),
    "GET flavor": ("7.8", "7.6"),
    "GET server": ("23-33", "23-32"),
    "POST server": ("59", ""),
    "POST to ACTIVE": ("528", ""),
    "DELETE to gone": ("357", ""),
    "boot cycle": ("", "955"),
    "100 boots, 8 clients": ("1.35", "951"),
    "100 boots with network, 8 clients": ("1.25", "1,350"),
    "servers/detail, 1 present": ("50", "41"),
    "servers/detail, 100 present": ("194", "219"),
    "servers/detail, 1000 present": ("1,956", "3,205"),
    "idle memory": ("2,361", ""),
    "idle CPU": ("5", ""),
    "start to first ACTIVE": ("26,000", "25,000"),
}


@dataclass
class Figure:
    """One measured thing: its median in ``unit``; CPU and SQL statements are of one operation."""

    name: str
    median: float
    unit: str = "ms"
    p95: float | None = None
    n: int = 1
    cpu_ms: float | None = None
    sql: float | None = None
    others: float | None = None
    note: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    def judged(self) -> dict[str, bool]:
        """Return for each promise about this figure whether it holds; one that was not measured does not."""
        return {what: holds(getattr(self, what), limit) for what, limit in GOALS.get(self.name, {}).items()}


def holds(value: float | None, limit: float) -> bool:
    """Whether a value is at most ``limit``, or at least its opposite if it is negative."""
    return value is not None and (value <= limit if limit >= 0 else value >= -limit)


def words(what: str, limit: float, unit: str) -> str:
    """Return a promise as it is shown."""
    sign, size = ("≤", limit) if limit >= 0 else ("≥", -limit)
    return f"{sign}{size:g} {({'median': unit, 'cpu_ms': 'CPU-ms', 'sql': 'SQL'})[what]}"
