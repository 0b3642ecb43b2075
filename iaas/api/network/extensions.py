"""Discovery: the versions, the resources of v2.0, and the extensions whose attributes are really served.

Source: https://docs.openstack.org/api-ref/network/v2/#extensions
"""

from __future__ import annotations

from typing import Any

from iaas.common import errors
from iaas.common.rest.operations import PUBLIC, Call, Resource

roots = Resource()
resource = Resource()
UPDATED = "2026-01-01T00:00:00+00:00"

EXTENSIONS = {
    "agent": "The network workers of the cloud",
    "allowed-address-pairs": "Other addresses a port may send from",
    "binding": "Where a port is bound",
    "external-net": "Networks that lead out of the cloud",
    "filter-validation": "Unknown filters are refused",
    "net-mtu": "The largest packet of a network",
    "net-mtu-writable": "The largest packet of a network may be changed",
    "pagination": "Lists in pages",
    "port-security": "Anti-spoofing and filtering of a port may be switched off",
    "port-security-groups-filtering": "Ports listed by security group",
    "project-id": "project_id beside tenant_id",
    "provider": "What a network is made of",
    "quota_details": "What a project uses of its quota",
    "quotas": "Quotas of projects",
    "security-group": "Security groups",
    "security-groups-normalized-cidr": "The prefix of a rule as it is applied",
    "sorting": "Lists in any order",
    "standard-attr-description": "Descriptions",
    "standard-attr-revisions": "Revision numbers",
    "standard-attr-timestamp": "Moments of creation and change",
    "stateful-security-group": "Whether a security group follows connections",
}
COLLECTIONS = ("networks", "subnets", "ports", "security-groups", "security-group-rules", "quotas", "agents")


def _extension(alias: str) -> dict[str, Any]:
    description = EXTENSIONS[alias]
    name = alias.replace("-", " ").replace("_", " ").capitalize()
    return {"alias": alias, "name": name, "description": description, "updated": UPDATED, "links": []}


@roots.operation("GET", "/", policy=PUBLIC)
def versions(call: Call) -> dict[str, Any]:
    """List the versions of this API."""
    link = {"rel": "self", "href": f"{call.base_url}/v2.0/"}
    return {"versions": [{"id": "v2.0", "status": "CURRENT", "links": [link]}]}


@resource.operation("GET", "/", policy="network:extensions:read")
def resources(call: Call) -> dict[str, Any]:
    """List the resources of v2.0."""

    def row(name: str) -> dict[str, Any]:
        link = {"rel": "self", "href": f"{call.base_url}/v2.0/{name}"}
        return {"name": name.removesuffix("s").replace("-", "_"), "collection": name.replace("-", "_"), "links": [link]}

    return {"resources": [row(name) for name in COLLECTIONS]}


@resource.operation("GET", "/extensions", policy="network:extensions:read")
def index(call: Call) -> dict[str, Any]:
    """List the extensions that are served."""
    return {"extensions": [_extension(alias) for alias in EXTENSIONS]}


@resource.operation("GET", "/extensions/{alias}", policy="network:extensions:read")
def show(call: Call) -> dict[str, Any]:
    """Show an extension."""
    alias = call.path["alias"]
    if alias not in EXTENSIONS:
        raise errors.NotFound(what="Extension", id=alias[:64])
    return {"extension": _extension(alias)}
