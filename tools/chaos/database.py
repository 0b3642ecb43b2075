"""The database goes, comes, deadlocks, cuts connections and loses answers to commits; nothing is lost or doubled."""

from __future__ import annotations

import threading
import time
from collections import Counter

import sqlalchemy as sa

from tools.chaos.cases import Breach, Case, Facts, Say
from tools.chaos.lab import Lab, until
from tools.chaos.load import Load, cut_often, running_load
from tools.dev_cluster import DATABASES, make_database

REFUSED = 2.0  # a request is answered 503 so soon when the database is away
RETURN = 10.0  # the API serves again so soon after the database is back


def _away(lab: Lab, say: Say, seconds: float, *, killed: bool) -> Facts:
    """Take the database away under load: 503 at once, and served again soon after its return."""
    sql, client, book = lab.cluster.sql, lab.client, lab.book
    assert sql is not None
    with Load(lab) as load:
        running_load(lab, load)
        say(f"the database is {'killed' if killed else 'stopped'} for {seconds:.0f} s")
        (sql.kill if killed else sql.stop)()
        seen, begun = book.seen.copy(), time.monotonic()
        status, _ = client.ask("GET", "compute", "/servers")
        refused = time.monotonic() - begun
        time.sleep(seconds)
        answers = set(book.seen - seen) - {None, 400, 404}  # what is wrong in itself needs no database to be refused
        sql.start()
        up = time.monotonic()
        until(lambda: client.ask("GET", "compute", "/servers")[0] == 200, 60, "the API serves again")
        back = time.monotonic() - up
        running_load(lab, load, servers=3)
    if status != 503 or refused > REFUSED:
        raise Breach(f"a request while the database was away was answered {status} after {refused:.1f} s")
    if not answers <= {503}:
        raise Breach(f"answers while the database was away: {answers}")
    if back > RETURN:
        raise Breach(f"the API served {back:.1f} s after the database was back")
    return {"503 after": round(refused, 2), "served after": round(back, 1)}


def _engines(lab: Lab) -> list[sa.Engine]:
    assert lab.cluster.sql is not None
    urls = [make_database(lab.cluster.sql.url, f"iaas_{name}") for name in DATABASES]
    return [sa.create_engine(url) for url in urls]


def _kill_connections(engine: sa.Engine) -> int:
    """End every connection to the server but our own; return how many."""
    killed = 0
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() " \
                    "AND datname LIKE 'iaas%'"  # fmt: skip
            return len(connection.execute(sa.text(query)).all())
        ours = connection.execute(sa.text("SELECT CONNECTION_ID()")).scalar()
        for row in connection.execute(sa.text("SHOW PROCESSLIST")).all():
            if row[0] != ours and row[3]:
                try:
                    connection.execute(sa.text(f"KILL {int(row[0])}"))
                    killed += 1
                except sa.exc.DBAPIError:
                    continue  # it ended by itself
    return killed


def connections_killed(lab: Lab, say: Say) -> Facts:
    """End every connection in the database, once a second."""
    killed = 0
    engine = _engines(lab)[0]
    with Load(lab, pause=0.1) as load:
        running_load(lab, load)
        say("connections are killed")
        for _ in range(8):
            killed += _kill_connections(engine)
            time.sleep(1)
    engine.dispose()
    return {"connections killed": killed}


def _lock_in_reverse(engine: sa.Engine, stop: threading.Event, seen: Counter[str]) -> None:
    """Lock rows in the reverse of the order the daemons lock them in, until told to stop."""
    statements = [
        "UPDATE hosts SET used_vcpus = used_vcpus + 0",
        "UPDATE instances SET updated_at = updated_at WHERE host IS NOT NULL",
        "UPDATE jobs SET attempt = attempt + 0 WHERE live_key IS NOT NULL",
        "UPDATE quota_usages SET used = used + 0",
    ]
    while not stop.wait(0.05):
        try:
            with engine.begin() as connection:
                for statement in statements:
                    connection.execute(sa.text(statement))
                    time.sleep(0.03)
            seen["locked"] += 1
        except sa.exc.DBAPIError:
            seen["victim"] += 1  # the database chose us to end a deadlock; as often it chooses a daemon


def deadlocks(lab: Lab, say: Say) -> Facts:
    """A second client locks the same rows the other way round."""
    seen: Counter[str] = Counter()
    stop, engine = threading.Event(), _engines(lab)[0]
    threads = [threading.Thread(target=_lock_in_reverse, args=(engine, stop, seen)) for _ in range(2)]
    with Load(lab, pause=0.1) as load:
        running_load(lab, load)
        say("rows are locked in reverse")
        for thread in threads:
            thread.start()
        time.sleep(12)
        stop.set()
        for thread in threads:
            thread.join()
    engine.dispose()
    return {"locked in reverse": seen["locked"], "deadlocks lost by us": seen["victim"]}


def lost_answers(lab: Lab, say: Say) -> Facts:
    """Commits happen and their answers never come, every third of a second."""
    proxy = lab.cluster.database_proxy
    before = proxy.seen["swallowed"]
    with Load(lab, pause=0.1) as load:
        running_load(lab, load)
        say("answers to COMMIT are lost")
        for _ in range(40):
            proxy.swallow_commits(1)
            time.sleep(0.3)
        proxy.heal()
    lost = proxy.seen["swallowed"] - before
    if not lost:
        raise Breach("no COMMIT was recognised")
    return {"answers lost": lost}


def cut(lab: Lab, say: Say) -> Facts:
    """Reset every connection to the database, once a second."""
    return {"connections cut": cut_often(lab, say, lab.cluster.database_proxy)}


def half_open(lab: Lab, say: Say, seconds: float = 10.0) -> Facts:
    """Let the network to the database fall silent, and then reset what lost bytes."""
    with Load(lab) as load:
        running_load(lab, load)
        say(f"the network to the database is silent for {seconds:.0f} s")
        lab.cluster.database_proxy.silence()
        time.sleep(seconds)
        lab.cluster.database_proxy.heal()
        begun = time.monotonic()
        until(lambda: lab.client.ask("GET", "compute", "/servers")[0] == 200, 60, "the API serves again")
        back = time.monotonic() - begun
        running_load(lab, load, servers=3)
    return {"served after": round(back, 1)}


def fallen_silent(lab: Lab, say: Say) -> Facts:
    """Let every connection there is fall silent for good; new ones are answered, as after a failover."""
    limits = lab.cluster.settings.database
    patience = limits.statement_timeout + 2 * limits.connect_timeout + RETURN
    with Load(lab) as load:
        running_load(lab, load)
        frozen, begun = lab.cluster.database_proxy.freeze(), time.monotonic()
        say(f"{frozen} connections to the database have fallen silent")
        until(lambda: lab.client.ask("GET", "compute", "/servers")[0] == 200, patience, "the API serves again")
        back = time.monotonic() - begun
        running_load(lab, load, servers=3)
    return {"connections silent": frozen, "served after": round(back, 1)}


def cases(long: bool) -> list[Case]:
    outage = 30.0 if long else 6.0
    return [
        Case("database", "restarted", lambda lab, say: _away(lab, say, 0, killed=False)),
        Case("database", "kill -9", lambda lab, say: _away(lab, say, 1, killed=True)),
        Case("database", "away", lambda lab, say: _away(lab, say, outage, killed=False)),
        Case("database", "connections killed", connections_killed),
        Case("database", "connections cut", cut),
        Case("database", "half-open", half_open),
        Case("database", "connections fall silent", fallen_silent),
        Case("database", "deadlocks", deadlocks),
        Case("database", "answers to COMMIT lost", lost_answers),
    ]
