"""Transactions: opened where the decision is made, retried whole, never nested, never over I/O.

A verb or a job step that writes is a function of a :class:`Tx`::

    instance_id = db.write(ctx, _accept, new)      # runs _accept(tx, new) in one transaction

A deadlock, a serialisation failure, a busy or lost database rolls back and runs the *whole* function again,
so it must decide from what it reads inside.  A commit whose answer is lost is looked up by the last row the
function inserted: if the row is there, it was committed, and nothing is done twice.  Reads are a ``with`` block:
``with db.read(ctx) as tx: …``.

Queries live in ``iaas.db.<aggregate>``, take the ``Tx`` first, and never open, commit or nest.

SQLite has one writer: a lock of the process is taken *before* BEGIN IMMEDIATE, because a green thread that waits
for SQLite's own lock waits in C and stops everybody.  Both waits together have one limit; who waited that long is told
that the database took too long, and does not stand in line again.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import bindparam, exc, literal
from sqlalchemy.engine import Connection, CursorResult, Row
from sqlalchemy.sql.expression import ClauseElement, Executable, Select

from iaas.common import errors, log, metrics, runtime
from iaas.common.context import RequestContext
from iaas.db import engines

LOG = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")
MAX_TRIES = 6
AWAY = "The database cannot be reached at the moment. Nothing was changed; try again."
TOO_LONG = "The database took too long. Nothing was changed; try again."
NO_CHANGES = "The database takes no changes at the moment. Nothing was changed; try again."
UNKNOWN = "The database went away before it answered. The request may have been done: look before you ask again."
PATIENCE = 30.0  # seconds after which a contended transaction is not tried again: somebody waits for its answer


class DuplicateKey(errors.IaasError):
    """A unique key refused a row; the transaction is over."""

    kind = errors.Kind.CONFLICT
    template = "A row with the same unique key exists."


class _AnswerLost(Exception):
    """The connection broke in the commit: nobody has said yet whether it happened."""

    def __init__(self, result: Any, tx: Tx) -> None:
        super().__init__()
        self.result = result
        self.tx = tx


class GuardedUpdate:
    """An UPDATE of one row that returns columns of it: made once, run by :meth:`Tx.update_returning`.

    :param statement: finds its row by ``table.c.id == bindparam("row_id")``
    """

    def __init__(self, statement: Any, *columns: Any) -> None:
        self.statement = statement
        self.returning = statement.returning(*columns)
        self.again = Select(*columns).where(statement.table.c.id == bindparam("row_id"))


class ReturningDelete:
    """A DELETE that returns columns of the rows it removes: made once, run by :meth:`Tx.delete_returning`."""

    def __init__(self, statement: Any, *columns: Any) -> None:
        self.statement = statement
        self.returning = statement.returning(*columns)
        self.before = Select(*columns).where(statement.whereclause).with_for_update()


class Outcomes:
    """How the latest transactions that write ended.

    :ivar written_at: when the last one was committed that changed something, by :func:`runtime.monotonic`; None if one
        was given up since
    :ivar broken: how many broke since: the database let them begin, for all we know, and did not let them end
    :ivar broken_at: when the last of them did
    :ivar why: the sentence its caller got
    """

    def __init__(self) -> None:
        self.written_at: float | None = None
        self.broken = 0
        self.broken_at = 0.0
        self.why = ""

    def wrote(self) -> None:
        self.written_at, self.broken = runtime.monotonic(), 0

    def gave_up(self, why: str) -> None:
        self.written_at = None
        if why in (AWAY, UNKNOWN):
            self.broken, self.broken_at, self.why = self.broken + 1, runtime.monotonic(), why


class Tx:
    """One open transaction and the request it serves.

    :ivar changes: whether a statement was run that changes rows, or would have
    :ivar witness: the last row inserted, as (table, key): it is there if and only if the transaction is committed
    """

    __slots__ = ("_after", "changes", "connection", "ctx", "database", "witness")

    def __init__(self, database: Database, connection: Connection, ctx: RequestContext) -> None:
        self.database = database
        self.connection = connection
        self.ctx = ctx
        self._after: list[Callable[[], None]] = []
        self.changes = False
        self.witness: tuple[Any, dict[str, Any]] | None = None

    def execute(self, statement: Executable, values: Any = None) -> CursorResult[Any]:
        """Run one statement.

        :raises DuplicateKey: a unique key refused it.
        """
        self.database.statements += 1
        log.count_statement()
        if statement.is_dml:
            self.changes = True
        try:
            return self.connection.execute(statement, values)  # type: ignore[call-overload]
        except exc.IntegrityError as error:
            if engines.is_duplicate(error):
                raise DuplicateKey from error
            raise

    def one(self, query: Executable) -> Row[Any] | None:
        """Return the first row, or None."""
        return self.execute(query).first()

    def all(self, query: Executable) -> Sequence[Row[Any]]:
        return self.execute(query).all()

    def scalar(self, query: Executable) -> Any:
        """Return the first column of the first row, or None."""
        return self.execute(query).scalar()

    def count(self, statement: Executable, values: Any = None) -> int:
        """Run an UPDATE or DELETE and return how many rows it changed: the guard of every conditional write."""
        return self.execute(statement, values).rowcount

    def insert(self, table: Any, **values: Any) -> None:
        """Insert one row."""
        self.execute(_insert(table), values)
        self.witness = table, {column.name: values[column.name] for column in table.primary_key}

    def insert_new(self, table: Any, **values: Any) -> bool:
        """Insert one row unless a unique key refuses it; return whether it is new. The transaction goes on."""
        return self.count(engines.insert_ignoring(self.connection.dialect.name, table), values) == 1

    def update_returning(self, change: GuardedUpdate, values: Mapping[str, Any]) -> Row[Any] | None:
        """Run a guarded UPDATE of one row and return its columns, or None if the guard failed.

        One statement where the database can (SQLite, PostgreSQL), two elsewhere.

        :param values: the statement's parameters, of which ``row_id`` is the row's, and columns to set besides
        """
        if self.connection.dialect.update_returning:
            return self.execute(change.returning, values).first()
        if self.count(change.statement, values) != 1:
            return None
        return self.execute(change.again, {"row_id": values["row_id"]}).first()

    def delete_returning(self, removal: ReturningDelete, values: Mapping[str, Any]) -> Sequence[Row[Any]]:
        """Run a DELETE and return the rows that are gone: one statement where the database can, two in MySQL."""
        if self.connection.dialect.delete_returning:
            return self.execute(removal.returning, values).all()
        rows = self.execute(removal.before, values).all()
        self.execute(removal.statement, values)
        return rows

    def on_commit(self, fn: Callable[[], None]) -> None:
        """Run ``fn`` after the commit: a ring, a cache to drop. Never anything the promise depends on."""
        self._after.append(fn)


@functools.cache
def _insert(table: Any) -> Any:
    return table.insert()


class Database:
    """One SQL database as this process sees it.

    ``statements`` counts what was sent, for the bench and for tests that hold a budget.

    :ivar name: the last word of its URL
    :ivar outcomes: how the latest transactions that write ended
    """

    _open: weakref.WeakSet[Database] = weakref.WeakSet()

    def __init__(self, url: str, options: engines.Options | None = None) -> None:
        self.engine = engines.make(url, options or engines.Options())
        self.dialect = self.engine.dialect.name
        self.statements = 0
        self.outcomes = Outcomes()
        self.name = (self.engine.url.database or "memory").rpartition("/")[2]
        self._open.add(self)
        self._writer = runtime.lock()  # of SQLite
        self._reader = self._writer if engines.in_memory(url) else contextlib.nullcontext()

    def close(self) -> None:
        self.engine.dispose()

    @classmethod
    def sent(cls) -> dict[str, int]:
        """Return the statements sent so far, by the name of each database of the process."""
        counts: dict[str, int] = {}
        for database in cls._open:
            counts[database.name] = counts.get(database.name, 0) + database.statements
        return counts

    @contextlib.contextmanager
    def read(self, ctx: RequestContext) -> Iterator[Tx]:
        """Open a transaction that only reads.

        :raises Unavailable: the database cannot be reached.
        """
        began = runtime.monotonic()
        try:
            with self._reader, _translated(), self.engine.connect() as connection:
                yield Tx(self, connection, ctx)
        finally:
            metrics.DB_SECONDS.see(runtime.monotonic() - began, self.name, "read")

    @contextlib.contextmanager
    def snapshot(self, ctx: RequestContext) -> Iterator[Tx]:
        """Open a transaction that only reads, and whose statements all see the same moment.

        :raises Unavailable: the database cannot be reached.
        """
        with self._reader, _translated(), self.engine.connect() as connection:
            if self.dialect != "sqlite":
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            elif self._reader is not self._writer:  # else nobody writes while we hold the lock
                connection.exec_driver_sql("BEGIN")
            yield Tx(self, connection, ctx)

    def write(self, ctx: RequestContext, fn: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``fn(tx, …)`` in one transaction, again as a whole if the database asks for it.

        :raises Unavailable: the database cannot be reached or stays contended.
        """
        began = runtime.monotonic()
        try:
            result, after = self._tried(ctx, fn, *args, **kwargs)
        finally:
            metrics.DB_SECONDS.see(runtime.monotonic() - began, self.name, "write")
        for callback in after:
            callback()
        return result

    def attempt(self, ctx: RequestContext, fn: Callable[[Tx], T]) -> T:
        """Run ``fn(tx)`` in one transaction that may write, once, and count its end for nothing: for probes.

        :raises Unavailable: the database cannot be reached, or lets nobody write.
        """
        with _translated():
            return self._once(ctx, fn)[0]

    def _tried(self, ctx: RequestContext, fn: Any, *args: Any, **kwargs: Any) -> tuple[Any, list[Any]]:
        """Run a transaction until it is committed; return its result and what is to be done after it."""
        began = runtime.monotonic()
        for attempt in range(MAX_TRIES):
            if attempt:
                metrics.DB_RETRIES.add(self.name)
            try:
                return self._once(ctx, fn, *args, **kwargs)
            except _AnswerLost as lost:
                if self._committed(lost.tx):
                    return lost.result, lost.tx._after
                if attempt == MAX_TRIES - 1:
                    raise _unavailable(lost, UNKNOWN if lost.tx.witness is None else AWAY, self.outcomes) from lost
                LOG.info("transaction %s was not committed and runs again", fn.__qualname__)
            except exc.DBAPIError as error:
                last = attempt == MAX_TRIES - 1 or runtime.monotonic() - began > PATIENCE
                _give_up_on(error, last, self.outcomes)
                LOG.info("transaction %s runs again: %s", fn.__qualname__, type(error.orig).__name__)
                runtime.sleep(runtime.rng().uniform(0.01, min(0.5, 0.02 * 2**attempt)))
            except exc.TimeoutError as error:
                raise _unavailable(error, AWAY, self.outcomes) from error
            except engines.WriterBusy as error:
                raise _unavailable(error, TOO_LONG, self.outcomes) from error
        raise AssertionError("unreachable")

    def _once(self, ctx: RequestContext, fn: Any, *args: Any, **kwargs: Any) -> tuple[Any, list[Any]]:
        if self.dialect != "sqlite":
            with self.engine.connect() as connection:
                return self._run(Tx(self, connection, ctx), fn, *args, **kwargs)
        deadline = runtime.monotonic() + engines.SQLITE_WAIT
        if not self._writer.acquire(timeout=engines.SQLITE_WAIT):
            raise engines.WriterBusy("others of this process stand in line for SQLite's one writer")
        try:
            with self.engine.connect() as connection:
                engines.begin_writing(connection, deadline)
                return self._run(Tx(self, connection, ctx), fn, *args, **kwargs)
        finally:
            self._writer.release()

    def _run(self, tx: Tx, fn: Any, *args: Any, **kwargs: Any) -> tuple[Any, list[Any]]:
        try:
            result = fn(tx, *args, **kwargs)
        except exc.DBAPIError as error:
            if engines.is_read_only(error):
                tx.connection.invalidate(error)  # a new one may find the server that takes changes now
            raise
        try:
            self._commit(tx.connection)
        except exc.DBAPIError as error:
            if not engines.is_transient(error):
                raise
            raise _AnswerLost(result, tx) from error
        if tx.changes:
            self.outcomes.wrote()
        return result, tx._after

    def _commit(self, connection: Connection) -> None:
        connection.commit()

    def _committed(self, tx: Tx) -> bool:
        """Whether the commit whose answer was lost happened; without a witness it is done again.

        :raises Unavailable: the database cannot be asked.
        """
        if tx.witness is None:
            return False
        table, key = tx.witness
        query = Select(literal(1)).where(*[table.c[name] == value for name, value in key.items()])
        for attempt in range(MAX_TRIES):
            try:
                with self.read(tx.ctx) as asking:
                    return asking.scalar(query) is not None
            except errors.Unavailable as error:
                if attempt == MAX_TRIES - 1:
                    raise _unavailable(error, UNKNOWN, self.outcomes) from error
                runtime.sleep(0.2 * 2**attempt)
        raise AssertionError("unreachable")


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (exc.TimeoutError, _AnswerLost) as error:
        raise _unavailable(error) from error
    except engines.WriterBusy as error:
        raise _unavailable(error, TOO_LONG) from error
    except exc.DBAPIError as error:
        _give_up_on(error, last=True)


def _give_up_on(error: exc.DBAPIError, last: bool, outcomes: Outcomes | None = None) -> None:
    """Return if the transaction may be tried again.

    :param last: it was tried often or long enough
    :raises Unavailable: later, it may succeed.
    :raises DBAPIError: it never will.
    """
    if engines.took_too_long(error):
        raise _unavailable(error, TOO_LONG, outcomes) from error
    if engines.is_read_only(error):
        raise _unavailable(error, NO_CHANGES, outcomes) from error
    if last and engines.is_transient(error):
        raise _unavailable(error, AWAY, outcomes) from error
    if not engines.is_transient(error):
        raise error


def _unavailable(error: Exception, reason: str = AWAY, outcomes: Outcomes | None = None) -> errors.Unavailable:
    """Return the error for the caller; ``outcomes`` counts it, if it ends a transaction that writes."""
    LOG.warning("database unavailable: %s", error)
    metrics.DB_UNAVAILABLE.add()
    if outcomes is not None:
        outcomes.gave_up(reason)
    return errors.Unavailable(reason=reason)


__all__ = ["ClauseElement", "Database", "DuplicateKey", "GuardedUpdate", "ReturningDelete", "Tx"]
