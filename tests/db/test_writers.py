"""SQLite has one writer at a time, also when it is another process."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

import pytest
import sqlalchemy as sa

from iaas.common import context, errors
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
