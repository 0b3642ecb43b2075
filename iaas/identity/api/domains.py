"""Domains.  Source: https://docs.openstack.org/api-ref/identity/v3/#domains"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iaas.common import errors
from iaas.common.rest.operations import Call
from iaas.db.identity import clock, domains
from iaas.db.tx import DuplicateKey, Tx
from iaas.identity import ids, revoke
from iaas.identity.api.base import Resource, check, link, listed, listing
from iaas.identity.api.schemas import scopes
from iaas.identity.shapes import DOMAIN

resource = Resource()


def view(call: Call, row: Any) -> dict[str, Any]:
    """A domain as the API shows it."""
    return {**DOMAIN.view(row), "links": {"self": link(call, "domains", row.id)}}


@resource.operation("GET", "/domains", policy="identity:list_domains")
def index(call: Call) -> dict[str, Any]:
    """List domains."""
    wanted = listing(call, text=("name",), flags=("enabled",))
    with call.clients.db.read(call.ctx) as tx:
        rows = domains.page(tx, wanted)
    return listed(call, "domains", rows, wanted.limit, view)


@resource.operation("GET", "/domains/{domain_id}", policy="identity:get_domain", delegated=True)
def show(call: Call) -> dict[str, Any]:
    """Show a domain."""
    check(call, domain_id=call.path["domain_id"])
    with call.clients.db.read(call.ctx) as tx:
        return {"domain": view(call, domains.get(tx, call.path["domain_id"]))}


@resource.operation("POST", "/domains", policy="identity:create_domain", body=scopes.CREATE_DOMAIN, status=201)
def create(call: Call) -> dict[str, Any]:
    """Create a domain."""
    return {"domain": view(call, add(call, call.body["domain"]))}


def add(call: Call, wanted: Mapping[str, Any]) -> Any:
    """Add a domain and return its row.

    :raises Conflict: the name is taken.
    """
    values = {"options": "{}", "tags": "[]", **DOMAIN.values(wanted), "id": ids.new()}

    def write(tx: Tx) -> Any:
        domains.add(tx, **values)
        return domains.get(tx, values["id"])

    return _named(call, write)


@resource.operation("PATCH", "/domains/{domain_id}", policy="identity:update_domain", body=scopes.UPDATE_DOMAIN)
def update(call: Call) -> dict[str, Any]:
    """Change a domain; disabling it ends the tokens of its users and projects."""
    return {"domain": view(call, change(call, call.path["domain_id"], call.body["domain"]))}


def change(call: Call, domain_id: str, wanted: Mapping[str, Any]) -> Any:
    """Change a domain and return its row.

    :raises Conflict: the name is taken.
    """

    def write(tx: Tx) -> Any:
        values = DOMAIN.values(wanted, domains.get(tx, domain_id))
        domains.update(tx, domain_id, values)
        if values.get("enabled") is False:
            revoke.events(call.clients, tx, [{"domain_id": domain_id}])
        else:
            clock.advance(tx)
        return domains.get(tx, domain_id)

    return _named(call, write)


@resource.operation("DELETE", "/domains/{domain_id}", policy="identity:delete_domain", status=204)
def delete(call: Call) -> None:
    """Delete a disabled domain and everything in it."""
    remove(call, call.path["domain_id"])


def remove(call: Call, domain_id: str) -> None:
    """Delete a domain.

    :raises Forbidden: it is enabled.
    """

    def write(tx: Tx) -> None:
        domains.get(tx, domain_id)
        revoke.events(call.clients, tx, [{"domain_id": domain_id}])
        if not domains.delete(tx, domain_id):
            raise errors.Forbidden(action="delete a domain that is enabled; disable it first")

    call.clients.db.write(call.ctx, write)


def _named(call: Call, write: Any) -> Any:
    try:
        return call.clients.db.write(call.ctx, write)
    except DuplicateKey:
        raise errors.Conflict(reason="A domain of that name exists.") from None
