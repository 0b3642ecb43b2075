"""Building a guest on the host the scheduler claimed: disk, start, ACTIVE; and taking it back."""

from __future__ import annotations

from iaas.common import runtime
from iaas.compute import configdrive, guests, metadata
from iaas.compute.driver import Power
from iaas.compute.jobs.table import drive, handlers, instance_of, moved, on_this_host
from iaas.jobs.work import Work


@handlers.step("build", "prepare")
def prepare(work: Work) -> None:
    """Make the root disk from the image, and the config drive if the guest wants one."""
    row = instance_of(work)
    if row is None:
        work.finish()
        return
    image = guests.image_of(row, work.worker.clients.image)
    iso = configdrive.build(**metadata.config_drive(row)) if row.config_drive else None
    on_this_host(work, "prepare", guests.guest_of(row), image, iso)
    work.advance()


@handlers.step("build", "start")
def start(work: Work) -> None:
    """Define and start the guest; it is ACTIVE when the hypervisor runs it."""
    row = instance_of(work)
    if row is None:
        work.finish()
        return
    on_this_host(work, "start", guests.guest_of(row))
    changes = {"launched_at": runtime.time(), "power_state": Power.RUNNING.value, "fault": None}
    work.advance(moved(row, "activate", **changes))


@handlers.step("build", "discard")
def discard(work: Work) -> None:
    """Take back what a failed build left on this host."""
    drive(work, "destroy", work.id)
    work.advance()
