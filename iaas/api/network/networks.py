"""The networks resource: https://docs.openstack.org/api-ref/network/v2/#networks."""

from __future__ import annotations

from functools import partial
from typing import Any

from iaas.api.network import words
from iaas.api.network.schemas import networks as schemas
from iaas.api.network.views import networks as views
from iaas.common.rest.operations import Call, Resource
from iaas.common.rest.schemas import to_bool, to_int
from iaas.network.api import networks as core
from iaas.network.policies import NETWORK_ADMIN

resource = Resource()
COLUMNS = words.Columns(
    text={"id": "id", "name": "name", "project_id": "project_id", "tenant_id": "project_id",
          "description": "description", "provider:network_type": "type"},
    flags={"admin_state_up": "admin_state_up", "shared": "shared", "router:external": "external",
           "is_default": "is_default", "port_security_enabled": "port_security"},
    numbers={"mtu": "mtu", "revision_number": "revision"},
    special=("status",),
)  # fmt: skip
_FLAGS = {
    "admin_state_up": "admin_state_up",
    "shared": "shared",
    "router:external": "external",
    "is_default": "is_default",
    "port_security_enabled": "port_security",
}


def _view(call: Call) -> words.View:
    return partial(views.network, provider=call.clients.policy.allows(call.ctx, "network:networks:see:provider"))


def _fields(call: Call, wanted: dict[str, Any]) -> dict[str, Any]:
    words.guard(call, "networks", wanted, NETWORK_ADMIN)
    fields: dict[str, Any] = {name: wanted[name] for name in ("name", "description") if name in wanted}
    fields.update({column: to_bool(wanted[name]) for name, column in _FLAGS.items() if name in wanted})
    if "mtu" in wanted:
        fields["mtu"] = to_int(wanted["mtu"], 68, 9000, name="mtu")
    return fields


@resource.operation("GET", "/networks", policy="network:networks:read")
def index(call: Call) -> dict[str, Any]:
    """List networks."""
    asked = words.asked(call, COLUMNS)
    page = core.page(call.clients, call.ctx, asked)
    statuses = call.query.get("status")
    if statuses and views.STATUS not in statuses:
        page = core.listing.Page([], False)
    return words.listed(call, "networks", page, _view(call))


@resource.operation("POST", "/networks", policy="network:networks:create", body=schemas.CREATE, status=201)
def create(call: Call) -> dict[str, Any]:
    """Create one network or several."""
    items, bulk = words.items(call, "network", "networks")
    new = []
    for item in items:
        fields = _fields(call, item)
        new.append(core.NewNetwork(fields.pop("name", ""), words.project_of(call, item), **fields))
    rows = [_view(call)(network) for network in core.create(call.clients, call.ctx, new)]
    return words.made(rows, bulk, "network", "networks")


@resource.operation("GET", "/networks/{network_id}", policy="network:networks:read")
def show(call: Call) -> dict[str, Any]:
    """Show a network."""
    found = core.show(call.clients, call.ctx, call.path["network_id"])
    return {"network": words.chosen(call, _view(call)(found))}


@resource.operation("PUT", "/networks/{network_id}", policy="network:networks:update", body=schemas.UPDATE)
def update(call: Call) -> dict[str, Any]:
    """Change a network."""
    changes = _fields(call, call.body["network"])
    return {"network": _view(call)(core.update(call.clients, call.ctx, call.path["network_id"], changes))}


@resource.operation("DELETE", "/networks/{network_id}", policy="network:networks:delete", status=204)
def delete(call: Call) -> None:
    """Delete a network and its subnets."""
    core.delete(call.clients, call.ctx, call.path["network_id"])
