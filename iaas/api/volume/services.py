"""Services: https://docs.openstack.org/api-ref/block-storage/v3/#services-os-services.

Binaries have the names tools know (``cinder-volume``); a request may say those or ours.
"""

from __future__ import annotations

from typing import Any

from iaas.api.volume.schemas import services as schemas
from iaas.api.volume.views import parts
from iaas.common import errors
from iaas.common.rest.operations import Call, Resource
from iaas.volume.api import services as core

resource = Resource()
PREFIX, OURS = "cinder-", "iaas-"
MANAGE = "volume:services:manage"


@resource.operation("GET", "/os-services", policy="volume:services:read")
def index(call: Call) -> dict[str, Any]:
    """List the services of block storage."""
    binary = call.param("binary") or call.param("service")
    found = core.index(call.clients, call.ctx, binary=_ours(binary) if binary else None, host=call.param("host"))
    return {"services": [_view(service) for service in found]}


@resource.operation("PUT", "/os-services/enable", policy=MANAGE, body={"3.0": schemas.ENABLE})
def enable(call: Call) -> dict[str, Any]:
    """Let a volume service take new volumes."""
    return _set(call, enabled=True)


@resource.operation("PUT", "/os-services/disable", policy=MANAGE, body={"3.0": schemas.ENABLE})
def disable(call: Call) -> dict[str, Any]:
    """Let a volume service take no new volumes."""
    return _set(call, enabled=False)


@resource.operation("PUT", "/os-services/disable-log-reason", policy=MANAGE, body={"3.0": schemas.DISABLE_WITH_REASON})
def disable_with_reason(call: Call) -> dict[str, Any]:
    """Let a volume service take no new volumes, and say why."""
    return {**_set(call, enabled=False), "disabled_reason": call.body["disabled_reason"]}


def _set(call: Call, *, enabled: bool) -> dict[str, Any]:
    binary = call.body.get("binary") or call.body.get("service")
    if binary is None:
        raise errors.Invalid(reason="Missing required element 'binary' in request body.")
    reason = call.body.get("disabled_reason")
    service = core.set_enabled(call.clients, call.ctx, _ours(binary), call.body["host"], enabled=enabled, reason=reason)
    return {
        "host": service.host,
        "service": binary,
        "binary": binary,
        "disabled": not enabled,
        "status": "enabled" if enabled else "disabled",
    }


def _ours(binary: str) -> str:
    return OURS + binary.removeprefix(PREFIX) if binary.startswith(PREFIX) else binary


def _view(service: core.Service) -> dict[str, Any]:
    body = {
        "binary": PREFIX + service.binary.removeprefix(OURS),
        "host": service.host,
        "zone": service.zone,
        "status": "enabled" if service.enabled else "disabled",
        "state": "up" if service.up else "down",
        "updated_at": parts.moment(service.seen_at),
        "disabled_reason": service.disabled_reason,
    }
    if service.binary == core.VOLUME:
        body |= {"frozen": False, "replication_status": "disabled", "active_backend_id": None}
    return body
