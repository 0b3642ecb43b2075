"""Repairs of rows by other rows. Each looks again inside its transaction and says whether anything was wrong.

Counters are read after their own row is locked, so that a request that changes them at the same time is counted
once: it either committed before, and is seen, or waits, and adds its own change after ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from iaas.db import quotas
from iaas.db.doctor import COUNTED, KEY_PAIRS, held_by
from iaas.db.models.hosts import allocations, hosts
from iaas.db.models.images import image_usages, images
from iaas.db.models.instances import instances
from iaas.db.models.jobs import jobs
from iaas.db.models.networks import fixed_ips, ports, subnets
from iaas.db.models.quotas import quota_usages as usages
from iaas.db.tx import Tx

SIZES = ("vcpus", "memory_mb", "disk_gb")


def recount_quota(tx: Tx, owner: str, defaults: Any) -> bool:
    """Set what a project (of key pairs: a user) is counted to use to what its rows hold.

    :param defaults: the ``quota`` settings: the limit of a row that was missing
    """
    mine = sa.select(usages).where(usages.c.project_id == owner)
    there = {row.resource for row in tx.all(mine)}
    for name in {row.resource for row in held_by(tx, owner)} - there:
        limit = quotas.UNLIMITED if name == KEY_PAIRS else quotas.default_limits(tx, [name], defaults)[name]
        tx.insert_new(usages, project_id=owner, resource=name, used=0, hard_limit=limit)
    rows = tx.all(mine.order_by(usages.c.resource).with_for_update())
    held = {row.resource: int(row.held) for row in held_by(tx, owner)}
    wrong = [row for row in rows if row.resource in COUNTED and row.used != held.get(row.resource, 0)]
    for row in wrong:
        where = (usages.c.project_id == owner, usages.c.resource == row.resource)
        tx.execute(sa.update(usages).where(*where).values(used=held.get(row.resource, 0)))
    return bool(wrong)


def recount_host(tx: Tx, name: str) -> bool:
    """Set what a host counts as used to the sum of its allocations."""
    host = tx.one(sa.select(hosts).where(hosts.c.name == name).with_for_update())
    if host is None:
        return False
    totals = [sa.func.coalesce(sa.func.sum(allocations.c[size]), 0).label(size) for size in SIZES]
    sold: Any = tx.one(sa.select(sa.func.count().label("running"), *totals).where(allocations.c.host_id == host.id))
    values = {"running": int(sold.running), **{f"used_{size}": int(getattr(sold, size)) for size in SIZES}}
    if all(getattr(host, name) == value for name, value in values.items()):
        return False
    tx.execute(sa.update(hosts).where(hosts.c.id == host.id).values(**values))
    return True


def release_allocations(tx: Tx, instance_id: str) -> bool:
    """Give back what an instance has been sold where it is not: everywhere, if it is gone."""
    row = tx.one(sa.select(instances.c.host_id).where(instances.c.id == instance_id).with_for_update())
    mine = tx.all(sa.select(allocations).where(allocations.c.instance_id == instance_id))
    released = 0
    for sold in mine:
        if row is not None and sold.host_id == row.host_id:
            continue
        where = (allocations.c.instance_id == instance_id, allocations.c.host_id == sold.host_id)
        if tx.count(sa.delete(allocations).where(*where)) == 1:
            released += 1
            less = {f"used_{size}": hosts.c[f"used_{size}"] - getattr(sold, size) for size in SIZES}
            enough = [hosts.c[f"used_{size}"] >= getattr(sold, size) for size in SIZES]  # else it is recounted anyway
            change = sa.update(hosts).where(hosts.c.id == sold.host_id, hosts.c.running > 0, *enough)
            tx.execute(change.values(running=hosts.c.running - 1, **less))
    return released > 0


def sell(tx: Tx, instance: Any) -> bool:
    """Give an instance the one allocation it should have: on its host, of its size; False if it is so, or is gone."""
    same = sa.select(instances.c.id).where(instances.c.id == instance.id, instances.c.host_id == instance.host_id)
    if tx.one(same.with_for_update()) is None:
        return False
    sizes = {size: getattr(instance, size) for size in SIZES}
    mine = (allocations.c.instance_id == instance.id, allocations.c.host_id == instance.host_id)
    row = tx.one(sa.select(allocations).where(*mine).with_for_update())
    if row is None:
        tx.insert(allocations, instance_id=instance.id, host_id=instance.host_id, **sizes)
    elif all(getattr(row, size) == value for size, value in sizes.items()):
        return False
    else:
        tx.execute(sa.update(allocations).where(*mine).values(**sizes))
    return True


def unsold(tx: Tx, host_name: str) -> Sequence[sa.Row[Any]]:
    """Return the ids of instances that are on a host and have no allocation there."""
    there = sa.exists().where(allocations.c.instance_id == instances.c.id, allocations.c.host_id == instances.c.host_id)
    query = sa.select(instances.c.id).join(hosts, hosts.c.id == instances.c.host_id)
    return tx.all(query.where(hosts.c.name == host_name, ~there).order_by(instances.c.id))


def allocations_of(tx: Tx, instance_id: str) -> Sequence[sa.Row[Any]]:
    """Return the allocations of an instance, each with its host's ``name``."""
    query = sa.select(allocations, hosts.c.name).join(hosts, hosts.c.id == allocations.c.host_id, isouter=True)
    return tx.all(query.where(allocations.c.instance_id == instance_id))


def showing(tx: Tx, *words: str) -> Sequence[sa.Row[Any]]:
    """Return the ids of instances whose copy of their ports has each of these words: an id, an address in quotes."""
    c = instances.c
    said = [c.network_info.contains(word, autoescape=True) for word in words]
    return tx.all(sa.select(c.id).where(*said).order_by(c.id))


def ports_of(tx: Tx, device_id: str) -> Sequence[sa.Row[Any]]:
    """Return every port of a device, also one whose network is gone."""
    return tx.all(sa.select(ports).where(ports.c.device_id == device_id).order_by(ports.c.id))


def having(tx: Tx, network_id: str, address: str) -> Sequence[sa.Row[Any]]:
    """Return the port_id of every port that has an address of a network, whether it is there or not."""
    query = sa.select(fixed_ips.c.port_id).join(subnets, subnets.c.id == fixed_ips.c.subnet_id)
    return tx.all(query.where(subnets.c.network_id == network_id, fixed_ips.c.address == address))


def lost_addresses(tx: Tx, address: str) -> Sequence[sa.Row[Any]]:
    """Return port_id and network_id of each row of an address whose port is gone."""
    there = sa.exists().where(ports.c.id == fixed_ips.c.port_id)
    query = sa.select(fixed_ips.c.port_id, subnets.c.network_id).select_from(
        fixed_ips.outerjoin(subnets, subnets.c.id == fixed_ips.c.subnet_id)
    )
    return tx.all(query.where(fixed_ips.c.address == address, ~there))


def revive(tx: Tx, job: Any, state: str, now: float) -> bool:
    """Have a job done again from the step it stands at, in place of whoever had it; False if it moved on."""
    same = (jobs.c.id == job.id, jobs.c.fence == job.fence, jobs.c.state == job.state, jobs.c.live_key == job.live_key)
    values = {"state": state, "owner": None, "fence": jobs.c.fence + 1, "updated_at": now}
    return tx.count(sa.update(jobs).where(*same).values(**values)) == 1


def touch(tx: Tx, table: sa.Table, row_id: str, now: float) -> None:
    """Say that a row has just changed, so that whoever compares it with its host gives the host time to follow."""
    tx.execute(sa.update(table).where(table.c.id == row_id).values(updated_at=now))


def free_address(tx: Tx, address: str) -> bool:
    """Free an address whose port is gone, on whatever subnet."""
    there = sa.exists().where(ports.c.id == fixed_ips.c.port_id)
    return tx.count(sa.delete(fixed_ips).where(fixed_ips.c.address == address, ~there)) > 0


def recount_images(tx: Tx, project_id: str, with_bytes: tuple[str, ...]) -> bool:
    """Set what a project is counted to store to what its images hold; ``""`` is no project. On the image database."""
    tx.insert_new(image_usages, project_id=project_id, images=0, size=0)
    row: Any = tx.one(sa.select(image_usages).where(image_usages.c.project_id == project_id).with_for_update())
    c = images.c
    size = sa.func.coalesce(sa.func.sum(sa.case((c.status.in_(with_bytes), sa.func.coalesce(c.size, 0)), else_=0)), 0)
    mine = sa.func.coalesce(c.owner, "") == project_id
    held: Any = tx.one(sa.select(sa.func.count().label("images"), size.label("size")).where(mine))
    if (row.images, row.size) == (held.images, int(held.size)):
        return False
    where = image_usages.c.project_id == project_id
    tx.execute(sa.update(image_usages).where(where).values(images=held.images, size=int(held.size)))
    return True
