"""Regions and zones: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-regions-availability-zones.html"""

from __future__ import annotations

from typing import Any

from iaas.api.ec2 import errors, filters
from iaas.api.ec2.action import Actions, Call
from iaas.compute.api import hosts

actions = Actions()
NOT_NEEDED = "opt-in-not-required"

REGION_FILTERS: dict[str, filters.Read] = {
    "endpoint": lambda region: [region["regionEndpoint"]],
    "opt-in-status": lambda region: [region["optInStatus"]],
    "region-name": lambda region: [region["regionName"]],
}
ZONE_FILTERS: dict[str, filters.Read] = {
    "opt-in-status": lambda zone: [zone["optInStatus"]],
    "region-name": lambda zone: [zone["regionName"]],
    "state": lambda zone: [zone["zoneState"]],
    "zone-id": lambda zone: [zone["zoneId"]],
    "zone-name": lambda zone: [zone["zoneName"]],
    "zone-type": lambda zone: [zone["zoneType"]],
}


@actions.action("DescribeRegions", policy="compute:zones:index")
def describe_regions(call: Call) -> dict[str, Any]:
    """Show the one region of this cloud."""
    settings = call.clients.settings
    name = settings.identity.region
    wanted = call.params.get("RegionName", [])
    if set(wanted) - {name}:
        unknown = ", ".join(sorted(set(wanted) - {name}))[:200]
        raise errors.InvalidParameterValue(name="RegionName", reason=f"there is no region {unknown}")
    region = {
        "regionName": name,
        "regionEndpoint": f"{settings.api.public_host}:{settings.api.ec2_port}",
        "optInStatus": NOT_NEEDED,
    }
    matches = filters.matcher(filters.wanted(call.params), REGION_FILTERS)
    return {"regionInfo": [region] if matches(region) else []}


@actions.action("DescribeAvailabilityZones", policy="compute:zones:index")
def describe_availability_zones(call: Call) -> dict[str, Any]:
    """Show the zones instances can be launched in."""
    region = call.clients.settings.identity.region
    zones = [
        {
            "zoneName": zone.name,
            "zoneId": zone.name,
            "zoneState": "available" if zone.available else "unavailable",
            "zoneType": "availability-zone",
            "regionName": region,
            "groupName": region,
            "optInStatus": NOT_NEEDED,
            "messageSet": [],
        }
        for zone in hosts.zones(call.clients, call.ctx)
        if zone.name != hosts.INTERNAL
    ]
    matches = filters.matcher(filters.wanted(call.params), ZONE_FILTERS)
    for name in ("ZoneName", "ZoneId"):
        wanted = call.params.get(name, [])
        unknown = sorted(set(wanted) - {zone["zoneName"] for zone in zones})
        if unknown:
            reason = f"there is no zone {', '.join(unknown)[:200]}"
            raise errors.InvalidParameterValue(name=name, reason=reason)
        zones = [zone for zone in zones if not wanted or zone["zoneName"] in wanted]
    return {"availabilityZoneInfo": [zone for zone in zones if matches(zone)]}
