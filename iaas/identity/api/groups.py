"""Groups.  Source: https://docs.openstack.org/api-ref/identity/v3/#groups"""

from __future__ import annotations

from typing import Any

from iaas.common import errors
from iaas.common.rest.operations import Call
from iaas.db.identity import assignments, clock, domains, groups, users
from iaas.db.tx import DuplicateKey, Tx
from iaas.identity import ids, revoke
from iaas.identity.api.base import Resource, check, link, listed, listing
from iaas.identity.api.schemas import actors
from iaas.identity.shapes import GROUP, USER

resource = Resource()


def view(call: Call, row: Any) -> dict[str, Any]:
    """A group as the API shows it."""
    return {**GROUP.view(row), "links": {"self": link(call, "groups", row.id)}}


@resource.operation("GET", "/groups", policy="identity:list_groups")
def index(call: Call) -> dict[str, Any]:
    """List groups."""
    wanted = listing(call, text=("name", "domain_id"))
    with call.clients.db.read(call.ctx) as tx:
        rows = groups.page(tx, wanted)
    return listed(call, "groups", rows, wanted.limit, view)


@resource.operation("GET", "/groups/{group_id}", policy="identity:get_group")
def show(call: Call) -> dict[str, Any]:
    """Show a group."""
    with call.clients.db.read(call.ctx) as tx:
        return {"group": view(call, groups.get(tx, call.path["group_id"]))}


@resource.operation("POST", "/groups", policy="identity:create_group", body=actors.CREATE_GROUP, status=201)
def create(call: Call) -> dict[str, Any]:
    """Create a group."""
    values = {**GROUP.values(call.body["group"]), "id": ids.new()}
    values.setdefault("domain_id", call.ctx.domain_id or call.ctx.project_domain_id or "default")

    def write(tx: Tx) -> Any:
        domains.get(tx, values["domain_id"])
        groups.add(tx, **values)
        return groups.get(tx, values["id"])

    return {"group": view(call, _named(call, write))}


@resource.operation("PATCH", "/groups/{group_id}", policy="identity:update_group", body=actors.UPDATE_GROUP)
def update(call: Call) -> dict[str, Any]:
    """Change a group's name, description or own attributes."""
    group_id = call.path["group_id"]

    def write(tx: Tx) -> Any:
        row = groups.get(tx, group_id)
        groups.update(tx, group_id, GROUP.values(call.body["group"], row))
        return groups.get(tx, group_id)

    return {"group": view(call, _named(call, write))}


@resource.operation("DELETE", "/groups/{group_id}", policy="identity:delete_group", status=204)
def delete(call: Call) -> None:
    """Delete a group; its members lose what it was assigned."""
    group_id = call.path["group_id"]

    def write(tx: Tx) -> None:
        groups.get(tx, group_id)
        _lose(call, tx, group_id, groups.members(tx, group_id))
        groups.delete(tx, group_id)

    call.clients.db.write(call.ctx, write)


@resource.operation("GET", "/groups/{group_id}/users", policy="identity:list_users_in_group")
def list_users(call: Call) -> dict[str, Any]:
    """List the members of a group."""
    wanted = listing(call, text=("name", "domain_id"), flags=("enabled",))
    with call.clients.db.read(call.ctx) as tx:
        groups.get(tx, call.path["group_id"])
        rows = groups.members_page(tx, call.path["group_id"], wanted)
    return listed(call, "users", rows, wanted.limit, _member)


def _member(call: Call, row: Any) -> dict[str, Any]:
    return {**USER.view(row), "links": {"self": link(call, "users", row.id)}}


@resource.operation("GET", "/groups/{group_id}/users/{user_id}", policy="identity:check_user_in_group", status=204)
def check_user(call: Call) -> None:
    """Check that a user is in a group."""
    group_id, user_id = call.path["group_id"], call.path["user_id"]
    check(call, user_id=user_id)
    with call.clients.db.read(call.ctx) as tx:
        if not groups.is_member(tx, group_id, user_id):
            raise errors.NotFound(what="User", id=f"{user_id} in group {group_id}")


@resource.operation("PUT", "/groups/{group_id}/users/{user_id}", policy="identity:add_user_to_group", status=204)
def add_user(call: Call) -> None:
    """Put a user into a group."""
    group_id, user_id = call.path["group_id"], call.path["user_id"]

    def write(tx: Tx) -> None:
        groups.get(tx, group_id)
        users.get(tx, user_id)
        if groups.add_member(tx, group_id, user_id):
            clock.advance(tx)

    call.clients.db.write(call.ctx, write)


@resource.operation(
    "DELETE", "/groups/{group_id}/users/{user_id}", policy="identity:remove_user_from_group", status=204
)
def remove_user(call: Call) -> None:
    """Take a user out of a group; its tokens for what the group was assigned end."""
    group_id, user_id = call.path["group_id"], call.path["user_id"]

    def write(tx: Tx) -> None:
        groups.get(tx, group_id)
        users.get(tx, user_id)
        if not groups.remove_member(tx, group_id, user_id):
            raise errors.NotFound(what="User", id=f"{user_id} in group {group_id}")
        _lose(call, tx, group_id, [user_id])

    call.clients.db.write(call.ctx, write)


def _lose(call: Call, tx: Tx, group_id: str, user_ids: list[str]) -> None:
    """Revoke the users' tokens for everything the group has a role on."""
    held = assignments.matching(tx, {"actor_type": "group", "actor_id": group_id})
    found = {(user_id, row.target_type, row.target_id, row.inherited) for user_id in user_ids for row in held}
    keys = ("target_type", "target_id", "inherited")
    events = [revoke.on_target(user_id, dict(zip(keys, rest, strict=True))) for user_id, *rest in sorted(found)]
    revoke.events(call.clients, tx, events)


def _named(call: Call, write: Any) -> Any:
    try:
        return call.clients.db.write(call.ctx, write)
    except DuplicateKey:
        raise errors.Conflict(reason="A group of that name exists in the domain.") from None
