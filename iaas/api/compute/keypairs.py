"""Key pairs: https://docs.openstack.org/api-ref/compute/#keypairs-keypairs."""

from __future__ import annotations

from typing import Any

from iaas.api.compute import paging
from iaas.api.compute.schemas import keypairs as schemas
from iaas.api.compute.views import keypairs as views
from iaas.common import errors
from iaas.common.rest.operations import Call, Reply, Resource
from iaas.compute.api import keypairs as core

resource = Resource()
_ONE = {"2.1": schemas.ONE, "2.10": schemas.ONE_2_10, "2.75": schemas.ONE_2_75}


@resource.operation(
    "GET",
    "/os-keypairs",
    policy="compute:keypairs:read",
    query={"2.1": schemas.LIST, "2.10": schemas.LIST_2_10, "2.35": schemas.LIST_2_35, "2.75": schemas.LIST_2_75},
)
def index(call: Call) -> dict[str, Any]:
    """List key pairs."""
    paged = call.at_least("2.35")
    limit = paging.limit(call) if paged else call.clients.settings.api.max_page
    marker = call.param("marker") if paged else None
    rows = core.index(call.clients, call.ctx, user_id=_asked_owner(call), limit=limit, marker=marker)
    found: dict[str, Any] = {"keypairs": [{"keypair": views.short(call, row)} for row in rows]}
    if paged and rows and len(rows) == limit:
        found["keypairs_links"] = paging.next_links(call, "/os-keypairs", rows[-1].name)
    return found


@resource.operation("GET", "/os-keypairs/{name}", policy="compute:keypairs:read", query=_ONE)
def show(call: Call) -> dict[str, Any]:
    """Show a key pair."""
    row = core.show(call.clients, call.ctx, call.path["name"], user_id=_asked_owner(call))
    return {"keypair": views.full(call, row)}


@resource.operation(
    "POST",
    "/os-keypairs",
    policy="compute:keypairs:write",
    body={
        "2.1": schemas.CREATE,
        "2.2": schemas.CREATE_2_2,
        "2.10": schemas.CREATE_2_10,
        "2.92": schemas.CREATE_2_92,
    },
    status=201,
)
def create(call: Call) -> Reply:
    """Import a public key or, until 2.91, generate a key pair. Until 2.1 the status was 200."""
    wanted = call.body["keypair"]
    if wanted.get("type", "ssh") != "ssh":
        raise errors.Invalid(reason=f"Key pairs of type {wanted['type']} are not kept by this cloud; use type ssh.")
    made = core.create(
        call.clients,
        call.ctx,
        wanted["name"],
        public_key=wanted.get("public_key"),
        user_id=_owner(call, wanted.get("user_id")),
    )
    status = 201 if call.at_least("2.2") else 200
    return Reply({"keypair": views.made(call, made.row, made.private_key)}, status)


@resource.operation("DELETE", "/os-keypairs/{name}", policy="compute:keypairs:write", query=_ONE, status=204)
def delete(call: Call) -> Reply:
    """Delete a key pair. Until 2.1 the status was 202."""
    core.delete(call.clients, call.ctx, call.path["name"], user_id=_asked_owner(call))
    return Reply(status=204 if call.at_least("2.2") else 202)


def _asked_owner(call: Call) -> str | None:
    return _owner(call, call.param("user_id")) if call.at_least("2.10") else None


def _owner(call: Call, user_id: str | None) -> str | None:
    """Whose key pair is meant; another user's only for administrators."""
    if user_id is not None and user_id != call.ctx.user_id:
        call.clients.policy.check(call.ctx, "compute:keypairs:of_others")
    return user_id
