"""The volumes resource: https://docs.openstack.org/api-ref/block-storage/v3/#volumes-volumes."""

from __future__ import annotations

import ast
from typing import Any

from iaas.api.volume import paging
from iaas.api.volume.schemas import volumes as schemas
from iaas.api.volume.views import volumes as views
from iaas.common import errors
from iaas.common.rest.operations import Call, Resource
from iaas.common.rest.schemas import to_bool, to_int
from iaas.volume.api import volumes as core

resource = Resource()

SORT = {
    "created_at": "created_at", "updated_at": "updated_at", "id": "id", "name": "name", "display_name": "name",
    "size": "size_gb", "status": "status", "availability_zone": "zone", "bootable": "bootable",
}  # fmt: skip
FILTERS = {"name": "name", "display_name": "name", "status": "status", "availability_zone": "zone",
           "volume_type": "type_name", "user_id": "user_id"}  # fmt: skip
MAX_FILTER = 4096


@resource.operation("POST", "/volumes", policy="volume:volumes:create", body={"3.0": schemas.CREATE}, status=202)
def create(call: Call) -> dict[str, Any]:
    """Ask for a volume."""
    wanted = call.body["volume"]
    new = core.NewVolume(
        size_gb=_size(wanted),
        type=wanted.get("volume_type") or None,
        zone=wanted.get("availability_zone"),
        metadata=wanted.get("metadata") or {},
        **_words(wanted),
    )
    try:
        row = core.create(call.clients, call.ctx, new)
    except errors.QuotaExceeded as error:  # this API answers 413 where the others answer 403
        raise errors.TooLarge(reason=error.message) from error
    return {"volume": views.created(call, row)}


@resource.operation("GET", "/volumes", policy="volume:volumes:index", query={"3.0": schemas.LIST})
def index(call: Call) -> dict[str, Any]:
    """List volumes in brief."""
    return _list(call, views.brief)


@resource.operation("GET", "/volumes/detail", policy="volume:volumes:index", query={"3.0": schemas.LIST})
def detail(call: Call) -> dict[str, Any]:
    """List volumes in full."""
    return _list(call, views.full)


@resource.operation("GET", "/volumes/{volume_id}", policy="volume:volumes:show")
def show(call: Call) -> dict[str, Any]:
    """Show a volume."""
    return {"volume": views.full(call, core.show(call.clients, call.ctx, call.path["volume_id"]))}


@resource.operation("PUT", "/volumes/{volume_id}", policy="volume:volumes:update", body={"3.0": schemas.UPDATE})
def update(call: Call) -> dict[str, Any]:
    """Change a volume's name, description or metadata."""
    wanted = call.body["volume"]
    changes: dict[str, Any] = _words(wanted)
    if wanted.get("metadata") is not None:
        changes["metadata"] = wanted["metadata"]
    return {"volume": views.created(call, core.update(call.clients, call.ctx, call.path["volume_id"], changes))}


@resource.operation("DELETE", "/volumes/{volume_id}", policy="volume:volumes:delete", status=202)
def delete(call: Call) -> None:
    """Delete a volume."""
    core.delete(call.clients, call.ctx, call.path["volume_id"])


def _size(wanted: dict[str, Any]) -> int:
    for name in schemas.SOURCES:
        if wanted.get(name) is not None:
            raise errors.NotImplementedHere(what=f"Making a volume with {name}")
    if to_bool(wanted.get("multiattach")):
        raise errors.NotImplementedHere(what="A volume with multiattach")
    if wanted.get("size") is None:
        raise errors.Invalid(reason="The size of the volume is missing.")
    return to_int(wanted["size"], 1, core.MAX_SIZE_GB, name="size")


def _words(wanted: dict[str, Any]) -> dict[str, Any]:
    """Return name and description, under today's names or version 1's; the latter win, as published."""
    found = {}
    for name in ("name", "description"):
        for key in (name, f"display_{name}"):
            if key in wanted:
                found[name] = wanted[key].strip() if wanted[key] is not None else None
    return found


def _list(call: Call, view: Any) -> dict[str, Any]:
    size = paging.limit(call)
    rows = core.index(
        call.clients,
        call.ctx,
        core.Listing(
            project_id=_project(call),
            equal=_equal(call),
            metadata=_metadata(call.param("metadata")),
            sort=paging.sort(call, SORT),
            limit=size,
            marker=call.param("marker"),
            offset=int(call.param("offset") or 0),
        ),
    )
    body: dict[str, Any] = {"volumes": [view(call, row) for row in rows]}
    following = paging.links(call, rows, size)
    if following:
        body["volumes_links"] = following
    return body


def _project(call: Call) -> str | None:
    """Return whose volumes are listed; who may not see all projects' sees the own ones."""
    everyone = to_bool((call.param("all_tenants") or "").lower())
    if everyone and call.clients.policy.allows(call.ctx, "volume:volumes:index:all_projects"):
        return call.param("project_id") or call.param("tenant_id")
    return call.ctx.project_id or ""


def _equal(call: Call) -> dict[str, Any]:
    found: dict[str, Any] = {column: call.param(name) for name, column in FILTERS.items() if name in call.query}
    if call.ctx.is_admin and "host" in call.query:
        found["host"] = call.param("host")
    bootable = call.param("bootable")
    if bootable is not None:
        found["bootable"] = _bootable(call, bootable)
    return found


def _bootable(call: Call, text: str) -> bool:
    if text.lower() in ("true", "t", "1"):
        return True
    if text.lower() in ("false", "f", "0") and (call.at_least("3.2") or text.lower() == "false"):
        return False
    if call.at_least("3.2"):
        raise errors.Invalid(reason=f"Invalid input received: bootable={text[:64]}")
    return True


def _metadata(text: str | None) -> dict[str, str]:
    """Return the pairs of a metadata filter: a dictionary as Python writes it, which is how clients send it."""
    if not text:
        return {}
    try:
        if len(text) > MAX_FILTER:
            raise ValueError
        pairs = ast.literal_eval(text)
        if not isinstance(pairs, dict) or not all(isinstance(word, str) for pair in pairs.items() for word in pair):
            raise ValueError
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise errors.Invalid(reason="metadata must be a dictionary of texts, like {'key': 'value'}.") from None
    return pairs
