"""Queries on hosts, services and allocations: who is up, what is left, and the claim."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from iaas.common import errors
from iaas.db import paging
from iaas.db.engines import db_now
from iaas.db.models.hosts import allocations, hosts, placements, services
from iaas.db.models.instances import instances
from iaas.db.tx import Tx

COMPUTE = "iaas-compute"


class HostNotFound(errors.IaasError):
    kind = errors.Kind.NOT_FOUND
    template = "Host {host} could not be found."


class ServiceNotFound(errors.IaasError):
    kind = errors.Kind.NOT_FOUND
    template = "Service {service_id} could not be found."


def claim(tx: Tx, host: Any, instance: Any, ratios: Any) -> bool:
    """Sell the instance's share of a host; False if it does not fit any more. One guarded UPDATE, one row."""
    c = hosts.c
    statement = (
        sa.update(hosts)
        .where(
            c.id == host.id,
            c.used_vcpus + instance.vcpus <= c.vcpus * ratios.cpu_ratio,
            c.used_memory_mb + instance.memory_mb <= (c.memory_mb - c.reserved_memory_mb) * ratios.ram_ratio,
            c.used_disk_gb + instance.disk_gb <= c.disk_gb * ratios.disk_ratio,
        )
        .values(
            used_vcpus=c.used_vcpus + instance.vcpus,
            used_memory_mb=c.used_memory_mb + instance.memory_mb,
            used_disk_gb=c.used_disk_gb + instance.disk_gb,
            running=c.running + 1,
        )
    )
    if tx.count(statement) != 1:
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
    for row in tx.all(sa.select(allocations).where(allocations.c.instance_id == instance_id)):
        where = (allocations.c.instance_id == instance_id, allocations.c.host_id == row.host_id)
        if tx.count(sa.delete(allocations).where(*where)) == 1:
            tx.execute(
                sa.update(hosts)
                .where(hosts.c.id == row.host_id)
                .values(
                    used_vcpus=hosts.c.used_vcpus - row.vcpus,
                    used_memory_mb=hosts.c.used_memory_mb - row.memory_mb,
                    used_disk_gb=hosts.c.used_disk_gb - row.disk_gb,
                    running=hosts.c.running - 1,
                )
            )


def get(tx: Tx, name: str) -> sa.Row[Any]:
    """:raises HostNotFound: no compute host of that name."""
    row = tx.one(sa.select(hosts).where(hosts.c.name == name))
    if row is None:
        raise HostNotFound(host=name)
    return row


def all_hosts(tx: Tx) -> Sequence[sa.Row[Any]]:
    return tx.all(sa.select(hosts).order_by(hosts.c.name))


def with_services(
    tx: Tx, *, name_contains: str | None = None, names: Sequence[str] | None = None
) -> Sequence[sa.Row[Any]]:
    """Return the compute hosts by name, each with its service.

    :param name_contains: only those whose hypervisor's name has this in it
    :param names: only these hosts
    """
    query = _hypervisors()
    if names is not None:
        query = query.where(hosts.c.name.in_(names))
    if name_contains is not None:
        query = query.where(hosts.c.hypervisor_hostname.contains(name_contains, autoescape=True))
    return tx.all(query.order_by(hosts.c.name))


def page(tx: Tx, limit: int, marker: str | None) -> Sequence[sa.Row[Any]]:
    """Return one page of the compute hosts by name, each with its service.

    :raises MarkerNotFound: no host has the id ``marker``.
    """
    return paging.page(tx, _hypervisors(), hosts, [("name", "asc")], limit, marker)


def _hypervisors() -> sa.Select[Any]:
    service = (
        services.c.id.label("service_id"), services.c.disabled, services.c.disabled_reason, services.c.forced_down,
        (db_now() - services.c.seen_at).label("silent_for"),
    )  # fmt: skip
    same = sa.and_(services.c.host == hosts.c.name, services.c.binary == COMPUTE)
    return sa.select(hosts, *service).select_from(hosts.join(services, same))


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


def keep_host(tx: Tx, host_id: str, name: str, now: float, **facts: Any) -> None:
    """Record what a compute host has: insert it the first time, update what changed later."""
    if tx.count(sa.update(hosts).where(hosts.c.name == name).values(updated_at=now, **facts)) == 0:
        tx.insert(hosts, id=host_id, name=name, created_at=now, updated_at=now, **facts)


# -- services ----------------------------------------------------------------------------------------------


def start_service(tx: Tx, service_id: str, binary: str, host: str, zone: str) -> None:
    """Record that a service of this process is there; a later start of the same one is a new incarnation."""
    where = (services.c.binary == binary, services.c.host == host)
    values = {"zone": zone, "started_at": db_now(), "seen_at": db_now(), "draining": False}
    again = sa.update(services).where(*where).values(incarnation=services.c.incarnation + 1, **values)
    if tx.count(again) == 0:
        row = sa.insert(services).values(id=service_id, binary=binary, host=host, incarnation=1, **values)
        tx.execute(row)


def beat(tx: Tx, binary: str, host: str) -> bool:
    """Record that the service lives; False if its row is gone."""
    where = (services.c.binary == binary, services.c.host == host)
    return tx.count(sa.update(services).where(*where).values(seen_at=db_now())) == 1


def drain(tx: Tx, binary: str, host: str) -> None:
    """Record that the service takes no more work: the scheduler passes its host by until it starts again."""
    where = (services.c.binary == binary, services.c.host == host)
    tx.execute(sa.update(services).where(*where).values(draining=True))


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


def placement_of(tx: Tx, instance_id: str) -> sa.Row[Any] | None:
    return tx.one(sa.select(placements).where(placements.c.instance_id == instance_id))
