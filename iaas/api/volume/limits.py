"""Limits: https://docs.openstack.org/api-ref/block-storage/v3/#limits-limits."""

from __future__ import annotations

from typing import Any

from iaas.common.rest.operations import Call, Resource
from iaas.volume.api import quotas as core

resource = Resource()


@resource.operation("GET", "/limits", policy="volume:limits:show")
def show(call: Call) -> dict[str, Any]:
    """Show what the project may use, and what it uses; backups are not there, so nobody may have any."""
    usage = core.show(call.clients, call.ctx, call.ctx.project_id or "")
    absolute = {
        "maxTotalVolumes": usage["volumes"].limit,
        "maxTotalVolumeGigabytes": usage["gigabytes"].limit,
        "maxTotalSnapshots": usage["snapshots"].limit,
        "maxTotalBackups": 0,
        "maxTotalBackupGigabytes": 0,
        "totalVolumesUsed": usage["volumes"].used,
        "totalGigabytesUsed": usage["gigabytes"].used,
        "totalSnapshotsUsed": usage["snapshots"].used,
        "totalBackupsUsed": 0,
        "totalBackupGigabytesUsed": 0,
    }
    return {"limits": {"rate": [], "absolute": absolute}}
