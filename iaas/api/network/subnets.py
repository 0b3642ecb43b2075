"""The subnets resource: https://docs.openstack.org/api-ref/network/v2/#subnets."""

from __future__ import annotations

from typing import Any

from iaas.api.network import words
from iaas.api.network.schemas import subnets as schemas
from iaas.api.network.views import subnets as views
from iaas.common.rest.operations import Call, Resource
from iaas.common.rest.schemas import to_bool
from iaas.network.api import subnets as core

resource = Resource()
COLUMNS = words.Columns(
    text={"id": "id", "name": "name", "project_id": "project_id", "tenant_id": "project_id",
          "network_id": "network_id", "cidr": "cidr", "gateway_ip": "gateway_ip", "description": "description"},
    flags={"enable_dhcp": "enable_dhcp"},
    numbers={"ip_version": "ip_version", "revision_number": "revision"},
)  # fmt: skip


def _fields(wanted: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {name: wanted[name] for name in ("name", "description") if name in wanted}
    if "enable_dhcp" in wanted:
        fields["enable_dhcp"] = to_bool(wanted["enable_dhcp"])
    if "gateway_ip" in wanted:
        fields["gateway"] = wanted["gateway_ip"]
    if wanted.get("allocation_pools") is not None:
        fields["pools"] = tuple((pool["start"], pool["end"]) for pool in wanted["allocation_pools"])
    if "dns_nameservers" in wanted:
        fields["dns"] = tuple(wanted["dns_nameservers"] or ())
    if "host_routes" in wanted:
        fields["routes"] = tuple((route["destination"], route["nexthop"]) for route in wanted["host_routes"] or ())
    return fields


def _new(call: Call, wanted: dict[str, Any]) -> core.NewSubnet:
    project_id = words.project_of(call, wanted) if wanted.keys() & {"project_id", "tenant_id"} else None
    version = int(wanted.get("ip_version", 6 if ":" in wanted["cidr"] else 4))
    return core.NewSubnet(wanted["network_id"], wanted["cidr"], version, project_id, **_fields(wanted))


@resource.operation("GET", "/subnets", policy="network:subnets:read")
def index(call: Call) -> dict[str, Any]:
    """List subnets."""
    page = core.page(call.clients, call.ctx, words.asked(call, COLUMNS))
    return words.listed(call, "subnets", page, views.subnet)


@resource.operation("POST", "/subnets", policy="network:subnets:create", body=schemas.CREATE, status=201)
def create(call: Call) -> dict[str, Any]:
    """Create one subnet or several."""
    items, bulk = words.items(call, "subnet", "subnets")
    rows = core.create(call.clients, call.ctx, [_new(call, item) for item in items])
    return words.made([views.subnet(row) for row in rows], bulk, "subnet", "subnets")


@resource.operation("GET", "/subnets/{subnet_id}", policy="network:subnets:read")
def show(call: Call) -> dict[str, Any]:
    """Show a subnet."""
    found = core.show(call.clients, call.ctx, call.path["subnet_id"])
    return {"subnet": words.chosen(call, views.subnet(found))}


@resource.operation("PUT", "/subnets/{subnet_id}", policy="network:subnets:update", body=schemas.UPDATE)
def update(call: Call) -> dict[str, Any]:
    """Change a subnet."""
    changes = _fields(call.body["subnet"])
    return {"subnet": views.subnet(core.update(call.clients, call.ctx, call.path["subnet_id"], changes))}


@resource.operation("DELETE", "/subnets/{subnet_id}", policy="network:subnets:delete", status=204)
def delete(call: Call) -> None:
    """Delete a subnet."""
    core.delete(call.clients, call.ctx, call.path["subnet_id"])
