"""Forgetting what ended long ago, in small transactions, so that nobody waits for it."""

from __future__ import annotations

from iaas.common import context, runtime
from iaas.db import purge
from iaas.db.tx import Database

DAY = 86_400.0
PASSES = 200  # of one kind at a time: a cloud that was never purged is done in some hours


def run(database: Database, days: float, *, batch: int = purge.BATCH, passes: int | None = PASSES) -> dict[str, int]:
    """Remove jobs that ended over ``days`` days ago, of what is gone, and placements of what is gone.

    :param passes: transactions for each at most; None until nothing is left
    :returns: how many ``jobs`` and ``placements`` went
    """
    ctx, now = context.admin("purge"), runtime.time()
    gone = {"jobs": 0, "placements": 0}
    # A placement goes with its instance; one of a minute ago may be written just before its instance ends
    kinds = (("jobs", purge.ended_jobs, now - days * DAY), ("placements", purge.stray_placements, now - 60.0))
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
