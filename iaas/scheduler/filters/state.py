"""Filters on what a host is: up, enabled, in the zone."""

from __future__ import annotations

from iaas.scheduler.hosts import HostState, Miss, Request


def is_up(request: Request, host: HostState) -> Miss | None:
    """The host's service has reported lately and was not forced down."""
    if host.up:
        return None
    return Miss(f"silent for {host.silent_for:.0f} s" if not host.forced_down else "forced down")


def is_enabled(request: Request, host: HostState) -> Miss | None:
    """No administrator has disabled the host, and it is not draining."""
    return None if host.enabled else Miss("disabled or draining")


def is_healthy(request: Request, host: HostState) -> Miss | None:
    """Every call of the host's compute and network workers into their drivers comes back in time."""
    return None if host.degraded is None else Miss(f"degraded: {host.degraded}")


def not_excluded(request: Request, host: HostState) -> Miss | None:
    """This build has not failed on the host before."""
    return Miss("an earlier try failed there") if host.name in request.excluded else None


def in_zone(request: Request, host: HostState) -> Miss | None:
    """The host is in the zone the tenant asked for, if they asked."""
    if request.zone is None or request.zone == host.zone:
        return None
    return Miss(f"in zone {host.zone}")


def is_wanted_host(request: Request, host: HostState) -> Miss | None:
    """The host is the one an administrator asked for, if they asked."""
    return None if request.host in (None, host.name) else Miss("another host was asked for")
