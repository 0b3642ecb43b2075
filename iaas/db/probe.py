"""Whether a database answers: asked now, by whoever wants to know, and never waited for longer than a moment."""

from __future__ import annotations

import logging
from typing import Any

import sqlalchemy as sa

from iaas.common import context, errors, runtime
from iaas.common.health import Check
from iaas.db.tx import Database

LOG = logging.getLogger(__name__)
#: seconds an answer stays good: who asks more often asks the database no more often
FRESH = 1.0
#: seconds somebody waits for an answer
PATIENCE = 2.5
#: seconds after which a database that has not answered counts as away
LIMIT = 10.0


class Probe:
    """Asks one database; at most one question is under way, however many want to know."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._answered: float | None = None
        self._failed: str | None = None
        self._asking: runtime.Event | None = None
        self.name = database.name

    def check(self) -> Check:
        """Return whether the database answers; takes :data:`PATIENCE` seconds at most."""
        if self._age() is None or (self._age() or 0.0) > FRESH:
            self._ask().wait(PATIENCE)
        age, why = self._age(), self._failed
        if why is None and self._asking is not None:
            why = f"It has not answered for {PATIENCE:g} s."
        late = why is not None or age is None or age > LIMIT
        return Check(f"database {self.name}", "answers", not late, age, LIMIT, (why or "It is late.") if late else None)

    def _age(self) -> float | None:
        return None if self._answered is None else runtime.monotonic() - self._answered

    def _ask(self) -> runtime.Event:
        under_way = self._asking
        if under_way is None:
            under_way = self._asking = runtime.event()
            runtime.spawn(self._run, under_way)
        return under_way

    def _run(self, done: runtime.Event) -> None:
        try:
            with self._database.read(context.admin("health")) as tx:
                tx.scalar(sa.select(1))
            self._answered, self._failed = runtime.monotonic(), None
        except errors.IaasError as error:
            self._failed = str(error)
        except Exception as error:
            LOG.exception("asking the database %s how it is failed", self._database.name)
            self._failed = f"Asking it failed: {type(error).__name__}."
        finally:
            self._asking = None
            done.set()


def connections(database: Database) -> tuple[int, int]:
    """Return how many connections a database has in use, and how many at most."""
    pool: Any = database.engine.pool
    if not hasattr(pool, "checkedout"):
        return 0, 1  # in memory: one, and a lock
    return pool.checkedout(), pool.size() + max(pool._max_overflow, 0)
