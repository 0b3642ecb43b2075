"""`iaas-manage policy`: who may call what."""

from __future__ import annotations

import click

from iaas.cmd.manage import samples
from iaas.cmd.manage.base import Noun, World, pass_world


@click.group("policy", cls=Noun)
def command() -> None:
    """Print who may call what."""


@command.command(example="policy sample > policy.yaml")
@pass_world
def sample(world: World) -> None:
    """Print a policy file with every rule at its default, all commented out."""
    world.out.text(samples.policy(), "sample")
