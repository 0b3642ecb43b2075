"""What a volume host does by itself: find the volumes on its back-end that nobody owns."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from iaas.common import context
from iaas.db import jobs, volumes
from iaas.db.tx import Tx

if TYPE_CHECKING:
    from iaas.volume.manager import VolumeManager

LOG = logging.getLogger(__name__)
MAX_REMOVALS = 5


def sweep_orphans(manager: VolumeManager) -> None:
    """Remove volumes whose deletion ended on this host; report, never remove, what no row ever named.

    At most five a pass: a wrong database must not be able to empty a back-end.
    """
    known = manager.calls.make(manager.driver.volumes, timeout=60.0)
    with manager.clients.db.read(context.admin()) as tx:
        strangers = [volume_id for volume_id in sorted(known) if volumes.find(tx, volume_id) is None]
        ours = [volume_id for volume_id in strangers if _was_deleted(tx, volume_id, manager.host)]
    for volume_id in sorted(set(strangers) - set(ours)):
        LOG.error("volume %s on this host has no row; an administrator must decide about it", volume_id)
    for volume_id in ours[:MAX_REMOVALS]:
        LOG.warning("volume %s outlived its deletion and is removed", volume_id)
        with manager.engine.exclusively(volume_id):
            manager.calls.make(manager.driver.delete, volume_id, timeout=300.0)


def _was_deleted(tx: Tx, volume_id: str, host: str) -> bool:
    history = jobs.of_resource(tx, volume_id)
    ended = all(job.state not in jobs.LIVE for job in history)
    deleted = any(job.kind in ("delete_volume", "forget_volume") and job.state == jobs.DONE for job in history)
    return ended and deleted and any(job.host == host for job in history)
