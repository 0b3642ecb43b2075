"""Version documents.  Source: https://docs.openstack.org/api-ref/identity/v3/#api-versions"""

from __future__ import annotations

from typing import Any

from iaas.common.rest.operations import PUBLIC, Call
from iaas.identity.api.base import Resource

roots = Resource()
VERSION = "v3.14"
_UPDATED = "2020-04-07T00:00:00Z"


def _document(call: Call) -> dict[str, Any]:
    return {
        "id": VERSION,
        "status": "stable",
        "updated": _UPDATED,
        "links": [{"rel": "self", "href": f"{call.base_url}/v3/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    }


@roots.operation("GET", "/", policy=PUBLIC, status=300, delegated=True)
def index(call: Call) -> dict[str, Any]:
    """List the versions that are served."""
    return {"versions": {"values": [_document(call)]}}


@roots.operation("GET", "/v3", policy=PUBLIC, delegated=True)
def show(call: Call) -> dict[str, Any]:
    """Describe version 3."""
    return {"version": _document(call)}
