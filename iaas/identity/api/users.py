"""Users.  Source: https://docs.openstack.org/api-ref/identity/v3/#users"""

from __future__ import annotations

from typing import Any

from iaas.common import errors
from iaas.common.rest.operations import Call
from iaas.db.identity import assignments, clock, domains, projects, users
from iaas.db.tx import DuplicateKey, Tx
from iaas.identity import ids, passwords, revoke
from iaas.identity.api.base import Resource, check, link, listed, listing
from iaas.identity.api.groups import view as group_view
from iaas.identity.api.projects import view as project_view
from iaas.identity.api.schemas import actors
from iaas.identity.shapes import USER

resource = Resource()
MAX_PROJECTS = 10_000


def view(call: Call, row: Any) -> dict[str, Any]:
    """A user as the API shows it."""
    return {**USER.view(row), "links": {"self": link(call, "users", row.id)}}


@resource.operation("GET", "/users", policy="identity:list_users")
def index(call: Call) -> dict[str, Any]:
    """List users."""
    wanted = listing(call, text=("name", "domain_id"), flags=("enabled",))
    with call.clients.db.read(call.ctx) as tx:
        rows = users.page(tx, wanted)
    return listed(call, "users", rows, wanted.limit, view)


@resource.operation("GET", "/users/{user_id}", policy="identity:get_user")
def show(call: Call) -> dict[str, Any]:
    """Show a user."""
    user_id = call.path["user_id"]
    check(call, user_id=user_id)
    with call.clients.db.read(call.ctx) as tx:
        return {"user": view(call, users.get(tx, user_id))}


@resource.operation("POST", "/users", policy="identity:create_user", body=actors.CREATE_USER, status=201)
def create(call: Call) -> dict[str, Any]:
    """Create a user."""
    wanted = dict(call.body["user"])
    password = wanted.pop("password", None)
    values = {"options": "{}", **USER.values(wanted), "id": ids.new()}
    values.setdefault("domain_id", call.ctx.domain_id or call.ctx.project_domain_id or "default")
    values["password_hash"] = call.clients.passwords.hash(password) if password is not None else None

    def write(tx: Tx) -> Any:
        _check_references(tx, values)
        users.add(tx, password_changed_at=clock.look(tx).now, **values)
        return users.get(tx, values["id"])

    return {"user": view(call, _named(call, write))}


@resource.operation("PATCH", "/users/{user_id}", policy="identity:update_user", body=actors.UPDATE_USER)
def update(call: Call) -> dict[str, Any]:
    """Change a user; a new password or a disabled account ends its tokens."""
    user_id, wanted = call.path["user_id"], dict(call.body["user"])
    hashed: dict[str, Any] = {}
    if "password" in wanted:
        password = wanted.pop("password")
        hashed["password_hash"] = call.clients.passwords.hash(password) if password is not None else None

    def write(tx: Tx) -> Any:
        row = users.get(tx, user_id)
        values = {**USER.values(wanted, row), **hashed}
        _check_references(tx, values)
        if hashed:
            values["password_changed_at"] = clock.look(tx).now
        users.update(tx, user_id, values)
        if hashed or values.get("enabled") is False:
            revoke.user(call.clients, tx, user_id)
        else:
            clock.advance(tx)
        return users.get(tx, user_id)

    return {"user": view(call, _named(call, write))}


@resource.operation("DELETE", "/users/{user_id}", policy="identity:delete_user", status=204)
def delete(call: Call) -> None:
    """Delete a user, its assignments, memberships and credentials."""

    def write(tx: Tx) -> None:
        revoke.user(call.clients, tx, call.path["user_id"])
        if not users.delete(tx, call.path["user_id"]):
            raise errors.NotFound(what="User", id=call.path["user_id"])

    call.clients.db.write(call.ctx, write)


@resource.operation(
    "POST",
    "/users/{user_id}/password",
    policy="identity:change_password",
    body=actors.CHANGE_PASSWORD,
    status=204,
)
def change_password(call: Call) -> None:
    """Change a password, knowing the old one."""
    clients, user_id, wanted = call.clients, call.path["user_id"], call.body["user"]
    passwords.check(wanted["password"])
    with clients.db.read(call.ctx) as tx:
        row = users.find(tx, user_id)
    if not clients.passwords.verify(row.password_hash if row is not None else None, wanted["original_password"]):
        raise errors.Unauthenticated()
    if row is None or not row.enabled or not row.domain_enabled:
        raise errors.Unauthenticated()
    if wanted["password"] == wanted["original_password"]:
        raise errors.Invalid(reason="The new password must differ from the one before.")
    hashed = clients.passwords.hash(wanted["password"])

    def write(tx: Tx) -> None:
        now = clock.look(tx).now
        users.update(tx, user_id, {"password_hash": hashed, "password_changed_at": now})
        revoke.user(clients, tx, user_id)

    clients.db.write(call.ctx, write)


@resource.operation("GET", "/users/{user_id}/groups", policy="identity:list_groups_for_user")
def list_groups(call: Call) -> dict[str, Any]:
    """List the groups a user is in."""
    user_id = call.path["user_id"]
    check(call, user_id=user_id)
    wanted = listing(call, text=("name", "domain_id"))
    with call.clients.db.read(call.ctx) as tx:
        users.get(tx, user_id)
        rows = users.groups_of(tx, user_id, wanted)
    return listed(call, "groups", rows, wanted.limit, group_view)


@resource.operation("GET", "/users/{user_id}/projects", policy="identity:list_user_projects", delegated=True)
def list_projects(call: Call) -> dict[str, Any]:
    """List the projects a user has a role on."""
    user_id = call.path["user_id"]
    check(call, user_id=user_id)
    wanted = listing(call, text=("name", "domain_id"), flags=("enabled",))
    with call.clients.db.read(call.ctx) as tx:
        users.get(tx, user_id)
        rows = projects.page(tx, wanted, project_ids(tx, user_id))
    return listed(call, "projects", rows, wanted.limit, project_view)


def project_ids(tx: Tx, user_id: str) -> set[str]:
    """Return the ids of the projects a user has a role on, inherited ones included."""
    found: set[str] = set()
    domain_ids: set[str] = set()
    for row in assignments.held(tx, user_id):
        if row.target_type == "project":
            found |= (
                {project.id for project in projects.subtree(tx, row.target_id)} if row.inherited else {row.target_id}
            )
        elif row.target_type == "domain" and row.inherited:
            domain_ids.add(row.target_id)
    if domain_ids:
        found |= set(assignments.projects_in(tx, domain_ids))
    return found


def _check_references(tx: Tx, values: dict[str, Any]) -> None:
    """A domain must be there; a default project may go away later, but not be a domain."""
    if "domain_id" in values and domains.find(tx, values["domain_id"]) is None:
        raise errors.NotFound(what="Domain", id=values["domain_id"])
    default = values.get("default_project_id")
    if default is not None and domains.find(tx, default) is not None:
        raise errors.Invalid(reason="The default project cannot be a domain.")


def _named(call: Call, write: Any) -> Any:
    try:
        return call.clients.db.write(call.ctx, write)
    except DuplicateKey:
        raise errors.Conflict(reason="A user of that name exists in the domain.") from None
