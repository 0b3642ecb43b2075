"""Volumes as Block Storage v3 shows them.

Source: https://docs.openstack.org/api-ref/block-storage/v3/#show-a-volume-s-details
"""

from __future__ import annotations

from typing import Any

from iaas.api.volume.views import parts
from iaas.common.rest.operations import Call
from iaas.db import codec
from iaas.volume.states import VOLUME


def brief(call: Call, row: Any) -> dict[str, Any]:
    """Return a volume as the short list shows it."""
    return {"id": row.id, "name": row.name, "links": parts.links(call, "volumes", row.id)}


def created(call: Call, row: Any) -> dict[str, Any]:
    """Return a volume as the answers to creation and change show it.

    A volume in error has a ``fault`` in the form of compute's servers: the reason is the user's to know.
    """
    body = {
        **brief(call, row),
        "description": row.description,
        "size": row.size_gb,
        "status": VOLUME.state_of(row).openstack,
        "volume_type": row.type_name,
        "availability_zone": row.zone,
        "bootable": "true" if row.bootable else "false",
        "multiattach": row.multiattach,
        "encrypted": False,
        "attachments": [],
        "metadata": codec.load(row.metadata, {}),
        "snapshot_id": None,
        "source_volid": None,
        "consistencygroup_id": None,
        "replication_status": None,
        "migration_status": None,
        "user_id": row.user_id,
        "created_at": parts.moment(row.created_at),
        "updated_at": parts.moment(row.updated_at) if row.updated_at != row.created_at else None,
    }
    fault = codec.load(row.fault)
    if fault is not None:
        body["fault"] = {**fault, "created": parts.moment(fault["created"])}
    return body


def full(call: Call, row: Any) -> dict[str, Any]:
    """Return a volume with its owner, and for an administrator with where it is."""
    body = {**created(call, row), "os-vol-tenant-attr:tenant_id": row.project_id}
    if call.ctx.is_admin:
        body["os-vol-host-attr:host"] = row.host
        body["os-vol-mig-status-attr:migstat"] = None
        body["os-vol-mig-status-attr:name_id"] = None
    return body
