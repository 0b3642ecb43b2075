"""Domains seen as projects: Identity v3 also shows a domain as a project with ``is_domain``, of the same id."""

from __future__ import annotations

from typing import Any

from iaas.common import errors
from iaas.common.rest.operations import Call
from iaas.db.identity import domains, listing
from iaas.db.tx import Tx
from iaas.identity.api import domains as domains_api
from iaas.identity.api.base import link
from iaas.identity.shapes import DOMAIN

#: attributes of a project that a domain has no column for
_FIXED = {"is_domain": True, "domain_id": None, "parent_id": None}


def view(call: Call, row: Any) -> dict[str, Any]:
    """A domain as the API shows a project."""
    return {**DOMAIN.view(row), **_FIXED, "links": {"self": link(call, "projects", row.id)}}


def find(tx: Tx, project_id: str) -> Any | None:
    """Return the domain of that id, or None."""
    return domains.find(tx, project_id)


def page(tx: Tx, wanted: listing.Listing) -> Any:
    """Return a page of domains; none lies in a domain or under a project."""
    if wanted.equal.get("domain_id") or wanted.equal.get("parent_id"):
        return []
    equal = {name: value for name, value in wanted.equal.items() if name in ("name", "enabled")}
    return domains.page(tx, listing.Listing(wanted.limit, wanted.marker, equal, wanted.like))


def create(call: Call) -> dict[str, Any]:
    """Create a domain by the words of a project."""
    return {"project": view(call, domains_api.add(call, _wanted(call)))}


def update(call: Call, domain_id: str) -> dict[str, Any]:
    """Change a domain by the words of a project."""
    return {"project": view(call, domains_api.change(call, domain_id, _wanted(call)))}


def delete(call: Call, domain_id: str) -> None:
    """Delete a disabled domain."""
    domains_api.remove(call, domain_id)


def _wanted(call: Call) -> dict[str, Any]:
    wanted = dict(call.body["project"])
    for name, value in _FIXED.items():
        if wanted.pop(name, value) != value:
            raise errors.Invalid(reason=f"A project that acts as a domain has no {name}.")
    return wanted
