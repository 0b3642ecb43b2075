"""Engines for SQLite, MariaDB/MySQL and PostgreSQL, and what differs between them."""

from __future__ import annotations

import functools
import math
import sqlite3
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, exc, pool
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from iaas.common import runtime

# deadlock, lock wait timeout, record changed; gone away, lost connection, can't connect, server shutdown
MYSQL_TRANSIENT = {1205, 1213, 1020, 1047, 1053, 2002, 2003, 2006, 2013, 4031}
MYSQL_TRANSIENT |= {1021, 1040, 1041, 1114}  # no disk, no connection, no memory, no room in a table
#: seconds after the limit of a statement, which the server keeps, until the server counts as gone
UNHEARD = 5.0
PG_TRANSIENT = {
    "40001",
    "40P01",
    "55P03",
    "57P01",
    "57P02",
    "57P03",
    "08000",
    "08003",
    "08006",
    "08001",
    "08004",
    "53100",  # no disk
    "53200",  # no memory
    "53300",  # no connection
}
#: the statement ran, or waited for a lock, as long as it may: the caller has waited long enough, too
TOO_LONG = {"57014", 1969, 3024}
#: the server takes no changes: it was told so, or follows another one
READ_ONLY = {"25006", 1290, 1792, 1836}
LOCK_WAIT = 10  # seconds for a lock of another transaction; it is a third of what a statement may take
SQLITE_TRANSIENT = ("locked", "busy", "disk is full", "disk I/O error")


SQLITE_WAIT = 10.0  # seconds a transaction waits to be the one writer, in this process and for others together
LONGEST_PAUSE = 0.012  # between two looks: short enough to lose little, long enough to leave the writer the CPU


class WriterBusy(Exception):
    """Others wrote, or held the database, as long as a writer waits for them."""


@dataclass(frozen=True)
class Options:
    """How a process uses a server database; SQLite takes none of it."""

    pool_size: int = 20
    pool_timeout: float = 2.0
    connect_timeout: float = 5.0
    statement_timeout: float = 30.0


def in_memory(url: str) -> bool:
    return sa.make_url(url).drivername.startswith("sqlite") and sa.make_url(url).database in (
        None,
        "",
        ":memory:",
    )


def make(url: str, options: Options) -> Engine:
    """Return an engine with this product's isolation, time limits and clock."""
    if url.startswith("sqlite"):
        return _sqlite(url, options.pool_timeout)
    common: dict[str, Any] = {
        "hide_parameters": True,  # of a statement that fails: they may be secrets, and errors are logged
        "pool_size": options.pool_size,
        "max_overflow": 0,
        "pool_timeout": options.pool_timeout,
        "pool_recycle": 1800,
        "pool_pre_ping": True,
        "isolation_level": "READ COMMITTED",
    }
    seconds = math.ceil(options.connect_timeout)
    if url.startswith("mysql"):
        limit = math.ceil(options.statement_timeout)
        arguments = {
            "connect_timeout": seconds,
            "read_timeout": limit,
            "write_timeout": limit,
            "charset": "utf8mb4",
            "init_command": f"SET SESSION innodb_lock_wait_timeout = {min(LOCK_WAIT, limit)}",
        }
        return sa.create_engine(url, connect_args=arguments, **common)
    _green_psycopg2(options)
    arguments = {
        "connect_timeout": seconds,
        "options": f"-c statement_timeout={int(options.statement_timeout * 1000)} -c lock_timeout={LOCK_WAIT}s",
    }
    return sa.create_engine(url, connect_args=arguments, **common)


def _sqlite(url: str, patience: float) -> Engine:
    memory = in_memory(url)
    engine = sa.create_engine(
        url,
        hide_parameters=True,
        connect_args={
            "check_same_thread": False,
            "timeout": SQLITE_WAIT,
            "isolation_level": None,
            "cached_statements": 512,
        },
        poolclass=pool.StaticPool if memory else pool.QueuePool,
        **({} if memory else {"pool_size": 20, "max_overflow": 100, "pool_timeout": patience}),
    )

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: Any) -> None:
        if not memory:
            connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.create_function("iaas_now", 0, runtime.time)

    return engine


def begin_writing(connection: Connection, deadline: float) -> None:
    """Become SQLite's one writer.

    Another process may be it.  SQLite would wait for that in C, where no green thread runs, and longer and longer
    between two looks, so that of several busy processes some starve; we look again every few milliseconds.

    :param deadline: until when to try, by :func:`runtime.monotonic`
    :raises WriterBusy: others wrote until then.
    """
    raw: Any = connection.connection.dbapi_connection
    pause = 0.001
    raw.execute("PRAGMA busy_timeout=0")
    try:
        while True:
            try:
                raw.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise exc.OperationalError("BEGIN IMMEDIATE", None, error) from error
                if runtime.monotonic() > deadline:
                    raise WriterBusy("something else holds SQLite's one writer") from error
            runtime.sleep(pause * runtime.rng().uniform(0.5, 1.0))
            pause = min(2 * pause, LONGEST_PAUSE)
    finally:
        raw.execute(f"PRAGMA busy_timeout={SQLITE_WAIT * 1000:.0f}")


def _green_psycopg2(options: Options) -> None:
    """Let green threads wait for PostgreSQL: psycopg2 waits in C unless it is told how.

    The limits are ours to keep: libpq has none while it connects by steps, and the server's limit of a statement is
    of no use when the server is not heard any more.  psycopg2 closes a connection whose wait failed.
    """
    if runtime.name() != "eventlet":
        return
    import psycopg2
    from psycopg2 import extensions

    def wait(connection: Any, timeout: float | None = None) -> None:
        connecting = connection.status == extensions.STATUS_SETUP
        limit = options.connect_timeout if connecting else options.statement_timeout + UNHEARD
        deadline = runtime.monotonic() + limit
        while (state := connection.poll()) != extensions.POLL_OK:
            if state not in (extensions.POLL_READ, extensions.POLL_WRITE):
                raise psycopg2.OperationalError(f"bad state {state} from poll")
            left = max(0.0, deadline - runtime.monotonic())
            try:
                runtime.wait_fd(connection.fileno(), write=state == extensions.POLL_WRITE, timeout=left)
            except TimeoutError:
                raise psycopg2.OperationalError(f"PostgreSQL did not answer within {limit:g} s") from None

    extensions.set_wait_callback(wait)


class db_now(FunctionElement[float]):  # noqa: N801  reads as the SQL function it is
    """The database's own clock, in seconds since the epoch: what leases are compared with."""

    type = sa.Double()
    inherit_cache = True
    name = "db_now"


@compiles(db_now, "sqlite")
def _now_sqlite(*_args: Any, **_kw: Any) -> str:
    return "iaas_now()"


@compiles(db_now, "mysql")
@compiles(db_now, "mariadb")
def _now_mysql(*_args: Any, **_kw: Any) -> str:
    return "UNIX_TIMESTAMP(NOW(6)) + 0e0"


@compiles(db_now, "postgresql")
def _now_postgresql(*_args: Any, **_kw: Any) -> str:
    return "EXTRACT(EPOCH FROM clock_timestamp())::float8"


@functools.cache
def insert_ignoring(dialect: str, table: sa.Table) -> Any:
    """An INSERT that changes no row where a unique key refuses it."""
    if dialect == "sqlite":
        from sqlalchemy.dialects.sqlite import insert

        return insert(table).on_conflict_do_nothing()
    if dialect == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as pg_insert

        return pg_insert(table).on_conflict_do_nothing()
    return sa.insert(table).prefix_with("IGNORE")


def is_duplicate(error: exc.IntegrityError) -> bool:
    """Whether a unique key (and not a foreign key or a check) refused the row."""
    original: Any = error.orig
    if getattr(original, "pgcode", None):
        return original.pgcode == "23505"
    if "sqlite3" in type(original).__module__:
        return "UNIQUE" in str(original)
    return bool(original.args) and original.args[0] == 1062


def took_too_long(error: exc.DBAPIError) -> bool:
    """Whether the database gave a statement up at its time limit."""
    return _code(error) in TOO_LONG


def is_read_only(error: exc.DBAPIError) -> bool:
    """Whether the database takes no changes, from anybody."""
    if "sqlite3" in type(error.orig).__module__:
        return "readonly database" in str(error.orig)
    return _code(error) in READ_ONLY


def _code(error: exc.DBAPIError) -> Any:
    original: Any = error.orig
    return getattr(original, "pgcode", None) or (original.args[0] if original.args else None)


def is_transient(error: exc.DBAPIError) -> bool:
    """Whether running the whole transaction again may succeed."""
    original: Any = error.orig
    if error.connection_invalidated:
        return True
    if "sqlite3" in type(original).__module__:
        return any(words in str(original) for words in SQLITE_TRANSIENT)
    if hasattr(original, "pgcode"):
        broken = original.pgcode is None and isinstance(error, exc.OperationalError)
        return broken or original.pgcode in PG_TRANSIENT
    return bool(original.args) and original.args[0] in MYSQL_TRANSIENT
