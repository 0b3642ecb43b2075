"""Flavors: https://docs.openstack.org/api-ref/compute/#flavors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from iaas.api.compute import paging
from iaas.api.compute.schemas import flavors as schemas
from iaas.api.compute.views import flavors as views
from iaas.common import errors
from iaas.common.rest.operations import Call, Resource
from iaas.common.rest.schemas import to_bool, to_int
from iaas.compute.api import flavors as core

resource = Resource()

_LIST = {"2.1": schemas.LIST, "2.75": schemas.LIST_2_75}
#: sort_key → column
SORT = {
    "flavorid": "id",
    "id": "id",
    "name": "name",
    "memory_mb": "memory_mb",
    "vcpus": "vcpus",
    "root_gb": "disk_gb",
    "ephemeral_gb": "ephemeral_gb",
    "swap": "swap_mb",
    "rxtx_factor": "rxtx_factor",
    "is_public": "is_public",
    "disabled": "disabled",
    "created_at": "created_at",
}


@resource.operation("GET", "/flavors", policy="compute:flavors:read", query=_LIST)
def index(call: Call) -> dict[str, Any]:
    """List flavors."""
    return _page(call, "/flavors", views.short)


@resource.operation("GET", "/flavors/detail", policy="compute:flavors:read", query=_LIST)
def detail(call: Call) -> dict[str, Any]:
    """List flavors with all they have."""
    return _page(call, "/flavors/detail", views.full)


@resource.operation("GET", "/flavors/{flavor_id}", policy="compute:flavors:read")
def show(call: Call) -> dict[str, Any]:
    """Show a flavor."""
    return {"flavor": views.full(call, core.show(call.clients, call.ctx, call.path["flavor_id"]))}


@resource.operation(
    "POST",
    "/flavors",
    policy="compute:flavors:manage",
    body={"2.1": schemas.CREATE, "2.55": schemas.CREATE_2_55},
)
def create(call: Call) -> dict[str, Any]:
    """Create a flavor."""
    wanted = call.body["flavor"]
    new = core.NewFlavor(
        name=wanted["name"],
        id=_id(wanted.get("id")),
        memory_mb=to_int(wanted["ram"], 1, name="ram"),
        vcpus=to_int(wanted["vcpus"], 1, name="vcpus"),
        disk_gb=to_int(wanted["disk"], 0, name="disk"),
        ephemeral_gb=to_int(wanted.get("OS-FLV-EXT-DATA:ephemeral", 0), 0, name="ephemeral"),
        swap_mb=to_int(wanted.get("swap", 0), 0, name="swap"),
        rxtx_factor=_factor(wanted.get("rxtx_factor", 1.0)),
        is_public=to_bool(wanted.get("os-flavor-access:is_public", True)),
        description=wanted.get("description"),
    )
    return {"flavor": views.full(call, core.create(call.clients, call.ctx, new))}


@resource.operation(
    "PUT",
    "/flavors/{flavor_id}",
    policy="compute:flavors:manage",
    first="2.55",
    body={"2.55": schemas.UPDATE_2_55},
)
def update(call: Call) -> dict[str, Any]:
    """Change a flavor's description."""
    description = call.body["flavor"]["description"]
    return {"flavor": views.full(call, core.update(call.clients, call.ctx, call.path["flavor_id"], description))}


@resource.operation("DELETE", "/flavors/{flavor_id}", policy="compute:flavors:manage", status=202)
def delete(call: Call) -> None:
    """Delete a flavor."""
    core.delete(call.clients, call.ctx, call.path["flavor_id"])


def _page(call: Call, path: str, view: Callable[[Call, Any], dict[str, Any]]) -> dict[str, Any]:
    limit = paging.limit(call)
    rows = core.index(
        call.clients,
        call.ctx,
        public=_public(call.param("is_public")),
        min_disk_gb=_least(call, "minDisk"),
        min_memory_mb=_least(call, "minRam"),
        sort=paging.sort(call, SORT, ("id", "asc")),
        limit=limit,
        marker=call.param("marker"),
    )
    found: dict[str, Any] = {"flavors": [view(call, row) for row in rows]}
    if rows and len(rows) == limit:
        found["flavors_links"] = paging.next_links(call, path, rows[-1].id)
    return found


def _public(text: str | None) -> bool | None:
    """Which flavors an administrator asks for: public ones by default, all where it says none."""
    if text is None:
        return True
    if text.lower() == "none":
        return None
    if text.lower() in ("true", "t", "1", "yes", "y", "on"):
        return True
    if text.lower() in ("false", "f", "0", "no", "n", "off"):
        return False
    raise errors.Invalid(reason=f"Invalid is_public filter [{text[:64]}]")


def _least(call: Call, name: str) -> int:
    text = call.param(name, "0") or ""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise errors.Invalid(reason=f"{name} must be a whole number, not {text[:64]!r}.")
    return int(text)


def _id(wanted: str | int | None) -> str | None:
    return None if wanted in (None, "auto") else str(wanted)


def _factor(wanted: float | str) -> float:
    factor = float(wanted)
    if factor <= 0:
        raise errors.Invalid(reason="rxtx_factor must be greater than 0.")
    return factor
