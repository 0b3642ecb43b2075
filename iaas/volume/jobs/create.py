"""Making a volume on the host the scheduler chose, and taking it back."""

from __future__ import annotations

from iaas.common import errors, runtime
from iaas.db import volumes
from iaas.db.models.volumes import volumes as table
from iaas.db.transitions import move
from iaas.db.tx import Tx
from iaas.jobs.work import Elsewhere, Work
from iaas.volume.driver import VolumeError
from iaas.volume.jobs.table import drive, handlers
from iaas.volume.states import VOLUME


@handlers.step("create_volume", "make")
def make(work: Work) -> None:
    """Make the volume; it is available when the back-end has it.

    :raises Elsewhere: the back-end refused or is full; another one may not be.
    """
    row = work.read(volumes.find, work.id)
    if row is None:
        work.finish()
        return
    try:
        drive(work, "create", row.id, row.size_gb)
    except (VolumeError, errors.NoSpace) as error:
        raise Elsewhere(reason=str(error)) from error

    def created(tx: Tx) -> None:
        move(tx, VOLUME, table, row, "created", fault=None, updated_at=runtime.time())

    work.advance(created)


@handlers.step("create_volume", "unmake")
def unmake(work: Work) -> None:
    """Take back what a failed creation left on this host."""
    drive(work, "delete", work.id)
    work.advance()
