"""The frozen snapshot a placement is decided from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be placed. Memory in MiB, disk in GiB."""

    vcpus: int
    memory_mb: int
    disk_gb: int
    zone: str | None = None
    host: str | None = None
    excluded: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class HostState:
    """One host as it was when the snapshot was taken."""

    id: str
    name: str
    zone: str
    up: bool
    enabled: bool
    forced_down: bool
    silent_for: float
    free_vcpus: float
    free_memory_mb: float
    free_disk_gb: float
    running: int
    degraded: str | None = None


@dataclass(frozen=True, slots=True)
class Miss:
    """Why a filter refused a host, for administrators; ``by`` is the missing share (0 to 1) of ``unit``."""

    why: str
    by: float | None = None
    unit: str | None = None


def snapshot(rows: Iterable[Any], settings: Any) -> list[HostState]:
    """Freeze the rows of ``iaas.db.candidates``.

    :param settings: the ``scheduler`` settings
    """
    return [
        HostState(
            id=row.id,
            name=row.name,
            zone=row.zone,
            up=row.silent_for <= settings.down_after and not row.forced_down,
            enabled=not row.disabled and not row.draining,
            forced_down=row.forced_down,
            silent_for=row.silent_for,
            free_vcpus=row.vcpus * settings.cpu_ratio - row.used_vcpus,
            free_memory_mb=(row.memory_mb - row.reserved_memory_mb) * settings.ram_ratio - row.used_memory_mb,
            free_disk_gb=row.disk_gb * settings.disk_ratio - row.used_disk_gb,
            running=row.running,
            degraded=row.degraded,
        )
        for row in rows
    ]
