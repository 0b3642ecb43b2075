"""The metadata of a volume: https://docs.openstack.org/api-ref/block-storage/v3/#volumes-volumes."""

from __future__ import annotations

from typing import Any

from iaas.api.volume.schemas import volumes as schemas
from iaas.common import errors
from iaas.common.rest.operations import Call, Resource
from iaas.volume.api import volumes as core

resource = Resource()
ALL, ONE = "/volumes/{volume_id}/metadata", "/volumes/{volume_id}/metadata/{key}"
CHANGE = "volume:volumes:metadata"


@resource.operation("GET", ALL, policy="volume:volumes:show")
def index(call: Call) -> dict[str, Any]:
    """List a volume's metadata."""
    return {"metadata": core.metadata_of(_volume(call))}


@resource.operation("POST", ALL, policy=CHANGE, body={"3.0": schemas.ITEMS})
def create(call: Call) -> dict[str, Any]:
    """Add metadata to a volume, or change some."""
    changed = core.merge_metadata(call.clients, call.ctx, call.path["volume_id"], call.body["metadata"])
    return {"metadata": changed}


@resource.operation("PUT", ALL, policy=CHANGE, body={"3.0": schemas.ITEMS})
def replace(call: Call) -> dict[str, Any]:
    """Give a volume these metadata and no others."""
    changed = core.replace_metadata(call.clients, call.ctx, call.path["volume_id"], call.body["metadata"])
    return {"metadata": changed}


@resource.operation("GET", ONE, policy="volume:volumes:show")
def show(call: Call) -> dict[str, Any]:
    """Show one item of a volume's metadata."""
    key = call.path["key"]
    return {"meta": {key: core.item_of(_volume(call), key)}}


@resource.operation("PUT", ONE, policy=CHANGE, body={"3.0": schemas.ITEM})
def update(call: Call) -> dict[str, Any]:
    """Set one item of a volume's metadata."""
    key, item = call.path["key"], call.body["meta"]
    if key not in item:
        raise errors.Invalid(reason="Request body and URI mismatch: the body names another key.")
    core.merge_metadata(call.clients, call.ctx, call.path["volume_id"], item)
    return {"meta": item}


@resource.operation("DELETE", ONE, policy=CHANGE)
def delete(call: Call) -> None:
    """Remove one item of a volume's metadata."""
    core.remove_item(call.clients, call.ctx, call.path["volume_id"], call.path["key"])


def _volume(call: Call) -> Any:
    return core.show(call.clients, call.ctx, call.path["volume_id"])
