"""Compute's services: https://docs.openstack.org/api-ref/compute/#compute-services-os-services.

Until 2.52 a service was changed by its host and name, and had a number; from 2.53 on it has a UUID.
"""

from __future__ import annotations

from typing import Any

from iaas.api.compute import legacy
from iaas.api.compute.schemas import services as schemas
from iaas.api.compute.views import services as views
from iaas.common import errors
from iaas.common.rest.operations import Call, Resource
from iaas.common.rest.schemas import is_uuid, to_bool
from iaas.compute.api import hosts as core
from iaas.db.hosts import ServiceNotFound

resource = Resource()
_UPDATE = "compute:services:update"


@resource.operation(
    "GET", "/os-services", policy="compute:services:read", query={"2.1": schemas.LIST, "2.75": schemas.LIST_2_75}
)
def index(call: Call) -> dict[str, Any]:
    """List compute's services."""
    wanted: dict[str, str] = {}
    host, binary = call.param("host"), call.param("binary")
    if host:
        wanted["host"] = host
    if binary:
        wanted["binary"] = views.our_name(binary)
    return {"services": [views.full(call, service) for service in core.services(call.clients, call.ctx, **wanted)]}


@resource.operation("PUT", "/os-services/enable", policy=_UPDATE, last="2.52", body={"2.1": schemas.NAMED})
def enable(call: Call) -> dict[str, Any]:
    """Let servers be placed on a host."""
    service = _change_named(call, disabled=False, disabled_reason=None)
    return {"service": views.named(service, status="enabled")}


@resource.operation("PUT", "/os-services/disable", policy=_UPDATE, last="2.52", body={"2.1": schemas.NAMED})
def disable(call: Call) -> dict[str, Any]:
    """Let no more servers be placed on a host."""
    service = _change_named(call, disabled=True, disabled_reason=None)
    return {"service": views.named(service, status="disabled")}


@resource.operation(
    "PUT", "/os-services/disable-log-reason", policy=_UPDATE, last="2.52", body={"2.1": schemas.NAMED_WITH_REASON}
)
def disable_with_reason(call: Call) -> dict[str, Any]:
    """Let no more servers be placed on a host, and say why."""
    reason = call.body["disabled_reason"]
    service = _change_named(call, disabled=True, disabled_reason=reason)
    return {"service": views.named(service, status="disabled", disabled_reason=reason)}


@resource.operation(
    "PUT", "/os-services/force-down", policy=_UPDATE, first="2.11", last="2.52", body={"2.11": schemas.FORCE_DOWN}
)
def force_down(call: Call) -> dict[str, Any]:
    """Take a host for down, or no longer."""
    forced_down = to_bool(call.body["forced_down"])
    service = _change_named(call, forced_down=forced_down)
    return {"service": views.named(service, forced_down=forced_down)}


@resource.operation("PUT", "/os-services/{service_id}", policy=_UPDATE, first="2.53", body={"2.53": schemas.UPDATE})
def update(call: Call) -> dict[str, Any]:
    """Enable or disable a host, or take it for down."""
    wanted = call.body
    changes: dict[str, Any] = {}
    if "disabled_reason" in wanted and wanted.get("status") != "disabled":
        raise errors.Invalid(reason="A disabled_reason goes with the status disabled.")
    if "status" in wanted:
        changes = {"disabled": wanted["status"] == "disabled", "disabled_reason": wanted.get("disabled_reason")}
    if "forced_down" in wanted:
        changes["forced_down"] = to_bool(wanted["forced_down"])
    if not changes:
        raise errors.Invalid(reason="Give a status or forced_down to change.")
    service = core.change_service(call.clients, call.ctx, _uuid(call), **changes)
    return {"service": views.full(call, service)}


@resource.operation("DELETE", "/os-services/{service_id}", policy=_UPDATE, status=204)
def delete(call: Call) -> None:
    """Forget a service, and the host if it is a compute host without servers."""
    service_id = _uuid(call) if call.at_least("2.53") else _numbered(call)
    core.remove_service(call.clients, call.ctx, service_id)


def _change_named(call: Call, **changes: Any) -> core.Service:
    service = core.service_on(call.clients, call.ctx, call.body["host"], views.our_name(call.body["binary"]))
    return core.change_service(call.clients, call.ctx, service.row.id, **changes)


def _uuid(call: Call) -> str:
    service_id = call.path["service_id"]
    if not is_uuid(service_id):
        raise errors.Invalid(reason=f"Invalid uuid {service_id[:64]}")
    return service_id


def _numbered(call: Call) -> str:
    """The id of the service that had this number."""
    text = call.path["service_id"]
    if not (text.isascii() and text.isdigit()):
        raise errors.Invalid(reason=f"Until 2.52 a service is named by its number, not {text[:64]!r}.")
    for service in core.services(call.clients, call.ctx):
        if legacy.number(service.row.id) == int(text[:20]):
            return service.row.id
    raise ServiceNotFound(service_id=text[:20])
