"""`iaas-manage role`: who may do what where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from iaas.cmd.manage import find
from iaas.cmd.manage.base import Noun, World, pass_world
from iaas.common import errors

COLUMNS = {
    "role": "Role", "actor_type": "Given to", "actor": "Who", "target_type": "On", "target": "Which",
    "inherited": "Inherited",
}  # fmt: skip


@click.group("role", cls=Noun)
def command() -> None:
    """Give roles and take them back."""


@command.command("list", example="role list")
@pass_world
def index(world: World) -> None:
    """List the roles there are and what each implies."""
    from iaas.db.identity import roles

    with world.identity_db.read(world.ctx) as tx:
        rows = list(roles.everything(tx))
        names = {row.id: row.name for row in rows}
        implied: dict[str, list[str]] = {}
        for prior_id, implied_id in roles.implications(tx):
            implied.setdefault(prior_id, []).append(names[implied_id])
    items = [
        {"id": row.id, "name": row.name, "domain_id": row.domain_id or None, "implies": sorted(implied.get(row.id, []))}
        for row in sorted(rows, key=lambda row: row.name)
    ]
    none = "There are no roles; to make them: iaas-manage bootstrap"
    world.out.rows(items, {"id": "ID", "name": "Name", "implies": "Implies", "domain_id": "Only in domain"}, none=none)


def lines(tx: Any, key: dict[str, Any]) -> list[dict[str, Any]]:
    """Return assignments with the names of all they name."""
    from iaas.db.identity import assignments, names

    found = assignments.matching(tx, key)
    known = names.of_assignments(tx, found)

    def name(kind: str, key: str) -> str:
        return known.get((kind, key), (key, None))[0]

    return [
        {
            "role": name("role", row.role_id), "role_id": row.role_id, "actor_type": row.actor_type,
            "actor": name(row.actor_type, row.actor_id), "actor_id": row.actor_id, "target_type": row.target_type,
            "target": name(row.target_type, row.target_id), "target_id": row.target_id, "inherited": row.inherited,
        }
        for row in found
    ]  # fmt: skip


@command.command(example="role assignments --user alice\nrole assignments --project demo")
@click.option("--user", help="Only what this user has by itself.")
@click.option("--group", help="Only what this group has.")
@click.option("--project", help="Only what is given on this project.")
@click.option("--role", help="Only this role.")
@click.option("--domain", default="default", show_default=True, help="The domain of the names above.")
@pass_world
def assignments(
    world: World, user: str | None, group: str | None, project: str | None, role: str | None, domain: str
) -> None:
    """List who has which role on what."""
    key: dict[str, Any] = {}
    with world.identity_db.read(world.ctx) as tx:
        if user is not None:
            key |= {"actor_type": "user", "actor_id": find.user(tx, user, domain).id}
        if group is not None:
            key |= {"actor_type": "group", "actor_id": find.group(tx, group, domain).id}
        if project is not None:
            key |= {"target_type": "project", "target_id": find.project(tx, project, domain).id}
        if role is not None:
            key["role_id"] = find.role(tx, role).id
        items = lines(tx, key)
    world.out.rows(items, COLUMNS, none="Nobody has such a role.")


def _options(fn: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.argument("role"),
        click.option("--inherited", is_flag=True, help="On every project below, in place of the thing itself."),
        click.option("--names-in", default="default", show_default=True, help="The domain of users and projects."),
        click.option("--system", is_flag=True, help="On the system: the whole cloud."),
        click.option("--domain", help="On this domain."),
        click.option("--project", help="On this project."),
        click.option("--group", help="The group."),
        click.option("--user", help="The user."),
    ):
        fn = option(fn)
    return fn


def _key(tx: Any, role: str, names_in: str, inherited: bool, named: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of the assignment that is meant."""
    user, group, project, domain = (named[name] for name in ("user", "group", "project", "domain"))
    row, domain_id = find.role(tx, role), None
    key = {"role_id": row.id, "inherited": inherited}
    if user is not None:
        key |= {"actor_type": "user", "actor_id": find.user(tx, user, names_in).id}
    else:
        key |= {"actor_type": "group", "actor_id": find.group(tx, group, names_in).id}
    if project is not None:
        found = find.project(tx, project, names_in)
        key |= {"target_type": "project", "target_id": found.id}
        domain_id = found.domain_id
    elif domain is not None:
        domain_id = find.domain(tx, domain).id
        key |= {"target_type": "domain", "target_id": domain_id}
    else:
        key |= {"target_type": "system", "target_id": "all"}
    if row.domain_id and row.domain_id != domain_id:
        raise errors.Invalid(reason=f"The role {row.name} is of one domain only and cannot be given outside of it.")
    return key


def _check(inherited: bool, named: dict[str, Any]) -> None:
    if (named["user"] is None) == (named["group"] is None):
        raise click.UsageError("Say who: --user or --group.")
    if sum((named["project"] is not None, named["domain"] is not None, named["system"])) != 1:
        raise click.UsageError("Say on what: --project, --domain or --system.")
    if inherited and named["system"]:
        raise click.UsageError("--inherited is for --project and --domain.")


def _said(named: dict[str, Any]) -> str:
    who = next(f"{kind} {named[kind]}" for kind in ("user", "group") if named[kind] is not None)
    where = next((f"{kind} {named[kind]}" for kind in ("project", "domain") if named[kind] is not None), "the system")
    return f"{who} on {where}"


@command.command(example="role grant member --user alice --project demo\nrole grant reader --group audit --system")
@_options
@pass_world
def grant(world: World, role: str, names_in: str, inherited: bool, **named: Any) -> None:
    """Give a user or a group a role on a project, a domain or the system."""
    from iaas.db.identity import assignments, clock

    _check(inherited, named)

    def write(tx: Any) -> tuple[dict[str, Any], bool]:
        key = _key(tx, role, names_in, inherited, named)
        new = assignments.add(tx, key)
        if new:
            clock.advance(tx)
        return key, new

    key, new = world.identity_db.write(world.ctx, write)
    world.out.said(f"The role {role} of {_said(named)} is {'given' if new else 'there already'}.", **key, new=new)


@command.command(example="role revoke member --user alice --project demo")
@_options
@pass_world
def revoke(world: World, role: str, names_in: str, inherited: bool, **named: Any) -> None:
    """Take a role back; the tokens it was in end."""
    from iaas.db.identity import assignments
    from iaas.identity import revoke as revocation

    _check(inherited, named)

    def write(tx: Any) -> dict[str, Any]:
        key = _key(tx, role, names_in, inherited, named)
        if not assignments.remove(tx, key):
            raise errors.Conflict(
                reason=f"There is no role {role} of {_said(named)} to take back; to see what there is: "
                "iaas-manage role assignments"
            )
        revocation.grant(world.identity, tx, key)
        return key

    key = world.identity_db.write(world.ctx, write)
    world.out.said(f"The role {role} of {_said(named)} is taken back.", **key)
