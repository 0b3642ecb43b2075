"""The list of versions.

Source: https://docs.openstack.org/api-ref/image/versions/index.html
"""

from __future__ import annotations

from typing import Any

from iaas.common.rest.operations import PUBLIC, Call, Resource

roots = Resource()
HIGHEST = 16


def _versions(call: Call) -> dict[str, Any]:
    links = [{"rel": "self", "href": f"{call.base_url}/v2/"}]
    return {
        "versions": [
            {"id": f"v2.{minor}", "status": "CURRENT" if minor == HIGHEST else "SUPPORTED", "links": links}
            for minor in range(HIGHEST, -1, -1)
        ]
    }


@roots.operation("GET", "/", policy=PUBLIC, status=300)
def root(call: Call) -> dict[str, Any]:
    """List the versions of the API."""
    return _versions(call)


@roots.operation("GET", "/versions", policy=PUBLIC)
def versions(call: Call) -> dict[str, Any]:
    """List the versions of the API, with the status clients expect here."""
    return _versions(call)


@roots.operation("GET", "/v2", policy=PUBLIC, status=300)
def v2(call: Call) -> dict[str, Any]:
    """List the versions of the API to a client that has found one of them."""
    return _versions(call)
