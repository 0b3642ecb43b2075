"""Volume types as Block Storage v3 shows them.

Source: https://docs.openstack.org/api-ref/block-storage/v3/#show-volume-type-detail
"""

from __future__ import annotations

from typing import Any

from iaas.common.rest.operations import Call
from iaas.volume.api import types as core


def show(call: Call, row: Any) -> dict[str, Any]:
    """Return a type; what it asks of the back-end is for administrators."""
    body = {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "is_public": row.is_public,
        "os-volume-type-access:is_public": row.is_public,
    }
    if call.ctx.is_admin:
        body["qos_specs_id"] = None
        body["extra_specs"] = core.specs_of(row)
    return body
