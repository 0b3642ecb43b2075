"""The security groups resource: https://docs.openstack.org/api-ref/network/v2/#security-groups."""

from __future__ import annotations

from typing import Any

from iaas.api.network import words
from iaas.api.network.schemas import security_groups as schemas
from iaas.api.network.views import security_groups as views
from iaas.common.rest.operations import Call, Resource
from iaas.common.rest.schemas import to_bool
from iaas.network.api import security_groups as core

resource = Resource()
COLUMNS = words.Columns(
    text={"id": "id", "name": "name", "project_id": "project_id", "tenant_id": "project_id",
          "description": "description"},
    flags={"stateful": "stateful"},
    numbers={"revision_number": "revision"},
    special=("shared",),
)  # fmt: skip


def _fields(wanted: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {name: wanted[name] for name in ("name", "description") if name in wanted}
    if "stateful" in wanted:
        fields["stateful"] = to_bool(wanted["stateful"])
    return fields


@resource.operation("GET", "/security-groups", policy="network:security_groups:read")
def index(call: Call) -> dict[str, Any]:
    """List security groups."""
    page = core.page(call.clients, call.ctx, words.asked(call, COLUMNS))
    if any(to_bool(value) for value in call.query.get("shared", ())):
        page = core.listing.Page([], False)  # groups are not shared between projects here
    return words.listed(call, "security-groups", page, views.group)


@resource.operation(
    "POST", "/security-groups", policy="network:security_groups:create", body=schemas.CREATE, status=201
)
def create(call: Call) -> dict[str, Any]:
    """Create one security group or several."""
    items, bulk = words.items(call, "security_group", "security_groups")
    new = [core.NewGroup(**_fields(item), project_id=words.project_of(call, item)) for item in items]
    rows = [views.group(group) for group in core.create(call.clients, call.ctx, new)]
    return words.made(rows, bulk, "security_group", "security_groups")


@resource.operation("GET", "/security-groups/{group_id}", policy="network:security_groups:read")
def show(call: Call) -> dict[str, Any]:
    """Show a security group."""
    found = core.show(call.clients, call.ctx, call.path["group_id"])
    return {"security_group": words.chosen(call, views.group(found))}


@resource.operation("PUT", "/security-groups/{group_id}", policy="network:security_groups:update", body=schemas.UPDATE)
def update(call: Call) -> dict[str, Any]:
    """Change a security group."""
    changes = _fields(call.body["security_group"])
    return {"security_group": views.group(core.update(call.clients, call.ctx, call.path["group_id"], changes))}


@resource.operation("DELETE", "/security-groups/{group_id}", policy="network:security_groups:delete", status=204)
def delete(call: Call) -> None:
    """Delete a security group."""
    core.delete(call.clients, call.ctx, call.path["group_id"])
