"""Metadata of servers: https://docs.openstack.org/api-ref/compute/#server-metadata-servers-metadata"""

from __future__ import annotations

from typing import Any

from iaas.api.compute.schemas import servers as schemas
from iaas.api.compute.servers import server_id
from iaas.common import errors
from iaas.common.rest.operations import Call, Resource
from iaas.compute.api import listing
from iaas.compute.api import servers as core

resource = Resource()
PATH = "/servers/{server_id}/metadata"
ITEM = PATH + "/{key}"
WRITE = "compute:servers:metadata"


@resource.operation("GET", PATH, policy="compute:servers:show")
def index(call: Call) -> Any:
    """Show a server's metadata."""
    return {"metadata": listing.metadata(call.clients, call.ctx, server_id(call))}


@resource.operation("POST", PATH, policy=WRITE, body={"2.1": schemas.SET_METADATA})
def create(call: Call) -> Any:
    """Add or change items of a server's metadata."""
    items = call.body["metadata"]
    return {"metadata": core.set_metadata(call.clients, call.ctx, server_id(call), items, replace=False)}


@resource.operation("PUT", PATH, policy=WRITE, body={"2.1": schemas.SET_METADATA})
def replace(call: Call) -> Any:
    """Replace a server's metadata."""
    items = call.body["metadata"]
    return {"metadata": core.set_metadata(call.clients, call.ctx, server_id(call), items, replace=True)}


@resource.operation("GET", ITEM, policy="compute:servers:show")
def show(call: Call) -> Any:
    """Show one item of a server's metadata."""
    key = call.path["key"]
    items = listing.metadata(call.clients, call.ctx, server_id(call))
    if key not in items:
        raise errors.NotFound(what="Metadata item", id=key)
    return {"meta": {key: items[key]}}


@resource.operation("PUT", ITEM, policy=WRITE, body={"2.1": schemas.SET_META})
def update(call: Call) -> Any:
    """Add or change one item of a server's metadata."""
    key, items = call.path["key"], call.body["meta"]
    if key not in items:
        raise errors.Invalid(reason="Request body and URI mismatch: the item's name differs.")
    core.set_metadata(call.clients, call.ctx, server_id(call), items, replace=False)
    return {"meta": items}


@resource.operation("DELETE", ITEM, policy=WRITE, status=204)
def delete(call: Call) -> None:
    """Remove one item of a server's metadata."""
    core.delete_metadata(call.clients, call.ctx, server_id(call), call.path["key"])
