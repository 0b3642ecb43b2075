"""`iaas-manage flavor`: the sizes servers come in."""

from __future__ import annotations

from typing import Any

import click

from iaas.cmd.manage import find
from iaas.cmd.manage.base import Name, Noun, Pair, World, pass_world
from iaas.cmd.manage.output import time

COLUMNS = {
    "id": "ID", "name": "Name", "vcpus": "vCPUs", "memory_mb": "MiB", "disk_gb": "GiB", "public": "Public",
    "extra_specs": "Extra specs",
}  # fmt: skip
AMOUNT = click.IntRange(1, 2**31 - 1)
AMOUNT_OR_NONE = click.IntRange(0, 2**31 - 1)


@click.group("flavor", cls=Noun)
def command() -> None:
    """Manage the sizes servers come in."""


def _shown(row: Any) -> dict[str, Any]:
    from iaas.compute.api import flavors

    return {
        "id": row.id, "name": row.name, "description": row.description, "vcpus": row.vcpus,
        "memory_mb": row.memory_mb, "disk_gb": row.disk_gb, "ephemeral_gb": row.ephemeral_gb,
        "swap_mb": row.swap_mb, "public": row.is_public, "disabled": row.disabled,
        "extra_specs": flavors.specs_of(row), "created_at": time(row.created_at),
    }  # fmt: skip


@command.command("list", example="flavor list")
@pass_world
def index(world: World) -> None:
    """List all flavors, private ones too, the smallest first."""
    from iaas.compute.api import flavors

    rows: list[Any] = []
    while True:
        marker = rows[-1].id if rows else None
        page = flavors.index(world.clients, world.ctx, public=None, limit=find.PAGE, marker=marker)
        rows += page
        if len(page) < find.PAGE:
            break
    rows.sort(key=lambda row: (row.memory_mb, row.vcpus, row.disk_gb, row.name))
    none = "There are no flavors; to make one: iaas-manage flavor create"
    world.out.rows([_shown(row) for row in rows], COLUMNS, none=none)


@command.command(example="flavor show m1.small")
@click.argument("flavor")
@pass_world
def show(world: World, flavor: str) -> None:
    """Show a flavor, by id or name, and which projects may use it if it is private."""
    from iaas.db import flavors

    with world.db.read(world.ctx) as tx:
        row = find.flavor(tx, flavor)
        projects = [] if row.is_public else flavors.projects_of(tx, row.id)
    world.out.one({**_shown(row), "projects": projects})


@command.command(example="flavor create m2.large --vcpus 4 --memory-mb 8192 --disk-gb 80")
@click.argument("name", type=Name())
@click.option("--vcpus", type=AMOUNT, required=True, help="Virtual CPUs.")
@click.option("--memory-mb", type=AMOUNT, required=True, help="MiB of memory.")
@click.option("--disk-gb", type=AMOUNT_OR_NONE, required=True, help="GiB of the first disk; 0 is the image's size.")
@click.option("--id", "flavor_id", type=Name(64), help="An id to know it by; a random one by default.")
@click.option("--swap-mb", type=AMOUNT_OR_NONE, default=0, help="MiB of swap.")
@click.option("--ephemeral-gb", type=AMOUNT_OR_NONE, default=0, help="GiB of a second, empty disk.")
@click.option("--private", is_flag=True, help="Only for the projects of --project.")
@click.option("--project", "projects", multiple=True, help="A project that may use it; may be repeated.")
@click.option("--description", help="What it is for.")
@click.option(
    "--spec", "specs", multiple=True, type=Pair(), metavar="KEY=VALUE", help="An extra spec; may be repeated."
)
@pass_world
def create(
    world: World, name: str, flavor_id: str | None, private: bool, projects: tuple[str, ...],
    specs: tuple[tuple[str, str], ...], **sizes: Any,
) -> None:  # fmt: skip
    """Make a flavor."""
    from iaas.compute.api import flavors

    if projects and not private:
        raise click.UsageError("--project is for a --private flavor; every project may use a public one.")
    project_ids = []
    if projects:
        with world.identity_db.read(world.ctx) as tx:
            project_ids = [find.project(tx, project).id for project in projects]
    clients, new = world.clients, flavors.NewFlavor(name=name, id=flavor_id, is_public=not private, **sizes)
    row = flavors.create(clients, world.ctx, new)
    for project_id in project_ids:
        flavors.grant(clients, world.ctx, row.id, project_id, private_only=True)
    if specs:
        flavors.set_specs(clients, world.ctx, row.id, dict(specs))
    world.out.one({**_shown(flavors.show(clients, world.ctx, row.id)), "projects": project_ids})


@command.command(example="flavor delete m2.large")
@click.argument("flavor")
@pass_world
def delete(world: World, flavor: str) -> None:
    """Delete a flavor, by id or name; servers made from it keep what they have."""
    from iaas.compute.api import flavors

    with world.db.read(world.ctx) as tx:
        row = find.flavor(tx, flavor)
    flavors.delete(world.clients, world.ctx, row.id)
    world.out.said(f"Flavor {row.name} is deleted.", id=row.id, name=row.name)
