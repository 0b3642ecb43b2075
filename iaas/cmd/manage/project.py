"""`iaas-manage project`: who owns things."""

from __future__ import annotations

from typing import Any

import click

from iaas.cmd.manage import find
from iaas.cmd.manage.base import Name, Noun, World, pass_world
from iaas.common import errors

COLUMNS = {"id": "ID", "name": "Name", "domain_id": "Domain", "enabled": "Enabled", "description": "Description"}
DOMAIN = click.option("--domain", default="default", show_default=True, help="The project's domain, by id or name.")
#: what a project must have given back before it goes: nobody could delete it afterwards
HELD = ("instances", "volumes", "snapshots", "networks")


@click.group("project", cls=Noun)
def command() -> None:
    """Manage projects."""


def _shown(row: Any) -> dict[str, Any]:
    from iaas.identity.shapes import PROJECT

    return PROJECT.view(row)


@command.command("list", example="project list")
@click.option("--domain", help="Only those of this domain, by id or name.")
@pass_world
def index(world: World, domain: str | None) -> None:
    """List projects."""
    from iaas.db.identity import projects

    with world.identity_db.read(world.ctx) as tx:
        equal = {"domain_id": find.domain(tx, domain).id} if domain is not None else {}
        rows = [_shown(row) for row in find.pages(projects.page, tx, **equal)]
    none = "There are no projects; to make the first: iaas-manage bootstrap"
    world.out.rows(sorted(rows, key=lambda row: (row["domain_id"], row["name"])), COLUMNS, none=none)


@command.command(example="project show demo")
@click.argument("project")
@DOMAIN
@pass_world
def show(world: World, project: str, domain: str) -> None:
    """Show a project and who has which role on it."""
    from iaas.cmd.manage import role

    with world.identity_db.read(world.ctx) as tx:
        row = find.project(tx, project, domain)
        people = role.lines(tx, {"target_type": "project", "target_id": row.id})
    facts = _shown(row)
    world.out.one({**facts, "roles": people}, {name: name.replace("_", " ") for name in facts})
    world.out.table("Roles", people, {"actor": "Who", "actor_type": "Is a", "role": "Role", "inherited": "Inherited"})


@command.command(example='project create demo --description "For trying things"')
@click.argument("name", type=Name(64))
@DOMAIN
@click.option("--description", default="", help="What it is for.")
@click.option("--disabled", is_flag=True, help="Nobody may use it yet.")
@pass_world
def create(world: World, name: str, domain: str, description: str, disabled: bool) -> None:
    """Make a project at the top of a domain."""
    from iaas.db.identity import projects
    from iaas.db.tx import DuplicateKey
    from iaas.identity import ids
    from iaas.identity.shapes import PROJECT

    wanted = {"name": name, "description": description, "enabled": not disabled}
    values = {"options": "{}", "tags": "[]", **PROJECT.values(wanted), "id": ids.new()}

    def write(tx: Any) -> Any:
        projects.add(tx, domain_id=find.domain(tx, domain).id, **values)
        return projects.get(tx, values["id"])

    try:
        row = world.identity_db.write(world.ctx, write)
    except DuplicateKey:
        raise errors.Conflict(
            reason=f"There is a project {name!r} in that domain; to see it: iaas-manage project show {name}"
        ) from None
    world.out.one(_shown(row))


@command.command(example="project delete demo")
@click.argument("project")
@DOMAIN
@click.option("--force", is_flag=True, help="Also when it still has servers, volumes or networks.")
@pass_world
def delete(world: World, project: str, domain: str, force: bool) -> None:
    """Delete a project with the roles on it; its tokens end.

    One that still has servers, volumes or networks is kept: delete those first.
    """
    from iaas.db.identity import credentials, projects
    from iaas.identity import revoke

    with world.identity_db.read(world.ctx) as tx:
        found = find.project(tx, project, domain)
    if not force:
        _refuse_used(world, found)

    def write(tx: Any) -> None:
        if projects.children(tx, [found.id]):
            raise errors.Conflict(reason=f"Project {found.name} has projects below it; delete those first.")
        ended = [{"delegate_id": credential_id} for credential_id in credentials.of_project(tx, found.id)]
        revoke.events(world.identity, tx, [{"project_id": found.id}, *ended])
        projects.delete(tx, found.id)

    world.identity_db.write(world.ctx, write)
    world.out.said(f"Project {found.name} is deleted.", id=found.id, name=found.name)


def _refuse_used(world: World, found: Any) -> None:
    from iaas.db import quotas

    with world.db.read(world.ctx) as tx:
        used = {row.resource: row.used for row in quotas.of_project(tx, found.id, HELD) if row.used}
    if used:
        what = ", ".join(f"{count} {name}" for name, count in sorted(used.items()))
        raise errors.Conflict(reason=f"Project {found.name} still has {what}; delete those first, or use --force.")
