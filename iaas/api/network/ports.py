"""The ports resource: https://docs.openstack.org/api-ref/network/v2/#ports."""

from __future__ import annotations

from functools import partial
from typing import Any

from iaas.api.network import words
from iaas.api.network.schemas import ports as schemas
from iaas.api.network.views import ports as views
from iaas.common import errors
from iaas.common.rest.operations import Call, Resource
from iaas.common.rest.schemas import to_bool
from iaas.network.api import ports as core
from iaas.network.api.pairs import Pair, mac

resource = Resource()
COLUMNS = words.Columns(
    text={"id": "id", "name": "name", "project_id": "project_id", "tenant_id": "project_id", "mac_address": "mac",
          "network_id": "network_id", "device_id": "device_id", "device_owner": "device_owner", "status": "status",
          "description": "description", "binding:host_id": "host"},
    flags={"admin_state_up": "admin_state_up", "port_security_enabled": "port_security"},
    numbers={"revision_number": "revision"},
    special=("fixed_ips", "security_groups", "security_group_id"),
)  # fmt: skip
_PLAIN = {
    "name": "name",
    "description": "description",
    "device_id": "device_id",
    "device_owner": "device_owner",
    "binding:vnic_type": "vnic_type",
}
_ADDRESS = {"ip_address": "address", "subnet_id": "subnet_id"}


def _view(call: Call) -> words.View:
    return partial(views.port, binding=call.clients.policy.allows(call.ctx, "network:ports:see:binding"))


def _fields(call: Call, wanted: dict[str, Any]) -> dict[str, Any]:
    words.guard(call, "ports", wanted, ("binding:host_id", "binding:profile"))
    _check_owner(call, wanted)
    fields: dict[str, Any] = {column: wanted[name] for name, column in _PLAIN.items() if name in wanted}
    for name, column in (("admin_state_up", "admin_state_up"), ("port_security_enabled", "port_security")):
        if name in wanted:
            fields[column] = to_bool(wanted[name])
    if wanted.get("mac_address") is not None:
        fields["mac"] = mac(wanted["mac_address"])
    if wanted.get("fixed_ips") is not None:
        asked = [core.Fixed(item.get("subnet_id"), item.get("ip_address")) for item in wanted["fixed_ips"]]
        fields["fixed"] = tuple(asked)
    if wanted.get("security_groups") is not None:
        fields["group_ids"] = tuple(wanted["security_groups"])
    if "allowed_address_pairs" in wanted:
        pairs = wanted["allowed_address_pairs"] or ()
        fields["allowed_pairs"] = tuple(Pair(pair["ip_address"], pair.get("mac_address", "")) for pair in pairs)
    return fields


def _check_owner(call: Call, wanted: dict[str, Any]) -> None:
    """An owner that means something to the cloud is not for users to say (OSSA-2015-018)."""
    owner = wanted.get("device_owner", "")
    if owner.startswith(("network:", "neutron:", "compute:")):
        call.clients.policy.check(call.ctx, "network:ports:set:device_owner")
    if owner.startswith("compute:"):
        raise errors.Invalid(reason="A port gets an owner 'compute:…' by being given to a server; ask compute for it.")


def _filters(call: Call) -> list[Any]:
    found = []
    equal: dict[str, list[str]] = {}
    for text in call.query.get("fixed_ips", ()):
        name, equals, value = text.partition("=")
        if not equals or name not in _ADDRESS:
            raise errors.Invalid(reason=f"Invalid filter fixed_ips={text[:64]}; write ip_address=… or subnet_id=….")
        equal.setdefault(_ADDRESS[name], []).append(value)
    if equal:
        found.append(core.with_address(equal))
    groups = [value for name in ("security_groups", "security_group_id") for value in call.query.get(name, ())]
    if groups:
        found.append(core.in_group(groups))
    return found


@resource.operation("GET", "/ports", policy="network:ports:read")
def index(call: Call) -> dict[str, Any]:
    """List ports."""
    if "binding:host_id" in call.query:
        call.clients.policy.check(call.ctx, "network:ports:see:binding")
    page = core.page(call.clients, call.ctx, words.asked(call, COLUMNS), *_filters(call))
    return words.listed(call, "ports", page, _view(call))


@resource.operation("POST", "/ports", policy="network:ports:create", body=schemas.CREATE, status=201)
def create(call: Call) -> dict[str, Any]:
    """Create one port or several."""
    items, bulk = words.items(call, "port", "ports")
    new = [core.NewPort(item["network_id"], words.project_of(call, item), **_fields(call, item)) for item in items]
    rows = [_view(call)(port) for port in core.create(call.clients, call.ctx, new)]
    return words.made(rows, bulk, "port", "ports")


@resource.operation("GET", "/ports/{port_id}", policy="network:ports:read")
def show(call: Call) -> dict[str, Any]:
    """Show a port."""
    found = core.show(call.clients, call.ctx, call.path["port_id"])
    return {"port": words.chosen(call, _view(call)(found))}


@resource.operation("PUT", "/ports/{port_id}", policy="network:ports:update", body=schemas.UPDATE)
def update(call: Call) -> dict[str, Any]:
    """Change a port."""
    changes = _fields(call, call.body["port"])
    return {"port": _view(call)(core.update(call.clients, call.ctx, call.path["port_id"], changes))}


@resource.operation("DELETE", "/ports/{port_id}", policy="network:ports:delete", status=204)
def delete(call: Call) -> None:
    """Delete a port that no server uses."""
    core.delete(call.clients, call.ctx, call.path["port_id"])
