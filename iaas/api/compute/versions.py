"""Version discovery: https://docs.openstack.org/api-ref/compute/#api-versions."""

from __future__ import annotations

from typing import Any

from iaas.api.compute.microversions import HIGHEST, LOWEST
from iaas.common import errors
from iaas.common.rest.operations import PUBLIC, Call, Resource

ID = "v2.1"
UPDATED = "2013-07-23T11:33:21Z"  # when 2.1 was published; microversions change nothing here

#: served at these paths as they are, before any prefix
roots = Resource()
#: served behind the prefix, with and without the project
resource = Resource()


@roots.operation("GET", "/", policy=PUBLIC)
def index(call: Call) -> dict[str, Any]:
    """List the versions of this API."""
    return {"versions": [_version(call)]}


@roots.operation("GET", "/v2.1", policy=PUBLIC)
@resource.operation("GET", "/", policy=PUBLIC)
def show(call: Call) -> dict[str, Any]:
    """Show version 2.1 and the microversions it has."""
    version = _version(call)
    version["links"].append({"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"})
    media = {"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1"}
    return {"version": {**version, "media-types": [media]}}


@resource.operation("GET", "/versions/{version_id}", policy=PUBLIC)
def show_by_id(call: Call) -> dict[str, Any]:
    """Show one version by its id."""
    if call.path["version_id"] != ID:
        raise errors.NotFound(what="Version", id=call.path["version_id"])
    return show(call)


def _version(call: Call) -> dict[str, Any]:
    return {
        "id": ID,
        "status": "CURRENT",
        "version": str(HIGHEST),
        "min_version": str(LOWEST),
        "updated": UPDATED,
        "links": [{"rel": "self", "href": f"{call.base_url}/{ID}/"}],
    }
