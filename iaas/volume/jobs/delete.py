"""Deleting a volume: its bytes here, then its row and its quota."""

from __future__ import annotations

from iaas.db import ends
from iaas.jobs.work import Work
from iaas.volume.jobs.table import drive, handlers


@handlers.step("delete_volume", "erase")
def erase(work: Work) -> None:
    """Remove the volume from the back-end, and then all the cloud knows of it."""
    drive(work, "delete", work.id)
    work.finish(lambda tx: ends.forget_volume(tx, work.id))
