"""`iaas-manage quota`: what a project may use."""

from __future__ import annotations

import difflib
from typing import Any

import click

from iaas.cmd.manage import find
from iaas.cmd.manage.base import Noun, Pair, World, pass_world
from iaas.common import errors

UNLIMITED = -1
COLUMNS = {"resource": "Resource", "limit": "Limit", "used": "Used", "own": "Set for this project"}
DOMAIN = click.option("--domain", default="default", show_default=True, help="The project's domain, by id or name.")


@click.group("quota", cls=Noun)
def command() -> None:
    """See and change what a project may use."""


def _limits(world: World, tx: Any, project_id: str) -> list[dict[str, Any]]:
    from iaas.db import quotas

    settings = world.settings.quota
    rows = {row.resource: row for row in quotas.of_project(tx, project_id)}
    defaults = quotas.default_limits(tx, list(vars(settings)), settings)
    items = []
    for name in [*defaults, *sorted(rows.keys() - defaults.keys())]:
        row = rows.get(name)
        items.append({
            "resource": name, "limit": row.hard_limit if row is not None else defaults[name],
            "used": row.used if row is not None else 0, "own": bool(row is not None and row.limit_is_own),
        })  # fmt: skip
    return items


def _project(world: World, project: str, domain: str) -> Any:
    with world.identity_db.read(world.ctx) as tx:
        return find.project(tx, project, domain)


def _print(world: World, project: Any) -> None:
    with world.db.read(world.ctx) as tx:
        items = _limits(world, tx, project.id)
    if not world.out.as_json:
        for item in items:
            item["limit"] = "unlimited" if item["limit"] == UNLIMITED else item["limit"]
    world.out.rows(items, COLUMNS, none="")


@command.command(example="quota show demo")
@click.argument("project")
@DOMAIN
@pass_world
def show(world: World, project: str, domain: str) -> None:
    """Show the limits of a project and what it uses; -1 in JSON is no limit."""
    _print(world, _project(world, project, domain))


@command.command("set", example="quota set demo instances=50 ram=204800\nquota set demo cores=-1")
@click.argument("project")
@click.argument("limits", nargs=-1, required=True, type=Pair(), metavar="RESOURCE=LIMIT...")
@DOMAIN
@click.option("--force", is_flag=True, help="Also below what the project uses already.")
@pass_world
def change(world: World, project: str, limits: tuple[tuple[str, str], ...], domain: str, force: bool) -> None:
    """Give a project limits of its own; -1 is no limit. All of them are set, or none."""
    from iaas.db import quotas

    wanted = {name: _limit(world, name, text) for name, text in limits}
    found = _project(world, project, domain)

    def write(tx: Any) -> None:
        for name, limit in wanted.items():
            if not quotas.set_limit(tx, found.id, name, limit, force=force):
                raise errors.Conflict(
                    reason=f"Project {found.name} uses more {name} than {limit} already; --force sets it all the same."
                )

    world.db.write(world.ctx, write)
    _print(world, found)


def _limit(world: World, name: str, text: str) -> int:
    known = list(vars(world.settings.quota))
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}."
        raise errors.Invalid(reason=f"There is no resource {name!r}; {hint}")
    try:
        limit = int(text)
    except ValueError:
        limit = UNLIMITED - 1
    if not UNLIMITED <= limit < 2**31:
        raise errors.Invalid(reason=f"{name}={text} is no limit; give a number, or -1 for no limit.")
    return limit


@command.command(example="quota reset demo")
@click.argument("project")
@DOMAIN
@pass_world
def reset(world: World, project: str, domain: str) -> None:
    """Take a project's own limits away: the defaults of [quota] hold again."""
    from iaas.db import quotas

    found = _project(world, project, domain)
    world.db.write(world.ctx, quotas.drop_limits, found.id, world.settings.quota)
    _print(world, found)
