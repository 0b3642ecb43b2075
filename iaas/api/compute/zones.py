"""Availability zones: https://docs.openstack.org/api-ref/compute/#availability-zones-os-availability-zone."""

from __future__ import annotations

from typing import Any

from iaas.api.compute.views import zones as views
from iaas.common.rest.operations import Call, Resource
from iaas.compute.api import hosts as core

resource = Resource()


@resource.operation("GET", "/os-availability-zone", policy="compute:zones:index")
def index(call: Call) -> dict[str, Any]:
    """List the zones servers can be placed in."""
    found = core.zones(call.clients, call.ctx)
    return {"availabilityZoneInfo": [views.short(zone) for zone in found if zone.name != core.INTERNAL]}


@resource.operation("GET", "/os-availability-zone/detail", policy="compute:zones:detail")
def detail(call: Call) -> dict[str, Any]:
    """List all zones with their hosts and services."""
    return {"availabilityZoneInfo": [views.full(zone) for zone in core.zones(call.clients, call.ctx)]}
