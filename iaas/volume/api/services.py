"""Verbs on the services of block storage: the volume workers and the schedulers that choose among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from iaas.common import errors
from iaas.common.context import RequestContext
from iaas.db import hosts
from iaas.db.tx import Tx

VOLUME, SCHEDULER = "iaas-volume", "iaas-scheduler"


class ServiceNotFound(errors.IaasError):
    kind = errors.Kind.NOT_FOUND
    template = "Service {binary} could not be found on host {host}."


@dataclass(frozen=True)
class Service:
    """One service as operators see it; ``seen_at`` is its last heartbeat, in seconds since the epoch."""

    binary: str
    host: str
    zone: str
    enabled: bool
    disabled_reason: str | None
    up: bool
    seen_at: float


def index(clients: Any, ctx: RequestContext, *, binary: str | None = None, host: str | None = None) -> list[Service]:
    """Return the services of block storage."""
    wanted = {name: value for name, value in (("binary", binary), ("host", host)) if value is not None}
    with clients.db.read(ctx) as tx:
        rows = hosts.all_services(tx, **wanted)
    down_after = clients.settings.scheduler.down_after
    return [_service(row, down_after) for row in rows if row.binary in (VOLUME, SCHEDULER)]


def zones(clients: Any, ctx: RequestContext) -> dict[str, bool]:
    """Return every zone that has a volume service, and whether one of them takes work."""
    found: dict[str, bool] = {}
    for service in index(clients, ctx, binary=VOLUME):
        found[service.zone] = found.get(service.zone, False) or (service.up and service.enabled)
    return found


def set_enabled(
    clients: Any, ctx: RequestContext, binary: str, host: str, *, enabled: bool, reason: str | None = None
) -> Service:
    """Let a volume service take new volumes, or not, and return it; the volumes it has are not touched.

    :raises ServiceNotFound: there is no such service.
    """

    def write(tx: Tx) -> Any:
        rows = hosts.all_services(tx, binary=binary, host=host)
        if binary != VOLUME or not rows:
            raise ServiceNotFound(binary=binary, host=host)
        hosts.update_service(tx, rows[0].id, disabled=not enabled, disabled_reason=reason)
        return hosts.all_services(tx, binary=binary, host=host)[0]

    return _service(clients.db.write(ctx, write), clients.settings.scheduler.down_after)


def _service(row: Any, down_after: float) -> Service:
    return Service(
        binary=row.binary,
        host=row.host,
        zone=row.zone,
        enabled=not row.disabled,
        disabled_reason=row.disabled_reason,
        up=row.silent_for <= down_after and not row.forced_down,
        seen_at=row.seen_at,
    )
