"""`iaas-manage user`: who may log in."""

from __future__ import annotations

from typing import Any

import click

from iaas.cmd.manage import find
from iaas.cmd.manage.base import Name, Noun, World, pass_world
from iaas.cmd.manage.output import time
from iaas.cmd.manage.secret import Source, password_options
from iaas.common import errors

COLUMNS = {"id": "ID", "name": "Name", "domain_id": "Domain", "enabled": "Enabled", "description": "Description"}
DOMAIN = click.option("--domain", default="default", show_default=True, help="The user's domain, by id or name.")


@click.group("user", cls=Noun)
def command() -> None:
    """Manage users and their passwords."""


def _shown(row: Any) -> dict[str, Any]:
    from iaas.identity.shapes import USER

    shown = USER.view(row)
    return {
        "id": row.id,
        "name": row.name,
        "domain_id": row.domain_id,
        "enabled": row.enabled,
        "description": row.description,
        "default_project_id": row.default_project_id,
        "has_password": row.password_hash is not None,
        "password_changed_at": time(row.password_changed_at),
        **{key: value for key, value in shown.items() if key not in ("options", "password_expires_at")},
    }


@command.command("list", example="user list\nuser list --domain sales --json")
@click.option("--domain", help="Only those of this domain, by id or name.")
@pass_world
def index(world: World, domain: str | None) -> None:
    """List users."""
    from iaas.db.identity import users

    with world.identity_db.read(world.ctx) as tx:
        equal = {"domain_id": find.domain(tx, domain).id} if domain is not None else {}
        rows = [_shown(row) for row in find.pages(users.page, tx, **equal)]
    none = "There are no users; to make the first: iaas-manage bootstrap"
    world.out.rows(sorted(rows, key=lambda row: (row["domain_id"], row["name"])), COLUMNS, none=none)


@command.command(example="user show alice")
@click.argument("user")
@DOMAIN
@pass_world
def show(world: World, user: str, domain: str) -> None:
    """Show a user and the roles it has, by itself or as a member of a group."""
    from iaas.db.identity import assignments, roles

    with world.identity_db.read(world.ctx) as tx:
        row = find.user(tx, user, domain)
        names = {role.id: role.name for role in roles.everything(tx)}
        held = [
            {"role": names.get(one.role_id, one.role_id), "on": one.target_type, "target_id": one.target_id,
             "inherited": one.inherited}
            for one in assignments.held(tx, row.id)
        ]  # fmt: skip
    facts = _shown(row)
    world.out.one({**facts, "roles": held}, {name: name.replace("_", " ") for name in facts})
    world.out.table("Roles", held, {"role": "Role", "on": "On", "target_id": "Which", "inherited": "Inherited"})


@command.command(example="user create alice --project demo --role member --password-prompt")
@click.argument("name", type=Name())
@DOMAIN
@click.option("--description", help="Who that is.")
@click.option("--email", help="An address to reach the user at.")
@click.option("--project", help="The user's default project, by id or name.")
@click.option("--role", help="Give the user this role on --project.")
@click.option("--disabled", is_flag=True, help="The user may not log in yet.")
@password_options
@pass_world
def create(
    world: World, name: str, domain: str, project: str | None, role: str | None, disabled: bool, password: Source,
    **said: str | None,
) -> None:  # fmt: skip
    """Make a user, with a role on its project if both are given."""
    from iaas.db.identity import assignments, clock, users
    from iaas.db.tx import DuplicateKey
    from iaas.identity import ids
    from iaas.identity.shapes import USER

    if role is not None and project is None:
        raise click.UsageError("--role is a role on --project; give that too.")
    with world.identity_db.read(world.ctx) as tx:
        domain_id = find.domain(tx, domain).id
        project_id = find.project(tx, project, domain).id if project is not None else None
        role_id = find.role(tx, role).id if role is not None else None
    wanted = {"name": name, "domain_id": domain_id, "enabled": not disabled, "default_project_id": project_id}
    wanted |= {key: value for key, value in said.items() if value is not None}
    hashed = world.identity.passwords.hash(password.read(name))
    values = {"options": "{}", **USER.values(wanted), "id": ids.new(), "password_hash": hashed}

    def write(tx: Any) -> Any:
        users.add(tx, password_changed_at=clock.look(tx).now, **values)
        if role_id is not None:
            assignments.add(tx, {
                "actor_type": "user", "actor_id": values["id"], "target_type": "project", "target_id": project_id,
                "role_id": role_id, "inherited": False,
            })  # fmt: skip
            clock.advance(tx)
        return users.get(tx, values["id"])

    try:
        row = world.identity_db.write(world.ctx, write)
    except DuplicateKey:
        raise errors.Conflict(
            reason=f"There is a user {name!r} in that domain; to see it: iaas-manage user show {name}"
        ) from None
    world.out.one(_shown(row))


def _change(world: World, user: str, domain: str, values: dict[str, Any], *, revoke: bool) -> dict[str, Any]:
    """Change a user's row and end its tokens, or let what others remember of it be looked up again."""
    from iaas.db.identity import clock, users
    from iaas.identity import revoke as revocation

    def write(tx: Any) -> Any:
        row = find.user(tx, user, domain)
        changed = {**values, "password_changed_at": clock.look(tx).now} if "password_hash" in values else values
        users.update(tx, row.id, changed)
        if revoke:
            revocation.user(world.identity, tx, row.id)
        else:
            clock.advance(tx)
        return users.get(tx, row.id)

    return _shown(world.identity_db.write(world.ctx, write))


@command.command("set-password", example="user set-password alice --password-prompt")
@click.argument("user")
@DOMAIN
@password_options
@pass_world
def set_password(world: World, user: str, domain: str, password: Source) -> None:
    """Give a user another password; every token of the user ends."""
    with world.identity_db.read(world.ctx) as tx:
        find.user(tx, user, domain)
    hashed = world.identity.passwords.hash(password.read(user))
    facts = _change(world, user, domain, {"password_hash": hashed}, revoke=True)
    world.out.said(f"User {facts['name']} has the new password; the tokens of before have ended.", **facts)


@command.command(example="user disable alice")
@click.argument("user")
@DOMAIN
@pass_world
def disable(world: World, user: str, domain: str) -> None:
    """Keep a user from logging in, and end every token of the user now."""
    facts = _change(world, user, domain, {"enabled": False}, revoke=True)
    world.out.said(f"User {facts['name']} is disabled; the tokens have ended.", **facts)


@command.command(example="user enable alice")
@click.argument("user")
@DOMAIN
@pass_world
def enable(world: World, user: str, domain: str) -> None:
    """Let a disabled user log in again."""
    facts = _change(world, user, domain, {"enabled": True}, revoke=False)
    world.out.said(f"User {facts['name']} may log in.", **facts)


@command.command(example="user delete alice")
@click.argument("user")
@DOMAIN
@pass_world
def delete(world: World, user: str, domain: str) -> None:
    """Delete a user with its roles and credentials; what it made in projects stays."""
    from iaas.db.identity import users
    from iaas.identity import revoke

    def write(tx: Any) -> Any:
        row = find.user(tx, user, domain)
        revoke.user(world.identity, tx, row.id)
        users.delete(tx, row.id)
        return row

    row = world.identity_db.write(world.ctx, write)
    world.out.said(f"User {row.name} is deleted.", id=row.id, name=row.name)
