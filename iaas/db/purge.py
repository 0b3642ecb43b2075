"""What is kept for a while and then goes: jobs that ended, of what is gone; placements nobody can ask for any more;
what the EC2 API shows of terminated instances.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from iaas.common.context import RequestContext
from iaas.db.jobs import LIVE
from iaas.db.models.ec2 import terminated
from iaas.db.models.hosts import placements
from iaas.db.models.instances import instances
from iaas.db.models.jobs import jobs
from iaas.db.models.volumes import volumes
from iaas.db.tx import Database, Tx

BATCH = 500  # rows of one transaction: others wait for no longer than that takes


def ended_jobs(database: Database, ctx: RequestContext, before: float, limit: int = BATCH) -> int:
    """Remove some jobs that ended before a time, of resources that are gone; return how many, fewer at the end.

    The jobs of what still exists stay: they are its actions.

    :param before: seconds since the epoch
    """
    there = (sa.exists().where(table.c.id == jobs.c.resource_id) for table in (instances, volumes))
    query = (
        sa.select(jobs.c.id)
        .where(jobs.c.updated_at < before, jobs.c.state.not_in(LIVE), *(sa.not_(one) for one in there))
        .limit(limit)
    )
    with database.read(ctx) as tx:  # looked for outside of the transaction that writes: it may take a while
        found = [row.id for row in tx.all(query)]
    return database.write(ctx, _remove, jobs, jobs.c.id, found)


def stray_placements(database: Database, ctx: RequestContext, before: float, limit: int = BATCH) -> int:
    """Remove some placements from before a time of instances that are gone; return how many, fewer at the end."""
    there = sa.exists().where(instances.c.id == placements.c.instance_id)
    query = sa.select(placements.c.instance_id).where(placements.c.at < before, sa.not_(there)).limit(limit)
    with database.read(ctx) as tx:
        found = [row.instance_id for row in tx.all(query)]
    return database.write(ctx, _remove, placements, placements.c.instance_id, found)


def shown_terminated(database: Database, ctx: RequestContext, before: float, limit: int = BATCH) -> int:
    """Remove some of what is kept of instances terminated before a time; return how many, fewer at the end.

    Never in the transaction of a deletion: two that look for old rows wait for each other's new ones.
    """
    query = sa.select(terminated.c.id).where(terminated.c.at < before).limit(limit)
    with database.read(ctx) as tx:
        found = [row.id for row in tx.all(query)]
    return database.write(ctx, _remove, terminated, terminated.c.id, found)


def _remove(tx: Tx, table: sa.Table, key: sa.Column[str], ids: Sequence[str]) -> int:
    return tx.count(sa.delete(table).where(key.in_(ids))) if ids else 0
