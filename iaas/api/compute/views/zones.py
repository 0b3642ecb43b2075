"""Availability zones in the words of Compute."""

from __future__ import annotations

from typing import Any

from iaas.api.compute.views import services
from iaas.common.rest import wire
from iaas.compute.api.hosts import Zone


def short(zone: Zone) -> dict[str, Any]:
    """A zone as everybody sees it."""
    return {"zoneName": zone.name, "zoneState": {"available": zone.available}, "hosts": None}


def full(zone: Zone) -> dict[str, Any]:
    """A zone with its hosts and their services."""
    hosts: dict[str, dict[str, Any]] = {}
    for service in zone.services:
        hosts.setdefault(service.row.host, {})[services.shown_name(service.row.binary)] = {
            "active": not service.row.disabled,
            "available": service.up,
            "updated_at": wire.micros(service.row.seen_at),
        }
    return {**short(zone), "hosts": hosts}
