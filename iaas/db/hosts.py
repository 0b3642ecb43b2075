"""Queries on hosts, services and allocations: who is up, what is left, and the claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from iaas.common import errors
from iaas.db import paging
from iaas.db.engines import db_now
from iaas.db.models.hosts import allocations, hosts, placements, services
from iaas.db.models.instances import instances
from iaas.db.tx import ReturningDelete, Tx

COMPUTE, NETWORK = "iaas-compute", "iaas-network"


class HostNotFound(errors.IaasError):
    kind = errors.Kind.NOT_FOUND
    template = "Host {host} could not be found."


class NameTaken(errors.IaasError):
    kind = errors.Kind.CONFLICT
    template = (
        "Another machine is {binary} on {host} already: its host id is {other}, {heard}; the "
        "id of this one is {mine}. Give this machine a name of its own ([compute] host), or, if the other is gone for "
        "good, forget it: iaas-manage service remove {binary} {host}"
    )


class Superseded(errors.IaasError):
    kind = errors.Kind.CONFLICT
    template = "A later start of the worker on {host} has taken its place."


class ServiceNotFound(errors.IaasError):
    kind = errors.Kind.NOT_FOUND
    template = "Service {service_id} could not be found."


@dataclass(frozen=True)
class Incarnation:
    """One start of a service; only the latest one may touch its host.

    :ivar number: which start of the service; None for one that any number of processes may be, such as a scheduler
    """

    service_id: str
    number: int | None

    def guard(self) -> list[sa.ColumnElement[bool]]:
        """What holds of the service's row while this is its latest start."""
        latest = [] if self.number is None else [services.c.incarnation == self.number]
        return [services.c.id == self.service_id, *latest]


def is_latest(held: Incarnation | None) -> list[sa.ColumnElement[bool]]:
    """What to add to the guard of a statement that only the latest start of a service may do."""
    if held is None or held.number is None:
        return []
    return [sa.exists().where(*held.guard())]


# Made once, as every server meets them
_VCPUS, _MEMORY, _DISK = (
    sa.bindparam(f"sold_{name}", type_=sa.Integer()) for name in ("vcpus", "memory_mb", "disk_gb")
)
_CPU_RATIO, _RAM_RATIO, _DISK_RATIO = (sa.bindparam(name, type_=sa.Double()) for name in ("cpu", "ram", "disk"))
_HOST = sa.update(hosts).where(hosts.c.id == sa.bindparam("row_id"))
_CLAIM = _HOST.where(
    hosts.c.used_vcpus + _VCPUS <= hosts.c.vcpus * _CPU_RATIO,
    hosts.c.used_memory_mb + _MEMORY <= (hosts.c.memory_mb - hosts.c.reserved_memory_mb) * _RAM_RATIO,
    hosts.c.used_disk_gb + _DISK <= hosts.c.disk_gb * _DISK_RATIO,
).values(
    used_vcpus=hosts.c.used_vcpus + _VCPUS,
    used_memory_mb=hosts.c.used_memory_mb + _MEMORY,
    used_disk_gb=hosts.c.used_disk_gb + _DISK,
    running=hosts.c.running + 1,
)
_GIVE_BACK = _HOST.values(
    used_vcpus=hosts.c.used_vcpus - _VCPUS,
    used_memory_mb=hosts.c.used_memory_mb - _MEMORY,
    used_disk_gb=hosts.c.used_disk_gb - _DISK,
    running=hosts.c.running - 1,
)
_RELEASE = ReturningDelete(
    sa.delete(allocations).where(allocations.c.instance_id == sa.bindparam("instance")), *allocations.c
)


def _sold(row: Any) -> dict[str, int]:
    return {"sold_vcpus": row.vcpus, "sold_memory_mb": row.memory_mb, "sold_disk_gb": row.disk_gb}


def claim(tx: Tx, host: Any, instance: Any, ratios: Any) -> bool:
    """Sell the instance's share of a host; False if it does not fit any more. One guarded UPDATE, one row."""
    allowed = {"cpu": ratios.cpu_ratio, "ram": ratios.ram_ratio, "disk": ratios.disk_ratio}
    if tx.count(_CLAIM, {"row_id": host.id, **_sold(instance), **allowed}) != 1:
        return False
    tx.insert(
        allocations,
        instance_id=instance.id,
        host_id=host.id,
        vcpus=instance.vcpus,
        memory_mb=instance.memory_mb,
        disk_gb=instance.disk_gb,
    )
    return True


def release(tx: Tx, instance_id: str) -> None:
    """Give back every allocation of an instance, on whatever host."""
    for row in tx.delete_returning(_RELEASE, {"instance": instance_id}):
        tx.execute(_GIVE_BACK, {"row_id": row.host_id, **_sold(row)})


def get(tx: Tx, name: str) -> sa.Row[Any]:
    """:raises HostNotFound: no compute host of that name."""
    row = tx.one(sa.select(hosts).where(hosts.c.name == name))
    if row is None:
        raise HostNotFound(host=name)
    return row


def all_hosts(tx: Tx) -> Sequence[sa.Row[Any]]:
    return tx.all(sa.select(hosts).order_by(hosts.c.name))


_SERVICE = (
    services.c.id.label("service_id"), services.c.disabled, services.c.disabled_reason, services.c.forced_down,
    (db_now() - services.c.seen_at).label("silent_for"),
)  # fmt: skip
_HYPERVISORS = sa.select(hosts, *_SERVICE).select_from(
    hosts.join(services, sa.and_(services.c.host == hosts.c.name, services.c.binary == COMPUTE))
)
# Made once, as the view of every server that an administrator sees asks for it
_BY_NAME = _HYPERVISORS.where(hosts.c.name == sa.bindparam("name"))
_BY_NAMES = _HYPERVISORS.where(hosts.c.name.in_(sa.bindparam("names", expanding=True))).order_by(hosts.c.name)


def with_services(tx: Tx, *, name_contains: str | None = None) -> Sequence[sa.Row[Any]]:
    """Return the compute hosts by name, each with its service.

    :param name_contains: only those whose hypervisor's name has this in it
    """
    query = _HYPERVISORS
    if name_contains is not None:
        query = query.where(hosts.c.hypervisor_hostname.contains(name_contains, autoescape=True))
    return tx.all(query.order_by(hosts.c.name))


def named(tx: Tx, names: Sequence[str]) -> Sequence[sa.Row[Any]]:
    """Return the compute hosts of these names by name, each with its service."""
    if len(names) == 1:  # the view of one server; a list is spelled out anew each time
        return tx.execute(_BY_NAME, {"name": names[0]}).all()
    return tx.execute(_BY_NAMES, {"names": names}).all()


def page(tx: Tx, limit: int, marker: str | None) -> Sequence[sa.Row[Any]]:
    """Return one page of the compute hosts by name, each with its service.

    :raises MarkerNotFound: no host has the id ``marker``.
    """
    return paging.page(tx, _HYPERVISORS, hosts, [("name", "asc")], limit, marker)


def instances_on(tx: Tx, names: Sequence[str]) -> Sequence[sa.Row[Any]]:
    """Return id, name, host and task state of every instance on some hosts."""
    c = instances.c
    query = sa.select(c.id, c.name, c.host, c.task_state).where(c.host.in_(names))
    return tx.all(query.order_by(c.created_at, c.id))


def remove_host(tx: Tx, name: str) -> bool:
    """Delete a compute host that nothing is sold of; False if something is. One guarded DELETE."""
    sold = sa.exists().where(allocations.c.host_id == hosts.c.id)
    if tx.count(sa.delete(hosts).where(hosts.c.name == name, sa.not_(sold))) == 1:
        return True
    return tx.one(sa.select(hosts.c.id).where(hosts.c.name == name)) is None


def keep_host(tx: Tx, host_id: str, name: str, now: float, held: Incarnation | None = None, **facts: Any) -> None:
    """Record what a compute host has: insert it the first time, update what changed later.

    :raises NameTaken: another machine is the host of that name.
    :raises Superseded: ``held`` is not the latest start of the host's worker.
    """
    mine = (hosts.c.name == name, hosts.c.id == host_id, *is_latest(held))
    if tx.count(sa.update(hosts).where(*mine).values(updated_at=now, **facts)) == 1:
        return
    other = tx.one(sa.select(hosts).where(hosts.c.name == name))
    if other is None:
        tx.insert(hosts, id=host_id, name=name, created_at=now, updated_at=now, **facts)
    elif other.id != host_id:
        heard = f"it last reported {max(0.0, now - other.updated_at):.0f} s ago"
        raise NameTaken(binary=COMPUTE, host=name, other=other.id, mine=host_id, heard=heard)
    else:
        raise Superseded(host=name)


# -- services ----------------------------------------------------------------------------------------------


def start_service(
    tx: Tx,
    service_id: str,
    binary: str,
    host: str,
    zone: str,
    *,
    host_id: str | None = None,
    ready: bool = True,
    admin_url: str | None = None,
) -> Incarnation:
    """Record that a service of this process is there, and return which start of it this is.

    :param host_id: the machine, if the service keeps state there; only this one may be the service from now on
    :param ready: False if it takes no work yet, until :func:`ready`
    :param admin_url: where its process says how it is
    :raises NameTaken: another machine is this service of ``host``.
    """
    where = (services.c.binary == binary, services.c.host == host)
    values: dict[str, Any] = {"zone": zone, "started_at": db_now(), "draining": not ready, "degraded": None}
    values["admin_url"] = admin_url
    if ready:
        values["seen_at"] = db_now()
    mine = []
    if host_id is not None:
        values["host_id"] = host_id
        mine = [sa.or_(services.c.host_id.is_(None), services.c.host_id == host_id)]
    again = sa.update(services).where(*where, *mine).values(incarnation=services.c.incarnation + 1, **values)
    if tx.count(again) == 0:
        for row in all_services(tx, binary=binary, host=host):
            heard = f"it was last heard of {row.silent_for:.0f} s ago" if row.seen_at else "it never became ready"
            raise NameTaken(binary=binary, host=host, other=row.host_id, mine=host_id, heard=heard)
        values = {"seen_at": 0.0, **values}
        tx.execute(sa.insert(services).values(id=service_id, binary=binary, host=host, incarnation=1, **values))
        return Incarnation(service_id, 1)
    found = tx.one(sa.select(services.c.id, services.c.incarnation).where(*where))
    assert found is not None  # noqa: S101  updated above, in this transaction
    return Incarnation(found.id, found.incarnation)


def ready(tx: Tx, held: Incarnation) -> bool:
    """Record that the service takes work from now on; False if this is not its latest start."""
    return tx.count(sa.update(services).where(*held.guard()).values(seen_at=db_now(), draining=False)) == 1


def beat(tx: Tx, held: Incarnation, degraded: str | None = None) -> bool:
    """Record that the service lives, and what is wrong with it; False if this is not its latest start."""
    return tx.count(sa.update(services).where(*held.guard()).values(seen_at=db_now(), degraded=degraded)) == 1


def drain(tx: Tx, held: Incarnation) -> None:
    """Record that the service takes no more work: the scheduler passes its host by until it starts again."""
    tx.execute(sa.update(services).where(*held.guard()).values(draining=True))


def all_services(tx: Tx, **equal: Any) -> Sequence[sa.Row[Any]]:
    """Return the services with how long each has been silent."""
    query = sa.select(services, (db_now() - services.c.seen_at).label("silent_for"))
    for name, value in equal.items():
        query = query.where(services.c[name] == value)
    return tx.all(query.order_by(services.c.binary, services.c.host))


def get_service(tx: Tx, service_id: str) -> sa.Row[Any]:
    """Return a service with how long it has been silent.

    :raises ServiceNotFound: no such row.
    """
    rows = all_services(tx, id=service_id)
    if not rows:
        raise ServiceNotFound(service_id=service_id)
    return rows[0]


def update_service(tx: Tx, service_id: str, **values: Any) -> bool:
    return tx.count(sa.update(services).where(services.c.id == service_id).values(**values)) == 1


def remove_service(tx: Tx, service_id: str) -> bool:
    return tx.count(sa.delete(services).where(services.c.id == service_id)) == 1


# -- what the scheduler decided -----------------------------------------------------------------------------


def keep_placement(tx: Tx, instance_id: str, at: float, policy: str, verdict: str) -> None:
    """Keep the filters' verdicts of the latest placement of an instance, for ``explain``."""
    values = {"at": at, "policy": policy, "verdict": verdict}
    if not tx.insert_new(placements, instance_id=instance_id, **values):
        tx.execute(sa.update(placements).where(placements.c.instance_id == instance_id).values(**values))


_FORGET_PLACEMENT = sa.delete(placements).where(placements.c.instance_id == sa.bindparam("instance"))


def forget_placement(tx: Tx, instance_id: str) -> None:
    tx.execute(_FORGET_PLACEMENT, {"instance": instance_id})


def placement_of(tx: Tx, instance_id: str) -> sa.Row[Any] | None:
    return tx.one(sa.select(placements).where(placements.c.instance_id == instance_id))
