"""`iaas-manage config`: every option, what it is now, and who said so."""

from __future__ import annotations

from typing import Any

import click

from iaas.cmd.manage import options, samples
from iaas.cmd.manage.base import Noun, World, pass_world

COLUMNS = {"option": "Option", "value": "Value", "source": "From"}


@click.group("config", cls=Noun)
def command() -> None:
    """Explain, list and print options."""


def _complete(_ctx: click.Context, _param: click.Parameter, typed: str) -> list[str]:
    return [name for name in options.every() if name.startswith(typed)]


@command.command(example="config explain scheduler.down_after\nconfig explain down_after")
@click.argument("option", shell_complete=_complete)
@pass_world
def explain(world: World, option: str) -> None:
    """Explain one option: what it means, its range and default, the value in force and where that is set.

    OPTION is group.option; the group may be left out where only one has such an option. Secrets are not shown.
    """
    name = options.find(option)
    facts = options.described(world, name)
    headings = {
        "option": "option", "help": "meaning", "type": "kind", "range": "range", "default": "default",
        "value": "value", "source": "set by",
    }  # fmt: skip
    world.out.one(facts, headings)


@command.command("list", example="config list\nconfig list --changed")
@click.option("--changed", is_flag=True, help="Only options that something sets.")
@click.option("--group", help="Only options of this group.")
@pass_world
def index(world: World, changed: bool, group: str | None) -> None:
    """List the options with the values in force and where each is set; secrets are not shown."""
    if group is not None:
        options.check_group(group)
    items: list[dict[str, Any]] = []
    for name in options.every():
        if group is None or name.partition(".")[0] == group:
            facts = options.described(world, name)
            if not changed or facts["source"] != options.DEFAULT:
                items.append(facts)
    world.out.rows(items, COLUMNS, none="Nothing is set; all options are at their defaults.")


@command.command(example="config sample > iaas.conf.sample")
@pass_world
def sample(world: World) -> None:
    """Print a configuration file with every option, its meaning and its default, all commented out."""
    world.out.text(samples.configuration(), "sample")
