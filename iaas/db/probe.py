"""Whether a database answers and takes changes: asked now, by whoever wants to know, and never waited for longer than
a moment.

What the process did lately is asked first: a database that took a change some seconds ago takes changes.  Else a
transaction that writes is begun and left, which changes nothing and reaches no disk.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from iaas.common import context, errors, runtime
from iaas.common.health import Check
from iaas.db.tx import NO_CHANGES, Database, Outcomes, Tx

LOG = logging.getLogger(__name__)
#: seconds an answer stays good: who asks more often asks the database no more often
FRESH = 1.0
#: seconds for which a change proves that changes are taken, and an answer about that stays good
LATELY = 5.0
#: seconds somebody waits for the answers
PATIENCE = 2.5
#: transactions that broke one after the other, the last not longer ago than these seconds, prove the contrary: a full
#: disk lets a transaction begin
IN_A_ROW, HEEDED = 3, 10.0


class Probe:
    """Asks one database; at most one question of a kind is under way, however many want to know."""

    def __init__(self, database: Database) -> None:
        self.name = database.name
        self._outcomes = database.outcomes
        self._answers = _Question(database, _answers, "It has not answered")
        self._writes = _Question(database, _takes_changes, "No transaction that writes could be begun")

    def ask(self) -> None:
        """Ask what is not known."""
        self._answers.ask(FRESH)
        if not _wrote_lately(self._outcomes):
            self._writes.ask(FRESH if self._writes.failed else LATELY)

    def checks(self, deadline: float) -> list[Check]:
        """Return what is known by ``deadline``, of :func:`runtime.monotonic`."""
        part = f"database {self.name}"
        why = self._answers.wait(deadline)
        found = [Check(part, "answers", why is None, self._answers.age(), why=why)]
        why = self._unwritten(deadline)
        return [*found, Check(part, "writes", why is None, self._age(), why=why)]

    def _unwritten(self, deadline: float) -> str | None:
        """Return why nothing can be written, None if something can."""
        outcomes = self._outcomes
        if _wrote_lately(outcomes):
            return None
        if outcomes.broken >= IN_A_ROW and runtime.monotonic() - outcomes.broken_at < HEEDED:
            return f"The last {outcomes.broken} transactions that write broke: {outcomes.why}"
        return self._writes.wait(deadline)

    def _age(self) -> float | None:
        """Return the seconds since something was, or could have been, written."""
        ages = [self._writes.age(), _age(self._outcomes.written_at)]
        return min((age for age in ages if age is not None), default=None)


def check(probes: Sequence[Probe]) -> list[Check]:
    """Ask all at the same time and return every check; takes :data:`PATIENCE` seconds at most."""
    deadline = runtime.monotonic() + PATIENCE
    for probe in probes:
        probe.ask()
    return [found for probe in probes for found in probe.checks(deadline)]


class _Question:
    """Something to be asked of a database.

    :param ask: returns if all is well
    :param silence: what is said while there is no answer: "It has not answered" … for 2.5 s
    :ivar failed: what was wrong when it was answered last, None if nothing was
    """

    def __init__(self, database: Database, ask: Callable[[Database], None], silence: str) -> None:
        self._database = database
        self._do = ask
        self._silence = silence
        self._told: float | None = None
        self._well: float | None = None
        self.failed: str | None = None
        self._under_way: runtime.Event | None = None

    def age(self) -> float | None:
        """Return how many seconds ago all was well, None if it never was."""
        return _age(self._well)

    def ask(self, fresh: float) -> None:
        """Ask, unless there is an answer not older than ``fresh`` seconds or a question under way."""
        if self._under_way is None and (self._told is None or runtime.monotonic() - self._told > fresh):
            self._under_way = runtime.event()
            runtime.spawn(self._run, self._under_way)

    def wait(self, deadline: float) -> str | None:
        """Wait for the answer and return what is wrong, None if nothing is."""
        under_way = self._under_way
        if under_way is not None and not under_way.wait(max(0.0, deadline - runtime.monotonic())):
            return f"{self._silence} for {PATIENCE:g} s."
        return self.failed

    def _run(self, done: runtime.Event) -> None:
        try:
            self._do(self._database)
            self._well, self.failed = runtime.monotonic(), None
        except errors.IaasError as error:
            self.failed = str(error)
        except Exception as error:
            LOG.exception("asking the database %s how it is failed", self._database.name)
            self.failed = f"Asking it failed: {type(error).__name__}."
        finally:
            self._told, self._under_way = runtime.monotonic(), None
            done.set()


def _age(moment: float | None) -> float | None:
    return None if moment is None else runtime.monotonic() - moment


def _wrote_lately(outcomes: Outcomes) -> bool:
    age = _age(outcomes.written_at)
    return age is not None and age <= LATELY


def _answers(database: Database) -> None:
    """:raises Unavailable: it cannot be reached."""
    with database.read(context.admin("health")) as tx:
        tx.scalar(sa.select(1))


def _takes_changes(database: Database) -> None:
    """:raises Unavailable: it cannot be reached, takes no changes or lets nobody begin."""
    database.attempt(context.admin("health"), _begin_to_write)


def _begin_to_write(tx: Tx) -> None:
    """Have a transaction that writes refused, if one would be; SQLite has let us begin it already."""
    if tx.database.dialect == "postgresql":
        # on also where it follows another server
        if tx.scalar(sa.text("SHOW transaction_read_only")) == "on":
            tx.connection.invalidate()  # a new one may find the server that takes changes now
            raise errors.Unavailable(reason=NO_CHANGES)
    elif tx.database.dialect != "sqlite":
        tx.execute(sa.text("START TRANSACTION READ WRITE"))  # unlike BEGIN, refused by a server that is read-only


def connections(database: Database) -> tuple[int, int]:
    """Return how many connections a database has in use, and how many at most."""
    pool: Any = database.engine.pool
    if not hasattr(pool, "checkedout"):
        return 0, 1  # in memory: one, and a lock
    return pool.checkedout(), pool.size() + max(pool._max_overflow, 0)
