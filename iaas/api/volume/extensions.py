"""Extensions, which clients of old ask for: https://docs.openstack.org/api-ref/block-storage/v3/#api-extensions."""

from __future__ import annotations

from typing import Any

from iaas.common.rest.operations import Call, Resource

resource = Resource()
#: alias: name, what it adds, since when; only what is served
EXTENSIONS = {
    "os-availability-zone": ("AvailabilityZones", "The zones volumes can be in.", "2013-06-27"),
    "os-quota-sets": ("Quotas", "What a project may use.", "2011-08-08"),
    "os-services": ("Services", "The workers behind this API.", "2012-10-28"),
    "os-types-extra-specs": ("TypesExtraSpecs", "What a type asks of its back-end.", "2011-08-24"),
    "os-types-manage": ("TypesManage", "Making and deleting types.", "2011-08-24"),
    "os-vol-host-attr": ("VolumeHostAttribute", "The host of a volume, for administrators.", "2011-11-03"),
    "os-vol-tenant-attr": ("VolumeTenantAttribute", "The project of a volume.", "2011-11-03"),
}


@resource.operation("GET", "/extensions", policy="volume:extensions:read")
def index(_call: Call) -> dict[str, Any]:
    """List the extensions that are served."""
    shown = [
        {"alias": alias, "name": name, "description": text, "updated": f"{since}T00:00:00+00:00", "links": []}
        for alias, (name, text, since) in EXTENSIONS.items()
    ]
    return {"extensions": shown}
