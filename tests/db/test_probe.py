"""What /healthz is told of a database: whether it answers, and whether it takes changes."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from iaas.common import context, errors, runtime
from iaas.db import engines, probe, tx
from iaas.db.tx import Database, Outcomes
from tools import private_servers

CTX = context.admin()
METADATA = sa.MetaData()
things = sa.Table("things", METADATA, sa.Column("id", sa.String(40), primary_key=True))


class Counting(Database):
    """A database that counts how often it was asked whether it can be written."""

    attempts = 0

    def attempt(self, ctx, fn):
        self.attempts += 1
        return super().attempt(ctx, fn)


@pytest.fixture
def database(tmp_path):
    made = Counting(f"sqlite:///{tmp_path}/x.sqlite")
    METADATA.create_all(made.engine)
    yield made
    made.close()


@pytest.fixture
def other(database):
    """A connection of another process, as it were."""
    made = sqlite3.connect(database.engine.url.database, isolation_level=None)
    yield made
    made.close()


def write(database):
    database.write(CTX, lambda tx: tx.insert(things, id=runtime.uuid()))


def asked(asking):
    """What is wrong now, by check."""
    return {found.name: found.why for found in probe.check([asking])}


def until_well(asking):
    """Ask until all is well, by itself."""
    deadline = runtime.monotonic() + 60
    while any(asked(asking).values()):
        assert runtime.monotonic() < deadline
        runtime.sleep(0.01)


WELL = {"answers": None, "writes": None}


def test_a_database_another_process_holds_answers_but_cannot_be_written_and_is_well_again_by_itself(
    database, other, monkeypatch
):
    monkeypatch.setattr(probe, "LATELY", 0.0)
    monkeypatch.setattr(probe, "FRESH", 3600.0)
    asking = probe.Probe(database)
    assert asked(asking) == WELL
    other.execute("BEGIN IMMEDIATE")
    with monkeypatch.context() as short:
        short.setattr(probe, "PATIENCE", 0.2)
        why = asked(asking)
        assert why == {"answers": None, "writes": "No transaction that writes could be begun for 0.2 s."}
    other.execute("ROLLBACK")
    until_well(asking)


def test_who_waited_for_the_writer_in_vain_says_so(database, other, monkeypatch):
    monkeypatch.setattr(engines, "SQLITE_WAIT", 0.05)
    other.execute("BEGIN IMMEDIATE")
    assert asked(probe.Probe(database)) == {"answers": None, "writes": tx.TOO_LONG}


def test_many_who_want_to_know_ask_once(database, other, monkeypatch):
    asking = probe.Probe(database)
    for _ in range(20):
        assert asked(asking) == WELL
    assert database.attempts == 1
    other.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(probe, "PATIENCE", 0.05)
    monkeypatch.setattr(probe, "LATELY", 0.0)
    for _ in range(20):
        assert asked(asking)["writes"]
    assert database.attempts == 2, "one is under way"


def test_asking_whether_it_can_be_written_changes_nothing(database, other, monkeypatch):
    monkeypatch.setattr(probe, "LATELY", 0.0)
    write(database)
    log = Path(f"{database.engine.url.database}-wal")
    before, version = log.read_bytes(), other.execute("PRAGMA data_version").fetchone()
    for _ in range(3):
        assert asked(probe.Probe(database)) == WELL
    assert database.attempts == 3
    assert (log.read_bytes(), other.execute("PRAGMA data_version").fetchone()) == (before, version)


def test_a_database_that_took_a_change_lately_is_not_asked(database, other):
    asking = probe.Probe(database)
    write(database)
    other.execute("BEGIN IMMEDIATE")
    assert asked(asking) == WELL
    assert database.attempts == 0


def test_a_transaction_that_only_looked_proves_nothing(database):
    database.write(CTX, lambda tx: tx.all(sa.select(things)))
    assert asked(probe.Probe(database)) == WELL
    assert database.attempts == 1


def test_a_change_that_was_given_up_counts_more_than_one_before_it(database, other, monkeypatch):
    monkeypatch.setattr(engines, "SQLITE_WAIT", 0.05)
    write(database)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(errors.Unavailable):
        write(database)
    assert asked(probe.Probe(database))["writes"] == tx.TOO_LONG
    assert database.attempts == 1


def fill(tx):
    tx.connection.exec_driver_sql("PRAGMA max_page_count=4")
    for _ in range(1000):
        tx.insert(things, id=runtime.uuid())


def test_a_full_disk_lets_a_transaction_begin_and_is_told_by_those_that_failed(database, monkeypatch):
    monkeypatch.setattr(tx, "MAX_TRIES", 1)
    for _ in range(probe.IN_A_ROW):
        with pytest.raises(errors.Unavailable):
            database.write(CTX, fill)
    asking = probe.Probe(database)
    assert asked(asking)["writes"] == f"The last 3 transactions that write broke: {tx.AWAY}"
    with monkeypatch.context() as later:
        later.setattr(probe, "HEEDED", 0.0)
        assert asked(asking) == WELL
    database.write(CTX, lambda tx: tx.connection.exec_driver_sql("PRAGMA max_page_count=1000000"))
    write(database)
    assert asked(asking) == WELL


def test_a_refusal_for_reasons_of_the_cloud_says_nothing_about_the_database(database):
    def full(tx):
        raise errors.Unavailable(reason="The cloud has too many requests under way.")

    for _ in range(10):
        with pytest.raises(errors.Unavailable):
            database.write(CTX, full)
    assert asked(probe.Probe(database)) == WELL


def test_all_databases_are_asked_at_the_same_time(monkeypatch):
    met = [runtime.event() for _ in range(3)]

    def meet(mine):
        mine.set()
        for event in met:
            assert event.wait(60)

    def standin(event):
        return SimpleNamespace(name="x", outcomes=Outcomes(), read=_no_read, attempt=lambda ctx, fn: meet(event))

    monkeypatch.setattr(probe, "PATIENCE", 60)
    found = probe.check([probe.Probe(standin(event)) for event in met])
    assert [check.ok for check in found if check.name == "writes"] == [True] * 3


def _no_read(ctx):
    raise errors.Unavailable(reason="not asked here")


def test_an_error_nobody_thought_of_is_said_without_its_words(database, monkeypatch):
    monkeypatch.setattr(database, "attempt", lambda ctx, fn: {}["secret"])
    assert asked(probe.Probe(database))["writes"] == "Asking it failed: KeyError."


# -- servers -----------------------------------------------------------------------------------------------


def only_readable(database):
    """Whether reads go on, and writes are refused in a sentence, at once and not as an error of ours."""
    with database.read(CTX) as reading:
        before = reading.scalar(sa.select(sa.func.count()).select_from(things))
    with pytest.raises(errors.Unavailable, match="takes no changes"):
        write(database)
    with database.read(CTX) as reading:
        assert reading.scalar(sa.select(sa.func.count()).select_from(things)) == before
    return asked(probe.Probe(database)) == {"answers": None, "writes": tx.NO_CHANGES}


def both_well(database):
    assert asked(probe.Probe(database)) == WELL
    write(database)
    return asked(probe.Probe(database)) == WELL


def until_written(database):
    """Write until it succeeds: whoever is refused gives up a connection that cannot write, and the pool has few."""
    for _ in range(engines.Options.pool_size):
        try:
            return write(database)
        except errors.Unavailable:
            continue
    pytest.fail("it can still not be written")


def test_a_file_that_is_read_only_can_only_be_read(database):
    assert both_well(database)

    @sa.event.listens_for(database.engine, "connect")
    def read_only(connection, _record):
        connection.execute("PRAGMA query_only=ON")

    database.engine.dispose()
    assert only_readable(database)


@pytest.mark.servers
def test_a_mariadb_that_is_read_only_can_only_be_read(mariadb_url):
    root = sa.create_engine(mariadb_url, isolation_level="AUTOCOMMIT")
    url = sa.make_url(mariadb_url).set(username="unprivileged", password="x", database="probed")
    with root.connect() as admin:
        admin.exec_driver_sql("CREATE DATABASE probed")
        admin.exec_driver_sql("CREATE USER 'unprivileged'@'127.0.0.1' IDENTIFIED BY 'x'")
        admin.exec_driver_sql("GRANT ALL ON probed.* TO 'unprivileged'@'127.0.0.1'")
        database = Database(url.render_as_string(hide_password=False))
        try:
            METADATA.create_all(database.engine)
            assert both_well(database)
            admin.exec_driver_sql("SET GLOBAL read_only=1")
            assert only_readable(database)
            admin.exec_driver_sql("SET GLOBAL read_only=0")
            assert both_well(database)
        finally:
            admin.exec_driver_sql("SET GLOBAL read_only=0")
            database.close()
            admin.exec_driver_sql("DROP USER 'unprivileged'@'127.0.0.1'")
            admin.exec_driver_sql("DROP DATABASE probed")
    root.dispose()


@pytest.mark.servers
def test_a_postgresql_that_is_read_only_by_default_can_only_be_read(postgresql_url):
    root = sa.create_engine(postgresql_url, isolation_level="AUTOCOMMIT")
    url = sa.make_url(postgresql_url).set(database="probed").render_as_string(hide_password=False)
    with root.connect() as admin:
        admin.exec_driver_sql("CREATE DATABASE probed")
        database = Database(url)
        try:
            METADATA.create_all(database.engine)
            assert both_well(database)
            admin.exec_driver_sql("ALTER DATABASE probed SET default_transaction_read_only = on")
            database.engine.dispose()  # it counts for new connections
            assert only_readable(database)
            admin.exec_driver_sql("ALTER DATABASE probed SET default_transaction_read_only = off")
            until_written(database)
            assert both_well(database)
        finally:
            database.close()
            admin.exec_driver_sql("DROP DATABASE probed")
    root.dispose()


@pytest.mark.servers
def test_a_postgresql_that_follows_another_can_only_be_read_until_it_is_promoted():
    with tempfile.TemporaryDirectory(prefix="iaas-follower-") as folder:
        Path(folder).chmod(0o755)
        server = private_servers.PostgreSQL(Path(folder) / "postgresql")
        try:
            server.start()
        except private_servers.Missing as missing:
            pytest.skip(f"NO POSTGRESQL ON THIS MACHINE, {missing}")
        database = Database(server.url)
        try:
            METADATA.create_all(database.engine)
            assert both_well(database)
            database.engine.dispose()  # else it waits for our connections to end
            server.stop()
            (server.directory / "data" / "standby.signal").touch()
            server.start()
            assert only_readable(database)
            with database.engine.connect() as connection:
                assert connection.exec_driver_sql("SELECT pg_promote()").scalar()
            until_written(database)
            assert both_well(database)
        finally:
            database.close()
            server.stop()
