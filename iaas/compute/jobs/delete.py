"""Deleting a guest: destroyed here, then its ports, then its row and all it held."""

from __future__ import annotations

from iaas.compute.jobs.table import drive, handlers, instance_of
from iaas.db import ends
from iaas.jobs.work import Work


@handlers.step("delete", "destroy")
def destroy(work: Work) -> None:
    """Stop, undefine and remove the guest; its ports are next, where it has any."""
    drive(work, "destroy", work.id)
    row = instance_of(work)
    if row is not None and row.network_info:
        work.advance()
    else:
        work.finish(lambda tx: ends.forget_instance(tx, work.id))
