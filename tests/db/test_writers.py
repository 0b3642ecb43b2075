"""SQLite has one writer at a time, also when it is another process."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

import pytest
import sqlalchemy as sa

from iaas.common import context, errors, runtime
from iaas.db import engines, tx
from iaas.db.tx import Database

CTX = context.admin()
#: green threads: one writes while another process' transaction (here: another connection) is open, one counts
GREEN = """
import iaas.cmd.green
import sqlite3, sys
import sqlalchemy as sa
from iaas.common import context, runtime
from iaas.db.tx import Database

class Counting(Database):
    tries = 0
    def _once(self, *args, **kwargs):
        self.tries += 1
        return super()._once(*args, **kwargs)

database = Counting("sqlite:///" + sys.argv[1])
other = sqlite3.connect(sys.argv[1], isolation_level=None)
other.execute("BEGIN IMMEDIATE")
writer = runtime.spawn(database.write, context.admin(), lambda tx: tx.execute(sa.text("INSERT INTO t VALUES (1)")))
for _ in range(20):
    runtime.sleep(0.001)
other.execute("COMMIT")
writer.wait()
print(database.tries)
"""


@pytest.fixture
def path(tmp_path):
    """A database file with the empty table t."""
    made = tmp_path / "x.sqlite"
    with sqlite3.connect(made) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (n INTEGER)")
    return made


def test_who_waits_for_the_writer_of_another_process_lets_green_threads_run(path):
    done = subprocess.run([sys.executable, "-c", GREEN, path], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.returncode) == ("1\n", 0), done.stderr
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (1,)


def test_a_writer_that_never_lets_go_makes_the_database_unavailable(path, monkeypatch):
    monkeypatch.setattr(engines, "SQLITE_WAIT", 0.01)
    monkeypatch.setattr(tx, "MAX_TRIES", 2)
    database = Database(f"sqlite:///{path}")
    insert = sa.text("INSERT INTO t VALUES (1)")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(errors.Unavailable):
        database.write(CTX, lambda tx: tx.execute(insert))
    other.execute("COMMIT")
    database.write(CTX, lambda tx: tx.execute(insert))
    with database.read(CTX) as reading:
        assert reading.scalar(sa.text("SELECT count(*) FROM t")) == 1
        assert reading.scalar(sa.text("PRAGMA busy_timeout")) == 10, "milliseconds: as it was"
    other.close()
    database.close()


class Counting(Database):
    """A database that counts how often transactions were begun or waited for."""

    tries = 0

    def _once(self, *args, **kwargs):
        self.tries += 1
        return super()._once(*args, **kwargs)


@pytest.fixture
def database(path):
    made = Counting(f"sqlite:///{path}")
    yield made
    made.close()


def insert(tx):
    tx.execute(sa.text("INSERT INTO t VALUES (1)"))


def outcome(database, fn=insert):
    """What became of a transaction."""
    try:
        database.write(CTX, fn)
    except errors.Unavailable as error:
        return str(error)
    return "done"


def rows(database):
    with database.read(CTX) as reading:
        return reading.scalar(sa.text("SELECT count(*) FROM t"))


def test_requests_behind_a_foreign_writer_are_refused_together_and_not_one_after_the_other(path, database, monkeypatch):
    monkeypatch.setattr(engines, "SQLITE_WAIT", 0.2)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    asking = [runtime.spawn(outcome, database) for _ in range(8)]
    assert {task.wait() for task in asking} == {tx.TOO_LONG}
    assert database.tries == 8, "who has waited that long waits no second time"
    other.execute("ROLLBACK")
    assert outcome(database) == "done"
    assert rows(database) == 1
    other.close()


def test_who_stands_in_line_for_the_writer_of_this_process_is_refused_in_time(database, monkeypatch):
    monkeypatch.setattr(engines, "SQLITE_WAIT", 0.05)
    begun, go_on = runtime.event(), runtime.event()

    def long(tx):
        insert(tx)
        begun.set()
        go_on.wait(60)

    holder = runtime.spawn(outcome, database, long)
    begun.wait(60)
    waiting = [runtime.spawn(outcome, database) for _ in range(3)]
    refused = [runtime.spawn(lambda task=task: (task.wait(), go_on.is_set())) for task in waiting]
    assert [task.wait() for task in refused] == [(tx.TOO_LONG, False)] * 3
    go_on.set()
    assert holder.wait() == "done"
    assert outcome(database) == "done"
    assert rows(database) == 2


class Line:
    """A writer's lock that takes seven seconds to come by, on a clock of its own."""

    def __init__(self):
        self.now = 100.0

    def acquire(self, *, timeout):
        self.now += 7
        return True

    def release(self):
        """Nobody else waits."""


def test_the_wait_in_line_and_the_wait_for_sqlite_are_one_wait(database, monkeypatch):
    line, deadlines = Line(), []
    real = engines.begin_writing
    monkeypatch.setattr(database, "_writer", line)
    monkeypatch.setattr(runtime, "monotonic", lambda: line.now)
    monkeypatch.setattr(engines, "begin_writing", lambda raw, end: (deadlines.append(end), real(raw, end)))
    assert outcome(database) == "done"
    assert deadlines == [100 + engines.SQLITE_WAIT], "three of its ten seconds are left"
