"""Queries on jobs. Every write is one UPDATE with its guard; who loses a race sees no row changed."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from iaas.db import codec, hosts
from iaas.db.engines import db_now
from iaas.db.models.jobs import jobs
from iaas.db.tx import DuplicateKey, GuardedUpdate, Tx

PENDING, RUNNING, DONE, FAILED, SUPERSEDED = "pending", "running", "done", "failed", "superseded"
LIVE = (PENDING, RUNNING)


def live_key(resource_type: str, resource_id: str) -> str:
    return f"{resource_type}:{resource_id}"


def add(tx: Tx, **values: Any) -> None:
    """Insert a pending job.

    :raises DuplicateKey: the resource has a live job.
    """
    key = live_key(values["resource_type"], values["resource_id"])
    tx.insert(jobs, state=PENDING, live_key=key, **values)


# Made once, as are the others that every job meets: to build such a statement costs more than to run it
_BY_ID = sa.update(jobs).where(jobs.c.id == sa.bindparam("row_id"))
_IS_LIVE = jobs.c.state.in_([sa.literal(state) for state in LIVE])  # two fixed places, not a list of any length
_LATER = db_now() + sa.bindparam("seconds", type_=sa.Double())


@functools.lru_cache(64)
def _claiming(topics: tuple[str, ...], held: hosts.Incarnation | None) -> GuardedUpdate:
    """What one start of a worker claims its jobs by."""
    statement = _BY_ID.where(
        _IS_LIVE,
        jobs.c.lease_until < db_now(),
        jobs.c.not_before <= db_now(),
        jobs.c.topic.in_([sa.literal(topic) for topic in topics]),
        *hosts.is_latest(held),
    )
    changes = {"state": RUNNING, "lease_until": _LATER, "fence": jobs.c.fence + 1, "attempt": jobs.c.attempt + 1}
    return GuardedUpdate(statement.values(changes), *jobs.c)


def claim(
    tx: Tx, job_id: str, topics: Sequence[str], owner: str, lease: float, held: hosts.Incarnation | None = None
) -> sa.Row[Any] | None:
    """Take a job for ``lease`` seconds; None if somebody has it, it ended, or it is not ours or not due.

    :param held: take nothing if this is not the latest start of the worker
    """
    values = {"row_id": job_id, "owner": owner, "seconds": lease}
    return tx.update_returning(_claiming(tuple(topics), held), values)


_MINE = _BY_ID.where(
    jobs.c.fence == sa.bindparam("row_fence"), jobs.c.owner == sa.bindparam("me"), jobs.c.state == RUNNING
)
_FREE = {"owner": None, "lease_until": 0.0}
_KEEP = _MINE.values(attempt=0, lease_until=_LATER)
_HAND_OVER = _MINE.values(attempt=0, state=PENDING, **_FREE)
_END = GuardedUpdate(_MINE.values(live_key=None, **_FREE), jobs.c.chain, jobs.c.host)
_POSTPONE = _MINE.values(state=PENDING, not_before=_LATER, **_FREE)


def _mine(job: Any, owner: str) -> dict[str, Any]:
    return {"row_id": job.id, "row_fence": job.fence, "me": owner}


def advance(tx: Tx, job: Any, owner: str, *, keep_for: float | None, **values: Any) -> bool:
    """Move a job we hold to its next step; return False if we do not hold it any more.

    :param keep_for: seconds of lease if we do the next step ourselves, None to hand the job over
    """
    values.update(_mine(job, owner))
    if keep_for is None:
        return tx.count(_HAND_OVER, values) == 1
    return tx.count(_KEEP, {"seconds": keep_for, **values}) == 1


def end(tx: Tx, job: Any, owner: str, state: str, **values: Any) -> sa.Row[Any] | None:
    """End a job we hold and return its ``chain`` and ``host``, or None if we do not hold it any more."""
    return tx.update_returning(_END, {"state": state, **_mine(job, owner), **values})


def postpone(tx: Tx, job: Any, owner: str, delay: float, **values: Any) -> bool:
    """Give a job back, to be claimed again after ``delay`` seconds."""
    return tx.count(_POSTPONE, {"seconds": delay, **_mine(job, owner), **values}) == 1


def renew(tx: Tx, job_ids: Iterable[str], owner: str, lease: float, held: hosts.Incarnation | None = None) -> int:
    """Prolong the leases of the jobs whose handlers run here now, unless a later start of the worker took over.

    A job whose row somebody holds is left out: it is being moved on or ended, and the others must not wait for that
    until their leases are over.
    """
    mine = (jobs.c.id.in_(list(job_ids)), jobs.c.owner == owner, jobs.c.state == RUNNING)
    free = [row.id for row in tx.all(sa.select(jobs.c.id).where(*mine).with_for_update(skip_locked=True))]
    if not free:
        return 0
    kept = sa.update(jobs).where(jobs.c.id.in_(free), *hosts.is_latest(held)).values(lease_until=db_now() + lease)
    return tx.count(kept)


# Made once: every worker asks every few seconds
_DUE = (
    sa.select(jobs.c.id, jobs.c.resource_id)
    .where(
        jobs.c.topic.in_(sa.bindparam("topics", expanding=True)),
        _IS_LIVE,
        jobs.c.lease_until < db_now(),
        jobs.c.not_before <= db_now(),
    )
    .order_by(jobs.c.not_before, jobs.c.created_at)
    .limit(sa.bindparam("most"))
)


def due(tx: Tx, topics: Sequence[str], limit: int) -> Sequence[sa.Row[Any]]:
    """Return ids and resources of jobs on our topics that nobody holds and that are due."""
    return tx.execute(_DUE, {"topics": list(topics), "most": limit}).all()


_LIVE_OF = sa.select(jobs).where(jobs.c.live_key == sa.bindparam("key"))


def find_live(tx: Tx, resource_type: str, resource_id: str) -> sa.Row[Any] | None:
    """Return the live job of a resource."""
    return tx.execute(_LIVE_OF, {"key": live_key(resource_type, resource_id)}).first()


def find(tx: Tx, job_id: str) -> sa.Row[Any] | None:
    return tx.one(sa.select(jobs, db_now().label("now")).where(jobs.c.id == job_id))


def listed(tx: Tx, states: Sequence[str], limit: int, *, newest_first: bool, **equal: Any) -> Sequence[sa.Row[Any]]:
    """Return jobs in any of ``states``, each with the database's ``now``: for operators to look at."""
    query = sa.select(jobs, db_now().label("now")).where(jobs.c.state.in_(list(states)))
    for name, value in equal.items():
        query = query.where(jobs.c[name] == value)
    order = jobs.c.created_at.desc() if newest_first else jobs.c.created_at
    return tx.all(query.order_by(order, jobs.c.id).limit(limit))


def supersede(tx: Tx, job: Any) -> bool:
    """End somebody else's job so that it can never advance again; False if it has just ended or moved on."""
    statement = (
        sa.update(jobs)
        .where(jobs.c.id == job.id, jobs.c.fence == job.fence, jobs.c.state.in_(LIVE))
        .values(state=SUPERSEDED, live_key=None, fence=jobs.c.fence + 1, owner=None)
    )
    return tx.count(statement) == 1


def chain(tx: Tx, job_id: str, kind: str) -> bool:
    """Have ``kind`` follow when the job ends; False if it has just ended."""
    statement = sa.update(jobs).where(jobs.c.id == job_id, jobs.c.state.in_(LIVE)).values(chain=kind)
    return tx.count(statement) == 1


def pending_by_project(tx: Tx) -> dict[str | None, int]:
    """Return how many live jobs each project has."""
    query = (
        sa.select(jobs.c.project_id, sa.func.count().label("live"))
        .where(jobs.c.state.in_(LIVE))
        .group_by(jobs.c.project_id)
    )
    return {row.project_id: row.live for row in tx.all(query)}


def of_resource(tx: Tx, resource_id: str) -> Sequence[sa.Row[Any]]:
    """Return every job a resource ever had, newest first: its instance actions."""
    query = sa.select(jobs).where(jobs.c.resource_id == resource_id)
    return tx.all(query.order_by(jobs.c.created_at.desc(), jobs.c.id))


def given_to(tx: Tx, resource_ids: Sequence[str], kinds: Sequence[str]) -> set[str]:
    """Return those of these resources that have a job of one of these kinds that is done or goes on."""
    states = (jobs.c.kind.in_(list(kinds)), jobs.c.state.in_([*LIVE, DONE]))
    query = sa.select(jobs.c.resource_id).where(jobs.c.resource_id.in_(list(resource_ids)), *states).distinct()
    return {row.resource_id for row in tx.all(query)}


def of_request(tx: Tx, request_id: str, resource_id: str) -> sa.Row[Any] | None:
    """Return the job a request started on a resource."""
    return tx.one(sa.select(jobs).where(jobs.c.request_id == request_id, jobs.c.resource_id == resource_id))


def events_of(job: Any) -> list[dict[str, Any]]:
    return codec.load(job.events, [])


__all__ = ["DuplicateKey", "add", "advance", "chain", "claim", "due", "end", "find_live", "jobs", "renew"]
