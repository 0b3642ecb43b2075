"""Migrations: bring a database to the tables of this release, one numbered step after the other.

Alembic costs some memory and is imported only here, by `iaas-manage db` and by first starts, never by a daemon
that finds its database current.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Engine

from iaas.common import errors, runtime
from iaas.db import engines

LOG = logging.getLogger(__name__)
FOLDER = Path(__file__).with_name("migrations")
#: database → the module whose import fills its metadata, and the metadata's name in ``models.base``
DATABASES = {
    "controller": ("iaas.db.models.controller", "CONTROLLER"),
    "identity": ("iaas.db.models.identity", "IDENTITY"),
    "image": ("iaas.db.models.images", "IMAGE"),
}


class NotCurrent(errors.IaasError):
    kind = errors.Kind.CONFLICT
    template = "The {name} database is at version {found}, this release needs {wanted}; run: iaas-manage db sync"


class Unusable(errors.IaasError):
    kind = errors.Kind.UNAVAILABLE
    template = "The {name} database {url} cannot be used: {why}; see [database] in the configuration"


def metadata(name: str) -> sa.MetaData:
    """Return the tables of one of the three databases."""
    module, attribute = DATABASES[name]
    importlib.import_module(module)
    return getattr(importlib.import_module("iaas.db.models.base"), attribute)


def head(name: str) -> str:
    """Return the newest version there is: the names of the files are numbered and linear."""
    files = sorted(path.stem for path in (FOLDER / name / "versions").glob("[0-9]*.py"))
    return files[-1].partition("_")[0]


def version(engine: Engine) -> str | None:
    """Return the version a database is at, None for an empty one."""
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def found(name: str, url: str) -> str | None:
    """Return the version a database is at, None for one that is empty or, of SQLite, not there; it is not made.

    :raises Unusable: it cannot be reached, or the URL makes no sense.
    """
    with usable(name, url):
        parsed = sa.make_url(url)
        if parsed.drivername.startswith("sqlite") and not Path(parsed.database or "").is_file():
            return None
        engine = engines.make(url, engines.Options())
        try:
            return version(engine)
        finally:
            engine.dispose()


def wait_until_current(name: str, engine: Engine, seconds: float = 60.0) -> None:
    """Return when the database answers and is of this release: a daemon may be started before its database.

    :raises NotCurrent: it is older or newer than this release.
    :raises Unusable: it did not answer for ``seconds``.
    """
    deadline = runtime.monotonic() + seconds
    while True:
        try:
            with usable(name, engine.url.render_as_string(hide_password=True)):
                check(name, engine)
            return
        except Unusable as error:
            if runtime.monotonic() > deadline:
                raise
            LOG.warning("waiting for the database: %s", error)
            runtime.sleep(2.0)


@contextlib.contextmanager
def usable(name: str, url: str) -> Iterator[None]:
    """Say in a sentence, without its password, why a database cannot be used.

    :raises Unusable: in place of any error of the database.
    """
    try:
        yield
    except (exc.SQLAlchemyError, ImportError) as error:
        if isinstance(error, exc.ArgumentError):  # whose words repeat the URL
            why = "its URL is not like sqlite:////PATH or mysql+pymysql://USER:PASSWORD@HOST/NAME"
        else:
            why = str(getattr(error, "orig", None) or error).partition("\n")[0]
        raise Unusable(name=name, url=_shown(url), why=why) from error


def _shown(url: str) -> str:
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except exc.ArgumentError:
        return "URL"  # what it is not may hold a password anywhere


def check(name: str, engine: Engine) -> None:
    """:raises NotCurrent: the database is older or newer than this release."""
    found, wanted = version(engine), head(name)
    if found != wanted:
        raise NotCurrent(name=name, found=found or "none (it is empty)", wanted=wanted)


def sync(name: str, url: str, *, to: str = "head") -> None:
    """Bring a database to a version, the newest by default; one that is there already is fine."""
    from alembic import command

    engine = engines.make(url, engines.Options())
    try:
        with engine.connect() as connection:
            config = _config(name, connection)
            if to == "base" or (to != "head" and int(to) < int(version(engine) or 0)):
                command.downgrade(config, to)
            else:
                command.upgrade(config, to)
            connection.commit()
    finally:
        engine.dispose()


def write(name: str, url: str, number: str, message: str) -> Path:
    """Write the migration from the database at ``url`` (at head) to the models, for a developer to read."""
    from alembic import command

    engine = engines.make(url, engines.Options())
    with engine.connect() as connection:
        script: Any = command.revision(_config(name, connection), message=message, rev_id=number, autogenerate=True)
    engine.dispose()
    return Path(script.path)


def _config(name: str, connection: Any) -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("version_locations", str(FOLDER / name / "versions"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.attributes.update(connection=connection, metadata=metadata(name))
    return config
