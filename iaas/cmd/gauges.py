"""What is looked up when somebody asks for metrics: how full pools are, how long work waits, how the checks are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from iaas import __version__
from iaas.common import context, errors, metrics, runtime
from iaas.common.health import Check
from iaas.db import traces
from iaas.db.probe import connections
from iaas.db.tx import Database
from iaas.jobs.service import WorkerService

Reading = tuple[metrics.Gauge, tuple[str, ...], float]


def databases(parts: Sequence[Any]) -> list[Database]:
    """Return every database the parts of a process use, each once."""
    found: list[Database] = []
    for part in parts:
        database = getattr(getattr(part, "clients", None), "db", None)
        if isinstance(database, Database) and database not in found:
            found.append(database)
    return found


def read(name: str, parts: Sequence[Any], used: Sequence[Database], checks: Sequence[Check]) -> Iterator[Reading]:
    """Return the value of every gauge of a process now."""
    yield metrics.INFO, (name, __version__), 1.0
    for check in checks:
        yield metrics.HEALTH, (check.part, check.name), float(check.ok)
        if check.age is not None:
            yield metrics.HEALTH_AGE, (check.part, check.name), check.age
    calls, threads = runtime.native_load()
    yield metrics.NATIVE_CALLS, (), float(calls)
    yield metrics.NATIVE_THREADS, (), float(threads)
    for database in used:
        taken, limit = connections(database)
        yield metrics.DB_CONNECTIONS, (database.name,), float(taken)
        yield metrics.DB_CONNECTIONS_LIMIT, (database.name,), float(limit)
    for part in parts:
        if isinstance(part, WorkerService):
            yield from _worker(part, all(check.ok for check in checks if check.name == "answers"))


def _worker(part: WorkerService, reachable: bool) -> Iterator[Reading]:
    labels = (part.binary,)
    running, limit = part.engine.load()
    yield metrics.WORKER_JOBS, labels, float(running)
    yield metrics.WORKER_JOBS_LIMIT, labels, float(limit)
    if not reachable:
        return  # nobody waits for a database that is known not to answer
    try:
        with part.clients.db.read(context.admin("metrics")) as tx:
            waiting, oldest = traces.waiting(tx, part.engine.topics)
    except errors.Unavailable:
        return
    yield metrics.JOBS_DUE, labels, float(waiting)
    yield metrics.JOBS_OLDEST_DUE, labels, oldest
