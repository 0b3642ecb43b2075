"""What must be exact after many schedulers worked at once: places, allocations, quotas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from iaas.common import context
from iaas.db.models.hosts import allocations, hosts
from iaas.db.models.instances import instances
from iaas.db.models.jobs import jobs
from iaas.db.models.quotas import quota_usages
from iaas.db.tx import Database, Tx

REASON = "No valid host was found. Of %"
WHAT = ("vcpus", "memory_mb", "disk_gb")


def undecided(database: Database) -> int:
    """Return how many jobs are still the scheduler's."""
    query = sa.select(sa.func.count()).where(jobs.c.topic == "scheduler", jobs.c.state.in_(("pending", "running")))
    with database.read(context.admin()) as tx:
        return tx.scalar(query)


def count(database: Database, result: Any, edge: int, asked: Sequence[dict[str, int]]) -> None:
    """Count the rows into ``result``, and say what is not as it must be.

    :param edge: the quota of the project at its limit
    :param asked: what each process says it had accepted, by project, and how often a quota refused
    """
    with database.read(context.admin()) as tx:
        rows = tx.all(sa.select(instances.c.id, instances.c.project_id, instances.c.host, instances.c.vm_state))
        result.placed = sum(row.host is not None for row in rows)
        told = sa.select(sa.func.count()).where(
            instances.c.vm_state == "error", instances.c.fault.contains(REASON[:-1])
        )
        result.refused = tx.scalar(told)
        result.problems = [*_totals(result, rows, edge, asked), *_sold(tx), *_allocated(tx, rows), *_quotas(tx)]


def _totals(result: Any, rows: Sequence[Any], edge: int, asked: Sequence[dict[str, int]]) -> list[str]:
    fits = min(result.slots, result.boots)
    pairs = [
        ("servers", len(rows), result.boots),
        ("servers accepted", sum(one["plain"] + one["edge"] for one in asked), result.boots),
        ("placed", result.placed, fits),
        ("refused with the reason", result.refused, result.boots - fits),
        ("servers of the project with a quota", sum(row.project_id == "edge" for row in rows), edge),
        ("refused by its quota", sum(one["over quota"] for one in asked), edge),
    ]
    return [f"{what}: {found}, must be {wanted}" for what, found, wanted in pairs if found != wanted]


def _sold(tx: Tx) -> list[str]:
    """Every host: what it says it sold is what its allocations say, and no more than it has."""
    sums = [sa.func.coalesce(sa.func.sum(allocations.c[what]), 0).label(f"sum_{what}") for what in WHAT]
    number = sa.func.count(allocations.c.instance_id).label("number")
    query = sa.select(hosts, number, *sums).select_from(hosts.outerjoin(allocations)).group_by(hosts.c.id)
    problems = []
    for row in tx.all(query):
        values = row._mapping
        for what in WHAT:
            used, summed, has = values[f"used_{what}"], int(values[f"sum_{what}"]), values[what]
            if used != summed:
                problems.append(f"host {row.name}: {used} {what} used, {summed} allocated")
            if summed > has * (16 if what == "vcpus" else 1):
                problems.append(f"host {row.name}: {summed} {what} sold of {has}")
        if row.running != row.number:
            problems.append(f"host {row.name}: runs {row.running}, has {row.number} allocations")
    return problems


def _allocated(tx: Tx, rows: Sequence[Any]) -> list[str]:
    """Every server with a host has one allocation there, no other has any."""
    query = sa.select(allocations.c.instance_id, hosts.c.name).join(hosts, hosts.c.id == allocations.c.host_id)
    found = sorted((row.instance_id, row.name) for row in tx.all(query))
    wanted = sorted((row.id, row.host) for row in rows if row.host is not None)
    return [] if found == wanted else [f"{len(found)} allocations are not those of the {len(wanted)} placed servers"]


def _quotas(tx: Tx) -> list[str]:
    """Every project uses what its servers hold."""
    c = instances.c
    held = sa.select(c.project_id, sa.func.count(), sa.func.sum(c.vcpus), sa.func.sum(c.memory_mb)).where(c.quota_held)
    wanted = {
        (project, resource): int(amount)
        for project, *amounts in tx.all(held.group_by(c.project_id))
        for resource, amount in zip(("instances", "cores", "ram"), amounts, strict=True)
    }
    found = {(row.project_id, row.resource): row.used for row in tx.all(sa.select(quota_usages))}
    return [
        f"quota {resource} of {project}: {found.get((project, resource))} used, {amount} held"
        for (project, resource), amount in wanted.items()
        if found.get((project, resource)) != amount
    ]
