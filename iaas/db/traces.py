"""Queries on what became of requests, and on how long work waits: for operators, never for a decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from iaas.db.engines import db_now
from iaas.db.jobs import LIVE
from iaas.db.models.jobs import jobs
from iaas.db.tx import Tx


def waiting(tx: Tx, topics: Sequence[str]) -> tuple[int, float]:
    """Return how many due jobs of some topics nobody holds, and for how many seconds the oldest has been due."""
    c = jobs.c
    since = sa.case((c.not_before > c.updated_at, c.not_before), else_=c.updated_at)
    row = tx.one(
        sa.select(sa.func.count().label("due"), (db_now() - sa.func.min(since)).label("oldest")).where(
            c.topic.in_(topics), c.state.in_(LIVE), c.lease_until < db_now(), c.not_before <= db_now()
        )
    )
    assert row is not None  # noqa: S101  an aggregate has a row
    return row.due, max(0.0, row.oldest or 0.0)


def of_request(tx: Tx, request_id: str) -> Sequence[sa.Row[Any]]:
    """Return every job a request started, oldest first, each with the database's ``now``."""
    query = sa.select(jobs, db_now().label("now")).where(jobs.c.request_id == request_id)
    return tx.all(query.order_by(jobs.c.created_at, jobs.c.id))


def latest_request(tx: Tx, resource_id: str) -> str | None:
    """Return the request id of the latest job of a resource."""
    query = sa.select(jobs.c.request_id).where(jobs.c.resource_id == resource_id)
    return tx.scalar(query.order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(1))
