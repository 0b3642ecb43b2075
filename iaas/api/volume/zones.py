"""Availability zones: https://docs.openstack.org/api-ref/block-storage/v3/#availability-zones."""

from __future__ import annotations

from typing import Any

from iaas.common.rest.operations import Call, Resource
from iaas.volume.api import services as core

resource = Resource()


@resource.operation("GET", "/os-availability-zone", policy="volume:zones:read")
def index(call: Call) -> dict[str, Any]:
    """List the zones volumes can be in."""
    zones = sorted(core.zones(call.clients, call.ctx).items())
    return {"availabilityZoneInfo": [{"zoneName": name, "zoneState": {"available": up}} for name, up in zones]}
