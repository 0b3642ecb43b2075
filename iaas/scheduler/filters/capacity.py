"""Filters on what a host has left, with the configured ratios."""

from __future__ import annotations

from iaas.scheduler.hosts import HostState, Miss, Request


def has_memory(request: Request, host: HostState) -> Miss | None:
    return short(request.memory_mb, host.free_memory_mb, "MiB of memory")


def has_disk(request: Request, host: HostState) -> Miss | None:
    return short(request.disk_gb, host.free_disk_gb, "GiB of disk")


def has_vcpus(request: Request, host: HostState) -> Miss | None:
    return short(request.vcpus, host.free_vcpus, "virtual CPUs")


def short(wanted: int, free: float, what: str) -> Miss | None:
    """Say by how much ``free`` is too little, or None if it is enough."""
    if wanted <= free:
        return None
    return Miss(f"{free:.0f} of {wanted} {what} free", by=(wanted - free) / max(wanted, 1), unit=what)
