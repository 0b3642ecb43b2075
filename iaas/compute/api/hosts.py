"""Hosts and their services, as administrators see them, and the zones they make up, as everybody does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from iaas.common import errors
from iaas.common.context import RequestContext
from iaas.db import hosts as db
from iaas.db.tx import Tx

INTERNAL = "internal"  # the zone of what is no compute host
COMPUTE = db.COMPUTE
BINARIES = (
    COMPUTE,
    "iaas-scheduler",
    "iaas-console",
    "iaas-api",
)  # those of compute; volume and network list their own


class HypervisorNotFound(errors.IaasError):
    kind = errors.Kind.NOT_FOUND
    template = "Hypervisor {id} could not be found."


class HostInUse(errors.IaasError):
    kind = errors.Kind.CONFLICT
    template = "Host {host} still has servers; delete or move them before its service is removed."


@dataclass(frozen=True)
class Hypervisor:
    """A compute host, its service, and what runs there.

    :ivar row: the columns of ``hosts``, and ``service_id``, ``disabled``, ``disabled_reason`` of its service
    :ivar busy: servers to which something is being done
    """

    row: Any
    up: bool
    busy: int = 0
    servers: Sequence[Any] = ()


@dataclass(frozen=True)
class Service:
    """A daemon on a host."""

    row: Any
    up: bool


@dataclass(frozen=True)
class Zone:
    """An availability zone: available where an enabled service of it is up."""

    name: str
    available: bool
    services: Sequence[Service] = field(default_factory=list)


def is_up(clients: Any, row: Any) -> bool:
    """Whether a service has reported lately and was not forced down: what the scheduler goes by."""
    return row.silent_for <= clients.settings.scheduler.down_after and not row.forced_down


# -- hypervisors -----------------------------------------------------------------------------------------------


def hypervisors(
    clients: Any, ctx: RequestContext, *, limit: int, marker: str | None = None, pattern: str | None = None
) -> list[Hypervisor]:
    """Return compute hosts by name: a page, or all whose hypervisor's name contains ``pattern``.

    :raises MarkerNotFound: no host has the id ``marker``.
    """
    if limit == 0:
        return []
    with clients.db.read(ctx) as tx:
        rows = db.page(tx, limit, marker) if pattern is None else db.with_services(tx, name_contains=pattern)
        return _filled(clients, tx, rows)


def hypervisor(clients: Any, ctx: RequestContext, host_id: str) -> Hypervisor:
    """:raises HypervisorNotFound: no compute host has that id."""
    with clients.db.read(ctx) as tx:
        rows = [row for row in db.with_services(tx) if row.id == host_id]
        if not rows:
            raise HypervisorNotFound(id=host_id)
        return _filled(clients, tx, rows)[0]


def named(clients: Any, ctx: RequestContext, names: Sequence[str]) -> dict[str, Hypervisor]:
    """Return the compute hosts of these names by name, without what runs there; one that is gone is left out."""
    if not names:
        return {}
    with clients.db.read(ctx) as tx:
        return {row.name: Hypervisor(row, is_up(clients, row)) for row in db.named(tx, names)}


def _filled(clients: Any, tx: Tx, rows: Sequence[Any]) -> list[Hypervisor]:
    servers: dict[str, list[Any]] = {row.name: [] for row in rows}
    for server in db.instances_on(tx, list(servers)) if servers else ():
        servers[server.host].append(server)
    return [
        Hypervisor(
            row,
            is_up(clients, row),
            busy=sum(server.task_state is not None for server in servers[row.name]),
            servers=servers[row.name],
        )
        for row in rows
    ]


# -- services --------------------------------------------------------------------------------------------------


def services(clients: Any, ctx: RequestContext, **equal: str) -> list[Service]:
    """Return compute's services; ``equal`` are columns and their wanted values."""
    with clients.db.read(ctx) as tx:
        rows = db.all_services(tx, **equal)
    return [Service(row, is_up(clients, row)) for row in rows if row.binary in BINARIES]


def service_on(clients: Any, ctx: RequestContext, host: str, binary: str) -> Service:
    """:raises ServiceNotFound: no such service on that host."""
    found = services(clients, ctx, host=host, binary=binary)
    if not found:
        raise db.ServiceNotFound(service_id=f"{binary} on host {host}")
    return found[0]


def change_service(clients: Any, ctx: RequestContext, service_id: str, **changes: Any) -> Service:
    """Change ``disabled``, ``disabled_reason`` or ``forced_down`` of a compute host's service.

    :raises ServiceNotFound: no such service.
    :raises Invalid: it is not a compute host's: nothing is ever placed on others.
    """

    def change(tx: Tx) -> Any:
        if db.get_service(tx, service_id).binary != COMPUTE:
            raise errors.Invalid(reason="Only the service of a compute host can be enabled, disabled or forced down.")
        db.update_service(tx, service_id, **changes)
        return db.get_service(tx, service_id)

    row = clients.db.write(ctx, change)
    return Service(row, is_up(clients, row))


def remove_service(clients: Any, ctx: RequestContext, service_id: str) -> None:
    """Forget a service and, of a compute host, the host; a daemon that still runs comes back by itself.

    :raises ServiceNotFound: no such service.
    :raises HostInUse: the host has servers.
    """

    def remove(tx: Tx) -> None:
        row = db.get_service(tx, service_id)
        if row.binary == COMPUTE and (db.instances_on(tx, [row.host]) or not db.remove_host(tx, row.host)):
            raise HostInUse(host=row.host)
        db.remove_service(tx, service_id)

    clients.db.write(ctx, remove)


# -- zones -----------------------------------------------------------------------------------------------------


def zones(clients: Any, ctx: RequestContext) -> list[Zone]:
    """Return the zones by name, the internal one first."""
    found: dict[str, list[Service]] = {}
    for service in services(clients, ctx):
        name = service.row.zone if service.row.binary == COMPUTE else INTERNAL
        found.setdefault(name, []).append(service)
    return [
        Zone(name, any(service.up and not service.row.disabled for service in members), members)
        for name, members in sorted(found.items(), key=lambda item: (item[0] != INTERNAL, item[0]))
    ]
