"""Accepting work: the job row goes into the transaction that accepts the request, the ring follows its commit."""

from __future__ import annotations

import logging
from typing import Any, Protocol

from iaas.common import errors, log, metrics, points, runtime
from iaas.db import codec
from iaas.db import jobs as db
from iaas.db.tx import Database, Tx
from iaas.jobs.kinds import DELETES, KINDS, Kind

LOG = logging.getLogger(__name__)


class Busy(errors.IaasError):
    """The resource has a live job; only a delete may be asked for now."""

    kind = errors.Kind.CONFLICT
    template = "{resource} {id} is busy with another request; wait for it to end and try again."


class Ringer(Protocol):
    """Tells the worker of a topic to look at a job. Best effort: the sweep finds what no ring announced."""

    def ring(self, topic: str, job_id: str, resource_id: str) -> None: ...


def submit(
    tx: Tx, bell: Ringer, kind: Kind, resource_id: str, *, host: str | None = None, args: dict[str, Any] | None = None
) -> str:
    """Accept ``kind`` for a resource in the caller's transaction and return the job's id.

    :raises Busy: the resource has a live job.
    """
    step = kind.steps[0]
    return _add(tx, bell, kind, resource_id, step.topic(host), host, step.name, args)


def submit_delete(tx: Tx, bell: Ringer, resource_type: str, resource_id: str, host: str | None) -> None:
    """Accept the deletion of a resource, whatever else is under way on it.

    A job that yields to deletion is ended at once; any other is followed by the deletion.
    """
    kind = deletion(resource_type, host)
    while (live := db.find_live(tx, resource_type, resource_id)) is not None:
        current = KINDS[live.kind]
        if current in DELETES[resource_type]:
            return
        if current.yields_to_delete:
            if db.supersede(tx, live):
                kind = deletion(resource_type, host or live.host)
                break
        elif db.chain(tx, live.id, kind.name):
            return
    submit(tx, bell, kind, resource_id, host=host or (live.host if live is not None else None))


def deletion(resource_type: str, host: str | None) -> Kind:
    """Return the kind that deletes a resource on ``host``, or one that has no host."""
    on_host, nowhere = DELETES[resource_type]
    return on_host if host else nowhere


def follow(tx: Tx, bell: Ringer, job: Any, kind_name: str, host: str | None) -> None:
    """Insert the deletion that was chained to a job, in the transaction that ends the job."""
    kind = deletion(job.resource_type, host)
    LOG.info("%s follows %s of %s %s", kind.name, job.kind, job.resource_type, job.resource_id)
    step = kind.steps[0]
    _add(tx, bell, kind, job.resource_id, step.topic(host), host, step.name, None, job)


def _add(
    tx: Tx,
    bell: Ringer,
    kind: Kind,
    resource_id: str,
    topic: str,
    host: str | None,
    step: str,
    args: dict[str, Any] | None,
    before: Any = None,
) -> str:
    job_id, now = runtime.uuid(), runtime.time()
    try:
        db.add(
            tx,
            id=job_id,
            kind=kind.name,
            action=kind.action,
            resource_type=kind.resource,
            resource_id=resource_id,
            project_id=before.project_id if before is not None else tx.ctx.project_id,
            user_id=before.user_id if before is not None else tx.ctx.user_id,
            request_id=before.request_id if before is not None else tx.ctx.request_id,
            topic=topic,
            host=host,
            step=step,
            args=codec.dump(args or {}),
            created_at=now,
            updated_at=now,
        )
    except db.DuplicateKey:
        raise Busy(resource=kind.resource, id=resource_id) from None

    def ring() -> None:
        log.change(LOG, "job", job_id, "accepted", "-", db.PENDING, kind=kind.name, step=step, of=resource_id)
        points.point(f"jobs.{kind.name}.accepted")
        bell.ring(topic, job_id, resource_id)

    tx.on_commit(ring)
    return job_id


class Backlog:
    """Refuses new work when too much is pending; counts at most once a second."""

    def __init__(self, database: Database, settings: Any) -> None:
        self._db = database
        self._settings = settings.jobs
        self._counted_at = float("-inf")
        self._counts: dict[str | None, int] = {}

    def check(self, ctx: Any) -> None:
        """:raises Unavailable: the cloud or the project has too many live jobs; try again."""
        if runtime.monotonic() - self._counted_at > 1.0:
            self._counted_at = runtime.monotonic()
            with self._db.read(ctx) as tx:
                self._counts = db.pending_by_project(tx)
        if sum(self._counts.values()) >= self._settings.max_pending:
            metrics.REFUSED.add("cloud")
            raise errors.Unavailable(reason="The cloud has too many requests under way; try again in a few seconds.")
        if self._counts.get(ctx.project_id, 0) >= self._settings.max_pending_per_project:
            metrics.REFUSED.add("project")
            raise errors.Unavailable(reason="The project has too many requests under way; try again in a few seconds.")
