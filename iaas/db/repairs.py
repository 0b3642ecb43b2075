"""Repairs of rows by other rows. Each looks again inside its transaction and says whether anything was wrong.

Counters are read after their own row is locked, so that a request that changes them at the same time is counted
once: it either committed before, and is seen, or waits, and adds its own change after ours.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from iaas.db import quotas
from iaas.db.doctor import COUNTED, KEY_PAIRS, held_by
from iaas.db.models.hosts import allocations, hosts
from iaas.db.models.images import image_usages, images
from iaas.db.models.instances import instances
from iaas.db.models.networks import fixed_ips, ports
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
