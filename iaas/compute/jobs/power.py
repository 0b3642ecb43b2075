"""Start, stop and reboot."""

from __future__ import annotations

from iaas.common import errors
from iaas.compute import guests
from iaas.compute.driver import Power
from iaas.compute.jobs.table import drive, handlers, instance_of, moved
from iaas.compute.states import HARD, INSTANCE
from iaas.jobs.work import Work


@handlers.step("start", "power_on")
def power_on(work: Work) -> None:
    """Start the guest from a fresh definition."""
    row = instance_of(work)
    if row is None:
        work.finish()
        return
    drive(work, "start", guests.guest_of(row))
    work.advance(moved(row, "activate", power_state=Power.RUNNING.value))


@handlers.step("stop", "power_off")
def power_off(work: Work) -> None:
    """Press the power button; cut the power when the guest does not answer."""
    row = instance_of(work)
    if row is None:
        work.finish()
        return
    forced = work.args.get("force", False)
    drive(work, "stop", work.id, timeout=0.0 if forced else _patience(work))
    work.advance(moved(row, "stopped", power_state=Power.SHUTDOWN.value))


@handlers.step("reboot", "restart")
def restart(work: Work) -> None:
    """Reboot softly or hard, as the row's state says: a later hard reboot overtakes a soft one, until it is ended."""
    hard: bool | None = None  # how it was rebooted last; None: not yet
    while (row := instance_of(work)) is not None:
        wanted = INSTANCE.state_of(row) in HARD
        if hard is None or (wanted and not hard):
            drive(work, "reboot", guests.guest_of(row), hard=wanted, timeout=_patience(work))
            hard = wanted
            continue
        try:
            work.advance(moved(row, "activate", power_state=Power.RUNNING.value, fault=None))
        except errors.StateConflict:
            continue  # it was overtaken since we looked
        return
    work.finish()


def _patience(work: Work) -> float:
    return work.settings.compute.shutdown_timeout
