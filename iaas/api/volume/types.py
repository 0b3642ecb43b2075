"""Volume types: https://docs.openstack.org/api-ref/block-storage/v3/#volume-types-types."""

from __future__ import annotations

from typing import Any

from iaas.api.volume import paging
from iaas.api.volume.schemas import types as schemas
from iaas.api.volume.views import types as views
from iaas.common import errors
from iaas.common.rest.operations import Call, Resource
from iaas.common.rest.schemas import to_bool
from iaas.volume.api import types as core

resource = Resource()
READ, MANAGE = "volume:types:read", "volume:types:manage"
SORT = {"created_at": "created_at", "id": "id", "name": "name"}


@resource.operation("GET", "/types", policy=READ, query={"3.0": schemas.LIST})
def index(call: Call) -> dict[str, Any]:
    """List volume types."""
    size = paging.limit(call)
    rows = core.index(
        call.clients,
        call.ctx,
        is_public=_is_public(call),
        sort=paging.sort(call, SORT),
        limit=size,
        marker=call.param("marker"),
    )
    body: dict[str, Any] = {"volume_types": [views.show(call, row) for row in rows]}
    following = paging.links(call, rows, size)
    if following:
        body["volume_type_links"] = following
    return body


@resource.operation("GET", "/types/default", policy=READ)
def show_default(call: Call) -> dict[str, Any]:
    """Show the type of volumes that ask for none."""
    return {"volume_type": views.show(call, core.show_default(call.clients, call.ctx))}


@resource.operation("GET", "/types/{type_id}", policy=READ)
def show(call: Call) -> dict[str, Any]:
    """Show a volume type."""
    return {"volume_type": views.show(call, core.show(call.clients, call.ctx, call.path["type_id"]))}


@resource.operation("POST", "/types", policy=MANAGE, body={"3.0": schemas.CREATE})
def create(call: Call) -> dict[str, Any]:
    """Make a volume type."""
    wanted = call.body["volume_type"]
    row = core.create(
        call.clients,
        call.ctx,
        name=wanted["name"].strip(),
        description=wanted.get("description"),
        is_public=to_bool(wanted.get("os-volume-type-access:is_public", True)),
        extra_specs=wanted.get("extra_specs"),
    )
    return {"volume_type": views.show(call, row)}


@resource.operation("DELETE", "/types/{type_id}", policy=MANAGE, status=202)
def delete(call: Call) -> None:
    """Delete a volume type no volume has."""
    core.delete(call.clients, call.ctx, call.path["type_id"])


def _is_public(call: Call) -> bool | None:
    """Return which types are listed: public ones, unless an administrator asks for others (``None`` is all)."""
    text = call.param("is_public")
    if not call.ctx.is_admin or text is None:
        return True
    if text.lower() == "none":
        return None
    if text.lower() not in ("true", "t", "yes", "1", "false", "f", "no", "0"):
        raise errors.Invalid(reason=f"Invalid is_public filter [{text[:64]}]")
    return text.lower() in ("true", "t", "yes", "1")
