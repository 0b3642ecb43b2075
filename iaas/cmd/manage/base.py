"""What every command of `iaas-manage` shares: its options, its connections, and how it fails."""

from __future__ import annotations

import functools
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import click

from iaas.cmd.manage.output import Output
from iaas.common import errors

if TYPE_CHECKING:
    from iaas.common.conf import Settings
    from iaas.common.context import RequestContext
    from iaas.db.tx import Database

ADMIN_REQUEST = "req-iaas-manage"


class Unknown(errors.IaasError):
    kind = errors.Kind.NOT_FOUND
    template = "There is no {what} {name!r}; to see what there is: iaas-manage {see}"


class Ambiguous(errors.IaasError):
    kind = errors.Kind.CONFLICT
    template = "More than one {what} is called {name!r}; name it by its id, one of: {ids}"


def is_utf8(text: str) -> bool:
    """Whether a text of the command line, the environment or a pipe is UTF-8; Python keeps bytes that are not, too."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class World:
    """What one run works with; each connection is opened when it is first asked for."""

    def __init__(self, files: tuple[Path, ...] = (), overrides: tuple[str, ...] = (), *, as_json: bool = False) -> None:
        self._files = files
        self.overrides = overrides
        self.out = Output(as_json=as_json)
        self._open: list[Database] = []

    @functools.cached_property
    def files(self) -> list[Path]:
        """The configuration files that are read, in order."""
        from iaas.cmd import daemon

        return list(self._files) or ([daemon.DEFAULT_FILE] if daemon.DEFAULT_FILE.exists() else [])

    @functools.cached_property
    def settings(self) -> Settings:
        """:raises ConfigError: the configuration cannot be used."""
        from iaas.common import conf

        return conf.load(self.files, self.overrides)

    @functools.cached_property
    def ctx(self) -> RequestContext:
        """Everything done here is done as an administrator."""
        from iaas.common import context

        return context.admin(ADMIN_REQUEST)

    @functools.cached_property
    def urls(self) -> dict[str, str]:
        d = self.settings.database
        return {"controller": d.url, "identity": d.identity_url, "image": d.image_url}

    @functools.cached_property
    def db(self) -> Database:
        """The controller's database. :raises NotCurrent: it is not of this release."""
        return self._connect("controller")

    @functools.cached_property
    def identity_db(self) -> Database:
        """The identity service's database. :raises NotCurrent: it is not of this release."""
        return self._connect("identity")

    @functools.cached_property
    def image_db(self) -> Database:
        """The image service's database. :raises NotCurrent: it is not of this release."""
        return self._connect("image")

    @property
    def clients(self) -> Any:
        """What the controller's core verbs ask of their ``clients`` here: no queue, so they must not ring."""
        return SimpleNamespace(db=self.db, settings=self.settings)

    @functools.cached_property
    def identity(self) -> Any:
        """What the verbs of identity ask of their ``clients``."""
        from iaas.identity.clients import IdentityClients
        from iaas.identity.passwords import Hasher

        i = self.settings.identity
        hasher = Hasher(i.argon2_memory_kib, i.argon2_time, i.hash_workers, i.hash_queue)
        return IdentityClients(settings=self.settings, db=self.identity_db, passwords=hasher)

    def _connect(self, name: str) -> Database:
        from iaas.db import engines, migrate
        from iaas.db.tx import Database

        url, wanted = self.urls[name], migrate.head(name)
        found = migrate.found(name, url)
        if found != wanted:
            raise migrate.NotCurrent(name=name, found=found or "none (it is empty)", wanted=wanted)
        d = self.settings.database
        options = engines.Options(2, d.pool_timeout, d.connect_timeout, d.statement_timeout)
        database = Database(url, options)
        self._open.append(database)
        return database

    def close(self) -> None:
        for database in self._open:
            database.close()


pass_world = click.make_pass_decorator(World)


def _want_json(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    world = ctx.find_object(World)
    if value and world is not None:
        world.out.as_json = True


class Command(click.Command):
    """A command with an example in its help and ``--json`` among its options.

    :param example: what one would type, without ``iaas-manage``
    """

    def __init__(self, *args: Any, example: str, **kwargs: Any) -> None:
        wants = click.Option(
            ["--json"], is_flag=True, expose_value=False, callback=_want_json, help="Print JSON and nothing else."
        )
        kwargs["params"] = [*(kwargs.get("params") or []), wants]
        super().__init__(*args, **kwargs)
        self.example = example

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_paragraph()
        formatter.write("Example:\n")
        for line in self.example.splitlines():
            formatter.write(f"  iaas-manage {line}\n")


class Noun(click.Group):
    """The commands of one noun."""

    command_class = Command


class Name(click.ParamType):
    """A name people give: printable, not blank, no spaces at its ends, of a length the database keeps."""

    name = "name"

    def __init__(self, longest: int = 255) -> None:
        self._longest = longest

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not value.strip() or value != value.strip() or not value.isprintable():
            self.fail(f"{value!r} is not a name: use printable characters without spaces at either end.", param, ctx)
        if len(value) > self._longest:
            self.fail(f"a name has at most {self._longest} characters.", param, ctx)
        return value


class Pair(click.ParamType):
    """``KEY=VALUE`` as a pair."""

    name = "key=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        key, equals, text = value.partition("=")
        if not equals or not key:
            self.fail(f"write KEY=VALUE, not {value!r}.", param, ctx)
        return key, text
