"""Transactions: retried whole, and never done twice when the answer to a commit is lost."""

from __future__ import annotations

import pymysql
import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from iaas.common import context, errors, metrics, runtime
from iaas.db import engines, probe
from iaas.db.tx import Database, DuplicateKey

CTX = context.admin("req-1")
METADATA = sa.MetaData()
things = sa.Table("things", METADATA, sa.Column("id", sa.String(10), primary_key=True), sa.Column("n", sa.Integer))


class Flaky(Database):
    """A database whose commits may break before or after they happen."""

    plan: list[str]

    def _commit(self, connection):
        how = self.plan.pop(0) if self.plan else "ok"
        if how != "before":
            connection.commit()
        if how != "ok":
            raise exc.OperationalError("COMMIT", {}, _locked())


def _locked():
    import sqlite3

    return sqlite3.OperationalError("database is locked")


@pytest.fixture
def db():
    made = Flaky("sqlite://")
    made.plan = []
    METADATA.create_all(made.engine)
    return made


def add(tx, counter, heard):
    counter.append(1)
    tx.insert(things, id=f"t{len(counter)}", n=1)
    tx.on_commit(lambda: heard.append("rung"))
    return len(counter)


def rows(db):
    with db.read(CTX) as tx:
        return [row.id for row in tx.all(sa.select(things))]


@pytest.mark.parametrize(("plan", "runs", "left"), [([], 1, ["t1"]), (["before"], 2, ["t2"]), (["after"], 1, ["t1"])])
def test_a_commit_is_done_once_whatever_becomes_of_its_answer(db, plan, runs, left):
    db.plan = plan
    counter, heard = [], []
    assert db.write(CTX, add, counter, heard) == runs
    assert rows(db) == left
    assert heard == ["rung"]


def test_without_a_row_to_look_for_the_function_runs_again(db):
    db.write(CTX, lambda tx: tx.insert(things, id="a", n=1))
    db.plan = ["after"]
    runs = []

    def guarded(tx):
        runs.append(1)
        return tx.count(sa.update(things).where(things.c.id == "a", things.c.n == 1).values(n=2))

    assert db.write(CTX, guarded) == 0
    assert len(runs) == 2


def test_a_database_that_stays_broken_is_unavailable_and_nothing_is_kept(db):
    db.plan = ["before"] * 20
    with pytest.raises(errors.Unavailable):
        db.write(CTX, add, [], [])
    assert rows(db) == []


def test_a_commit_that_nobody_can_be_asked_about_is_not_called_undone(db, monkeypatch):
    db.plan = ["after"]

    def away(ctx):
        raise errors.Unavailable(reason="The database cannot be reached.")

    with monkeypatch.context() as patched:
        patched.setattr(db, "read", away)
        patched.setattr(runtime, "sleep", lambda seconds: None)
        with pytest.raises(errors.Unavailable, match="may have been done"):
            db.write(CTX, add, [], [])
    assert rows(db) == ["t1"]


def test_a_failing_function_leaves_nothing(db):
    def fails(tx):
        tx.insert(things, id="a", n=1)
        raise errors.Conflict(reason="no")

    with pytest.raises(errors.Conflict):
        db.write(CTX, fails)
    assert rows(db) == []


def test_a_unique_key_is_a_duplicate_and_insert_new_says_no(db):
    db.write(CTX, lambda tx: tx.insert(things, id="a", n=1))
    with pytest.raises(DuplicateKey):
        db.write(CTX, lambda tx: tx.insert(things, id="a", n=1))
    assert db.write(CTX, lambda tx: (tx.insert_new(things, id="a", n=1), tx.insert_new(things, id="b", n=1))) == (
        False,
        True,
    )


def test_what_runs_after_the_commit_does_not_run_when_there_is_none(db):
    heard = []

    def fails(tx):
        tx.on_commit(lambda: heard.append(1))
        raise KeyError("x")

    with pytest.raises(KeyError):
        db.write(CTX, fails)
    assert heard == []


def test_a_full_disk_is_unavailable_and_works_again_with_room(tmp_path):
    db = Database(f"sqlite:///{tmp_path}/full.sqlite")
    METADATA.create_all(db.engine)

    def limit(connection, pages):
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    def fill(tx):
        limit(tx.connection, 4)
        for number in range(1000):
            tx.insert(things, id=f"row{number:07}", n=number)

    def grow(tx):
        limit(tx.connection, 1_000_000)
        tx.insert(things, id="later", n=1)

    with pytest.raises(errors.Unavailable):
        db.write(CTX, fill)
    db.write(CTX, grow)
    assert rows(db) == ["later"]
    db.close()


@pytest.mark.parametrize("error", ["53100", "53200", "53300"])
def test_a_server_short_of_disk_memory_or_connections_is_unavailable(error):
    original = type("Error", (Exception,), {"pgcode": error})()
    assert engines.is_transient(exc.OperationalError("INSERT", {}, original))


@pytest.mark.parametrize("error", [1021, 1040, 1041, 1114])
def test_a_mysql_short_of_disk_memory_or_connections_is_unavailable(error):
    original = pymysql.err.OperationalError(error, "no more")
    assert engines.is_transient(exc.OperationalError("INSERT", {}, original))


def test_a_pool_whose_connections_are_all_taken_is_unavailable_after_the_time_limit(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/full.sqlite", engines.Options(pool_timeout=0.05))
    taken, limit = [], probe.connections(database)[1]
    try:
        while len(taken) < limit:
            taken.append(database.engine.connect())
        assert probe.connections(database) == (limit, limit)
        before = metrics.DB_UNAVAILABLE.values.get((), 0)
        with pytest.raises(errors.Unavailable), database.read(CTX) as tx:
            tx.scalar(sa.select(1))
        with pytest.raises(errors.Unavailable):
            database.write(CTX, lambda tx: None)
        assert metrics.DB_UNAVAILABLE.values[()] == before + 2
        taken.pop().close()
        with database.read(CTX) as tx:
            assert tx.scalar(sa.select(1)) == 1
    finally:
        for connection in taken:
            connection.close()
        database.close()
