"""`iaas-manage shell`: Python on the databases."""

from __future__ import annotations

import code
import importlib
import pkgutil
import sys
from types import SimpleNamespace
from typing import Any

import click

from iaas.cmd.manage.base import World, pass_world

BANNER = """\
iaas {version} on Python {python}. What you write here is written: there is no undo.

  db           the controller's database     with db.read(ctx) as tx: hosts = tx.all(models.hosts.hosts.select())
  identity_db  the identity service's        its tables are in models.identity
  models       the tables, by module         {modules}
  settings     the options in force          settings.scheduler.policy
  ctx          an administrator's context

To write, give a function of a transaction:  db.write(ctx, change, …)  runs change(tx, …).  End with Ctrl-D.
"""


@click.command("shell", epilog="\b\nExample:\n  iaas-manage shell")
@pass_world
def command(world: World) -> None:
    """Open a Python shell with the databases, the tables and the options at hand."""
    if world.out.as_json:
        raise click.UsageError("A shell has no --json.")
    from iaas import __version__

    names = names_of(world)
    if sys.stdin.isatty():
        import readline
        import rlcompleter

        readline.set_completer(rlcompleter.Completer(names).complete)
        readline.parse_and_bind("tab: complete")
    modules = ", ".join(vars(names["models"]))
    banner = BANNER.format(version=__version__, python=sys.version.split()[0], modules=modules)
    code.interact(banner, local=names, exitmsg="")


def names_of(world: World) -> dict[str, Any]:
    """Return what the shell knows by name."""
    from iaas.db import models

    found = {
        info.name: importlib.import_module(f"{models.__name__}.{info.name}")
        for info in pkgutil.iter_modules(models.__path__)
    }
    return {
        "db": world.db, "identity_db": world.identity_db, "settings": world.settings, "ctx": world.ctx,
        "models": SimpleNamespace(**found),
    }  # fmt: skip
