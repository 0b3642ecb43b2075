"""Choosing where a volume is made, and forgetting one that never got a place."""

from __future__ import annotations

from typing import Any

from iaas.common import runtime
from iaas.db import codec, ends, hosts, volumes
from iaas.db.tx import Tx
from iaas.jobs.work import Permanent, Work
from iaas.scheduler.jobs.table import handlers

BINARY = "iaas-volume"


@handlers.step("create_volume", "choose")
def choose(work: Work) -> None:
    """Give the volume to one of the volume services that are up and take work, drawn by chance.

    :raises Permanent: there is none; or none that has not been tried, and why the last one failed.
    """
    with work.db.read(work.ctx) as tx:
        volume = volumes.find(tx, work.id)
        services = hosts.all_services(tx, binary=BINARY)
    if volume is None:
        work.finish()
        return
    zone, excluded = work.args.get("zone"), work.args.get("excluded", ())
    fitting = [row for row in services if _takes_work(row, work.settings.scheduler.down_after)]
    fitting = [row for row in fitting if row.host not in excluded and zone in (None, row.zone)]
    if not fitting:
        raise Permanent(reason=_why(work, zone))
    chosen = runtime.rng().choice(fitting)

    def changes(tx: Tx) -> None:
        volumes.update(tx, work.id, host=chosen.host, zone=chosen.zone, updated_at=runtime.time())

    work.advance(changes, host=chosen.host)


def _takes_work(service: Any, down_after: float) -> bool:
    refused = service.disabled or service.forced_down or service.draining or service.degraded is not None
    return not refused and service.silent_for <= down_after


def _why(work: Work, zone: str | None) -> str:
    failed = [event["details"] for event in codec.load(work.job.events, []) if event["result"] == "Error"]
    if work.args.get("excluded") and failed:
        return failed[-1]  # what the last service said tells more than that no other is left
    where = f" in zone {zone}" if zone else ""
    return f"No volume service is up, enabled and well{where}; the volume was not made."


@handlers.step("forget_volume", "forget")
def forget(work: Work) -> None:
    """Remove a volume that never got a host."""
    work.advance(lambda tx: ends.forget_volume(tx, work.id))
