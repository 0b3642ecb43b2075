"""`iaas-manage`: the administrator's command line.

Works on the databases directly, with the queries and verbs the services use, so it needs no daemon; run it on a
controller.  Each noun is a module of this package, loaded when it is named.
"""

from __future__ import annotations

import errno
import importlib
import os
from pathlib import Path

import click

from iaas import __version__
from iaas.cmd.manage.base import World, is_utf8
from iaas.cmd.manage.output import printable
from iaas.common import errors

#: section → noun → what its help says in one line; the module of that name has ``command``
NOUNS = {
    "Set up": {
        "db": "Bring the databases to this release, or say where they are.",
        "bootstrap": "Make the administrator, the roles, the catalog and the flavors.",
        "key": "Make and rotate the keys of tokens.",
        "config": "Explain, list and print options.",
        "policy": "Print who may call what.",
    },
    "Look": {
        "service": "See, enable, disable and remove the daemons' services.",
        "host": "See what the compute hosts have and have sold.",
        "server": "See servers: their state, host, job and fault.",
        "job": "See the work in progress, its steps and what failed.",
        "doctor": "Say whether the cloud is sound, and repair what rows prove.",
        "trace": "Draw what became of a request: steps, hosts, waits, faults.",
        "explain": "Say why a server was placed where it is, or nowhere.",
        "shell": "Open a Python shell on the databases.",
    },
    "People": {
        "user": "Manage users and their passwords.",
        "project": "Manage projects.",
        "role": "Give roles and take them back.",
        "quota": "See and change what a project may use.",
    },
    "Things": {
        "flavor": "Manage the sizes servers come in.",
        "network": "See and make networks.",
    },
}
MODULES = {noun: f"iaas.cmd.manage.{noun}" for section in NOUNS.values() for noun in section}
EPILOG = """\
\b
Examples:
  iaas-manage db sync && iaas-manage bootstrap --password-prompt
  iaas-manage service list
  iaas-manage explain web-1
  iaas-manage doctor
  iaas-manage --config-file /srv/cloud/iaas.conf server list --json

\b
To complete commands and options with Tab in bash:
  eval "$(_IAAS_MANAGE_COMPLETE=bash_source iaas-manage)"
"""


class Failed(click.ClickException):
    """What ended a command, in a sentence."""

    def show(self, file: object = None) -> None:
        click.echo(f"iaas-manage: {printable(self.message)}", err=True)


class NotText(Failed):
    """A word that no database could look for."""

    exit_code = 2


class Root(click.Group):
    """The nouns, by name; only the one that is asked for is loaded."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for word in args:
            if not is_utf8(word):
                raise NotText(f"{repr(os.fsencode(word))[1:]} is not UTF-8 text, as all arguments must be.")
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return importlib.import_module(MODULES[cmd_name]).command if cmd_name in MODULES else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section, nouns in NOUNS.items():
            with formatter.section(section):
                formatter.write_dl(list(nouns.items()), col_max=12)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except errors.IaasError as error:
            raise Failed(error.message) from error
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise
            raise Failed(f"{error.filename}: {error.strerror}" if error.filename else str(error)) from error


@click.group(cls=Root, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config-file", "files", multiple=True, metavar="FILE", type=click.Path(path_type=Path),
    help="Read options from FILE; may be repeated, later files win (default: /etc/iaas/iaas.conf if it exists).",
)  # fmt: skip
@click.option(
    "--set", "overrides", multiple=True, metavar="GROUP.OPTION=VALUE", help="Change one option; may be repeated."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else; every command takes it too.")
@click.version_option(__version__, prog_name="iaas-manage", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context, files: tuple[Path, ...], overrides: tuple[str, ...], as_json: bool) -> None:
    """Administer a cloud, on one of its controllers.

    It works on the databases that the configuration names, whether or not daemons run. What goes wrong is said in
    one sentence and ends with exit code 1; a command that was written wrong ends with 2.
    """
    ctx.obj = World(files, overrides, as_json=as_json)
    ctx.call_on_close(ctx.obj.close)


def main() -> None:
    from iaas.common import runtime

    os.umask(0o077)
    runtime.use("threads")
    if "_IAAS_MANAGE_COMPLETE" not in os.environ:
        from iaas.common import log

        log.setup("error")  # what went wrong is said in one sentence, not in records
    cli(prog_name="iaas-manage")


if __name__ == "__main__":
    main()
