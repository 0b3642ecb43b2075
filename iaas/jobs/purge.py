"""Forgetting what ended long ago, in small transactions, so that nobody waits for it."""

from __future__ import annotations

from iaas.common import context, runtime
from iaas.db import ec2, purge
from iaas.db.tx import Database

DAY = 86_400.0
PASSES = 200  # of one kind at a time: a cloud that was never purged is done in some hours


def run(database: Database, days: float, *, batch: int = purge.BATCH, passes: int | None = PASSES) -> dict[str, int]:
    """Remove jobs that ended over ``days`` days ago, of what is gone, placements of what is gone, and what EC2 showed.

    :param passes: transactions for each at most; None until nothing is left
    :returns: how many ``jobs``, ``placements`` and ``terminated`` instances went
    """
    ctx, now = context.admin("purge"), runtime.time()
    kinds = (
        ("jobs", purge.ended_jobs, now - days * DAY),
        # A placement goes with its instance; one of a minute ago may be written just before its instance ends
        ("placements", purge.stray_placements, now - 60.0),
        ("terminated", purge.shown_terminated, now - ec2.SHOWN_FOR),
    )
    gone = {name: 0 for name, _, _ in kinds}
    for name, some, before in kinds:
        left = passes
        while left is None or left > 0:
            count = some(database, ctx, before, batch)
            gone[name] += count
            if count < batch:
                break
            left = None if left is None else left - 1
            runtime.sleep(0)
    return gone
