"""Roles and which imply which.  Source: https://docs.openstack.org/api-ref/identity/v3/#roles"""

from __future__ import annotations

from typing import Any

from iaas.common import errors
from iaas.common.rest.operations import Call
from iaas.db.identity import clock, domains, roles
from iaas.db.tx import DuplicateKey, Tx
from iaas.identity import ids
from iaas.identity.access import RoleTree
from iaas.identity.api.base import Resource, link, listed, listing
from iaas.identity.api.schemas import scopes
from iaas.identity.shapes import ROLE

resource = Resource()


def view(call: Call, row: Any) -> dict[str, Any]:
    """A role as the API shows it."""
    return {**ROLE.view(row), "links": {"self": link(call, "roles", row.id)}}


@resource.operation("GET", "/roles", policy="identity:list_roles")
def index(call: Call) -> dict[str, Any]:
    """List the roles of every domain, or those of one."""
    wanted = listing(call, text=("name", "domain_id"))
    equal = {"domain_id": "", **wanted.equal}
    with call.clients.db.read(call.ctx) as tx:
        rows = roles.page(tx, type(wanted)(wanted.limit, wanted.marker, equal, wanted.like))
    return listed(call, "roles", rows, wanted.limit, view)


@resource.operation("GET", "/roles/{role_id}", policy="identity:get_role")
def show(call: Call) -> dict[str, Any]:
    """Show a role."""
    with call.clients.db.read(call.ctx) as tx:
        return {"role": view(call, roles.get(tx, call.path["role_id"]))}


@resource.operation("POST", "/roles", policy="identity:create_role", body=scopes.CREATE_ROLE, status=201)
def create(call: Call) -> dict[str, Any]:
    """Create a role."""
    values = {"options": "{}", **ROLE.values(call.body["role"]), "id": ids.new()}
    values["domain_id"] = values.get("domain_id") or ""

    def write(tx: Tx) -> Any:
        if values["domain_id"]:
            domains.get(tx, values["domain_id"])
        roles.add(tx, **values)
        clock.advance(tx)
        return roles.get(tx, values["id"])

    return {"role": view(call, _named(call, write))}


@resource.operation("PATCH", "/roles/{role_id}", policy="identity:update_role", body=scopes.UPDATE_ROLE)
def update(call: Call) -> dict[str, Any]:
    """Change a role's name, description or own attributes."""
    role_id = call.path["role_id"]

    def write(tx: Tx) -> Any:
        roles.update(tx, role_id, ROLE.values(call.body["role"], roles.get(tx, role_id)))
        clock.advance(tx)
        return roles.get(tx, role_id)

    return {"role": view(call, _named(call, write))}


@resource.operation("DELETE", "/roles/{role_id}", policy="identity:delete_role", status=204)
def delete(call: Call) -> None:
    """Delete a role; it is gone from every token at once."""

    def write(tx: Tx) -> None:
        clock.advance(tx)
        if not roles.delete(tx, call.path["role_id"]):
            raise errors.NotFound(what="Role", id=call.path["role_id"])

    call.clients.db.write(call.ctx, write)


def _named(call: Call, write: Any) -> Any:
    try:
        return call.clients.db.write(call.ctx, write)
    except DuplicateKey:
        raise errors.Conflict(reason="A role of that name exists.") from None


# -- implications ------------------------------------------------------------------------------------------


def _short(call: Call, role_id: str, name: str) -> dict[str, Any]:
    return {"id": role_id, "name": name, "links": {"self": link(call, "roles", role_id)}}


def _tree(tx: Tx) -> RoleTree:
    return RoleTree(roles.everything(tx), roles.implications(tx))


def _inference(call: Call, tree: RoleTree, prior_id: str) -> dict[str, Any]:
    implied = [_short(call, role_id, tree.roles[role_id][0]) for role_id in sorted(tree.implied.get(prior_id, ()))]
    return {"prior_role": _short(call, prior_id, tree.roles[prior_id][0]), "implies": implied}


@resource.operation("GET", "/role_inferences", policy="identity:list_role_inference_rules")
def list_inferences(call: Call) -> dict[str, Any]:
    """List every role that implies others, with those."""
    with call.clients.db.read(call.ctx) as tx:
        tree = _tree(tx)
    shown = [_inference(call, tree, prior_id) for prior_id in sorted(tree.implied)]
    return {"role_inferences": shown, "links": {"self": link(call, "role_inferences"), "next": None, "previous": None}}


@resource.operation("GET", "/roles/{role_id}/implies", policy="identity:list_implied_roles")
def list_implied(call: Call) -> dict[str, Any]:
    """List the roles a role implies."""
    with call.clients.db.read(call.ctx) as tx:
        roles.get(tx, call.path["role_id"])
        tree = _tree(tx)
    own = link(call, "roles", call.path["role_id"], "implies")
    return {"role_inference": _inference(call, tree, call.path["role_id"]), "links": {"self": own}}


def _pair(call: Call, tx: Tx) -> tuple[Any, Any]:
    return roles.get(tx, call.path["role_id"]), roles.get(tx, call.path["implied_id"])


def _shown_pair(call: Call, prior: Any, implied: Any) -> dict[str, Any]:
    return {
        "role_inference": {
            "prior_role": _short(call, prior.id, prior.name),
            "implies": _short(call, implied.id, implied.name),
        },
        "links": {"self": link(call, "roles", prior.id, "implies", implied.id)},
    }


@resource.operation("GET", "/roles/{role_id}/implies/{implied_id}", policy="identity:get_implied_role")
def show_implied(call: Call) -> dict[str, Any]:
    """Check that a role implies another."""
    with call.clients.db.read(call.ctx) as tx:
        prior, implied = _pair(call, tx)
        if implied.id not in _tree(tx).implied.get(prior.id, ()):
            raise errors.NotFound(what="Role", id=f"{implied.id} implied by {prior.id}")
    return _shown_pair(call, prior, implied)


@resource.operation("HEAD", "/roles/{role_id}/implies/{implied_id}", policy="identity:get_implied_role", status=204)
def check_implied(call: Call) -> None:
    """Check that a role implies another."""
    show_implied(call)


@resource.operation("PUT", "/roles/{role_id}/implies/{implied_id}", policy="identity:create_implied_role", status=201)
def imply(call: Call) -> dict[str, Any]:
    """Let a role imply another."""

    def write(tx: Tx) -> tuple[Any, Any]:
        prior, implied = _pair(call, tx)
        if implied.name == "admin" and not implied.domain_id:
            raise errors.Forbidden(action="let a role imply admin")
        if implied.domain_id and not prior.domain_id:
            raise errors.Forbidden(action="let a role of every domain imply one of a single domain")
        clock.advance(tx)
        if prior.id in _tree(tx).closure([implied.id]):
            raise errors.Invalid(reason="A role cannot imply itself, not even through others.")
        roles.imply(tx, prior.id, implied.id)
        return prior, implied

    return _shown_pair(call, *call.clients.db.write(call.ctx, write))


@resource.operation(
    "DELETE", "/roles/{role_id}/implies/{implied_id}", policy="identity:delete_implied_role", status=204
)
def unimply(call: Call) -> None:
    """Let a role no longer imply another."""

    def write(tx: Tx) -> None:
        clock.advance(tx)
        if not roles.unimply(tx, call.path["role_id"], call.path["implied_id"]):
            raise errors.NotFound(what="Role", id=f"{call.path['implied_id']} implied by {call.path['role_id']}")

    call.clients.db.write(call.ctx, write)
