"""Version discovery: https://docs.openstack.org/api-ref/block-storage/v3/#api-versions."""

from __future__ import annotations

from typing import Any

from iaas.api.volume.microversions import HIGHEST, LOWEST
from iaas.common.rest.operations import PUBLIC, Call, Resource

ID = "v3.0"
UPDATED = "2016-02-08T12:20:21Z"  # when version 3 was published; microversions change nothing here

#: served at these paths as they are, before any prefix
roots = Resource()
#: served behind the prefix, with and without the project
resource = Resource()


@roots.operation("GET", "/", policy=PUBLIC, status=300)
def index(call: Call) -> dict[str, Any]:
    """List the versions of this API."""
    return {"versions": [_version(call)]}


@roots.operation("GET", "/v3", policy=PUBLIC)
@resource.operation("GET", "/", policy=PUBLIC)
def show(call: Call) -> dict[str, Any]:
    """Show version 3 and the microversions it has."""
    return {"versions": [_version(call)]}


def _version(call: Call) -> dict[str, Any]:
    return {
        "id": ID,
        "status": "CURRENT",
        "version": str(HIGHEST),
        "min_version": str(LOWEST),
        "updated": UPDATED,
        "links": [
            {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"},
            {"rel": "self", "href": f"{call.base_url}/v3/"},
        ],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"}],
    }
