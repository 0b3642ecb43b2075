"""`iaas-manage db`: the tables of the three databases."""

from __future__ import annotations

import click

from iaas.cmd.manage.base import Noun, World, pass_world

NAMES = ("controller", "identity", "image")


@click.group("db", cls=Noun)
def command() -> None:
    """Bring the databases to this release, or say where they are."""


@command.command(example="db sync\ndb sync controller")
@click.argument("names", nargs=-1, type=click.Choice(NAMES), metavar="[controller|identity|image]...")
@pass_world
def sync(world: World, names: tuple[str, ...]) -> None:
    """Make the tables of this release, or change older ones to them; all three databases by default.

    Run it once per release, before its daemons start. A database that is current is left alone.
    """
    from iaas.db import migrate

    done = []
    for name in names or NAMES:
        url = world.urls[name]
        before = migrate.found(name, url)
        if before != migrate.head(name):
            with migrate.usable(name, url):
                migrate.sync(name, url)
        done.append({"database": name, "before": before, "after": migrate.found(name, url)})
    world.out.rows(done, {"database": "Database", "before": "Before", "after": "Now"}, none="")


@command.command(example="db version --json")
@pass_world
def version(world: World) -> None:
    """Show, for each database, the version it is at and the one this release needs."""
    from iaas.db import migrate

    rows = []
    for name in NAMES:
        found, wanted = migrate.found(name, world.urls[name]), migrate.head(name)
        state = "current" if found == wanted else "not current"
        rows.append({"database": name, "found": found, "wanted": wanted, "state": state})
    world.out.rows(rows, {"database": "Database", "found": "Found", "wanted": "Wanted", "state": "State"}, none="")
    if not world.out.as_json and any(row["state"] != "current" for row in rows):
        click.echo("\nTo bring them up to date: iaas-manage db sync")


@command.command(example="db purge --older-than 30")
@click.option(
    "--older-than", "days", type=click.FloatRange(min=1), metavar="DAYS", help="[jobs] keep_ended_days if absent."
)
@pass_world
def purge(world: World, days: float | None) -> None:
    """Forget jobs that ended over DAYS days ago, of servers and volumes that are gone, and placements of the same.

    What the EC2 API showed of terminated instances goes after its hour, too. Schedulers do so once an hour; this does
    it now and to the end, in small transactions beside running daemons. What exists keeps its actions, however old.
    """
    from iaas.jobs import purge as jobs_purge

    kept = days or world.settings.jobs.keep_ended_days
    gone = jobs_purge.run(world.db, kept, passes=None)
    said = (
        f"{gone['jobs']} jobs that ended over {kept:g} days ago, {gone['placements']} placements"
        f" and {gone['terminated']} terminated instances are gone."
    )
    world.out.said(said, **gone)
