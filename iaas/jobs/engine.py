"""The engine of one worker: claim, run, renew, advance, sweep, retry, undo.

Rules R2 to R9 of the reliability design.  A handler runs under a lock of its resource, so that two never work on one
resource in one process; leases are renewed per running handler, never per process, so that a handler that dies
lets go of its job.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from iaas.common import context, errors, log, metrics, points, runtime
from iaas.db import codec, hosts
from iaas.db import jobs as db
from iaas.db.tx import Database, Tx
from iaas.jobs import outcomes, submit
from iaas.jobs.handlers import Handler
from iaas.jobs.kinds import KINDS, Step
from iaas.jobs.locks import ResourceLocks
from iaas.jobs.work import Changes, Elsewhere, Fenced, Permanent, Work

LOG = logging.getLogger(__name__)
PERMANENT = (errors.Kind.INVALID, errors.Kind.NOT_FOUND, errors.Kind.CONFLICT, errors.Kind.OVER_LIMIT)
SLOWEST = 300.0
MAX_EVENTS = 60


class Engine:
    """Runs the steps served on ``topics`` with ``handlers``.

    :param worker: handed to handlers as ``work.worker``
    :param name: who we are in the rows: ``compute.host1``; made unique per process
    :ivar held: which start of the worker this is: a later one takes its jobs and their leases; None asks for nothing
    :ivar missed: how many sweeps in a row found due jobs
    """

    held: hosts.Incarnation | None = None

    def __init__(
        self,
        name: str,
        database: Database,
        settings: Any,
        topics: Sequence[str],
        handlers: Mapping[tuple[str, str], Handler],
        bell: submit.Ringer,
        worker: Any,
    ) -> None:
        self.name = f"iaas-{name.partition('.')[0]}"
        self.owner = f"{name[:40]}:{runtime.uuid()[:8]}"
        self.db = database
        self.settings = settings
        self.topics = list(topics)
        self.worker = worker
        self._handlers = handlers
        self._bell = bell
        self._locks = ResourceLocks()
        self._live: set[str] = set()
        self._called: set[str] = set()  # jobs a sweep spawned a task for that has not ended
        self._seats = runtime.semaphore(settings.queue.pool_size)
        self._stopping = runtime.event()
        self._ended = runtime.event()
        self._swept: float | None = None
        self.missed = 0

    # -- life ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Sweep once, then again and again; renew what runs."""
        self.sweep()
        runtime.spawn(self._loop, self._stopping, self.settings.jobs.sweep_every, self.sweep)
        runtime.spawn(self._loop, self._ended, self.settings.jobs.renew_every, self.renew)

    def close(self) -> None:
        """Claim nothing more from now on."""
        self._stopping.set()

    def stop(self) -> None:
        """Claim nothing more, let running steps end for a while with their leases renewed, and return."""
        self.close()
        deadline = runtime.monotonic() + self.settings.jobs.drain_seconds
        while self._live and runtime.monotonic() < deadline:
            runtime.sleep(0.05)
        self._ended.set()

    def _loop(self, end: runtime.Event, every: float, task: Any) -> None:
        while not end.wait(every * runtime.rng().uniform(0.8, 1.2)):
            try:
                task()
            except Exception as error:
                LOG.warning("%s of %s failed and is tried again: %s", task.__name__, self.owner, error)

    def sweep(self) -> int:
        """Take on due jobs nobody rang for; return how many were found."""
        with self.db.read(context.admin("sweep")) as tx:
            found = db.due(tx, self.topics, self.settings.jobs.sweep_limit)
        self._swept, self.missed = runtime.monotonic(), self.missed + 1 if found else 0
        metrics.SWEPT.add(self.name, amount=len(found))
        for row in found:
            if row.id not in self._called:  # else it waits for a seat or a lock since an earlier sweep
                self._called.add(row.id)
                runtime.spawn(self._called_to, row.id, row.resource_id)
        return len(found)

    def _called_to(self, job_id: str, resource_id: str) -> None:
        try:
            self.run(job_id, resource_id)
        finally:
            self._called.discard(job_id)

    def swept_for(self) -> float | None:
        """Return how many seconds ago the last sweep was, None before the first."""
        return None if self._swept is None else runtime.monotonic() - self._swept

    def load(self) -> tuple[int, int]:
        """Return how many jobs run here, and how many can at the same time."""
        return len(self._live), self.settings.queue.pool_size

    @property
    def full(self) -> bool:
        return len(self._live) >= self.settings.queue.pool_size

    def renew(self) -> None:
        """Prolong the leases of the handlers that run now."""
        live = list(self._live)
        if live:
            lease = self.settings.jobs.lease
            self.db.write(context.admin("renew"), db.renew, live, self.owner, lease, self.held)

    def exclusively(self, resource_id: str) -> contextlib.AbstractContextManager[None]:
        """Hold the lock under which every handler of this process works on a resource."""
        return self._locks.of(resource_id)

    # -- one job ---------------------------------------------------------------------------------------

    def run(self, job_id: str, resource_id: str) -> None:
        """Claim a job and run its steps as long as they are ours; return at once if somebody has it."""
        if self._stopping.is_set():
            return
        with self._seats, self._locks.of(resource_id):
            lease = self.settings.jobs.lease
            job = self.db.write(context.admin(), db.claim, job_id, self.topics, self.owner, lease, self.held)
            if job is None:
                return
            log.bind(job.request_id)
            self._live.add(job_id)
            self._tell(job, "claimed", db.PENDING, db.RUNNING, attempt=job.attempt)
            try:
                while job is not None:
                    points.point(f"jobs.{job.kind}.{job.step}.claimed")
                    job = self._step(job)
            except Fenced:
                LOG.warning("job %s (%s) of %s was taken from us", job_id, resource_id, self.owner)
            finally:
                self._live.discard(job_id)

    def _step(self, job: Any) -> Any:
        """Run one step; return the row to go on with, or None."""
        work, began, outcome = Work(self, job), runtime.monotonic(), "fenced"
        try:
            outcome = self._attempt(work)
        finally:
            metrics.STEPS.add(job.kind, job.step, outcome)
            metrics.STEP_SECONDS.see(runtime.monotonic() - began, job.kind, job.step)
        return work.successor

    def _attempt(self, work: Work) -> str:
        """Run one step and return what came of it, in a word.

        :raises Fenced: the job was taken from us.
        """
        job = work.job
        limit = work.kind.max_attempts
        if limit is not None and job.attempt > limit and work.error is None:
            self._fail(work, Permanent(reason=f"It was tried {limit} times without success."))
            return "failed"
        try:
            handler = self._handlers[job.kind, job.step]
            handler(work)
            if not work.ended:
                raise Permanent(reason=f"The step {job.step} ended without saying what comes next.")
        except Fenced:
            raise
        except (errors.StateConflict, errors.InvalidTransition) as error:
            LOG.info("job %s %s: %s", job.kind, job.id, error)
            self._abandon(work, error)
            return "superseded"
        except Exception as error:
            return self._failed(work, error)
        return "done" if work.error is None else "undone"

    def _tell(self, job: Any, event: str, before: str, after: str, **more: Any) -> None:
        """Write the line of what happened to a job; its step is the one it was in."""
        log.change(
            LOG, "job", job.id, event, before, after,
            kind=job.kind, step=job.step, of=job.resource_id, host=job.host, **more,
        )  # fmt: skip

    # -- the end of a step -------------------------------------------------------------------------------

    def advance(self, work: Work, step: Step, changes: Changes | None, host: str | None) -> None:
        """Move the job to ``step`` with the row changes of the one before it. Called by :class:`Work`."""
        job, topic = work.job, step.topic(host)
        ours = topic in self.topics and not self._stopping.is_set()
        points.point(f"jobs.{job.kind}.{job.step}.done")
        values = {
            "step": step.name,
            "topic": topic,
            "host": host,
            "args": codec.dump(work.args),
            "events": codec.dump(self._events(work)),
            "updated_at": runtime.time(),
        }

        def write(tx: Tx) -> None:
            if not db.advance(tx, job, self.owner, keep_for=self.settings.jobs.lease if ours else None, **values):
                raise Fenced
            if changes is not None:
                changes(tx)

        self.db.write(work.ctx, write)
        points.point(f"jobs.{job.kind}.{job.step}.advanced")
        self._tell(job, "advanced", job.step, step.name, topic=topic)
        if ours:
            work.successor = _Successor(job, {**values, "attempt": 0})
        else:
            self._bell.ring(topic, job.id, job.resource_id)

    def end(self, work: Work, changes: Changes | None) -> None:
        """End the job: as done, or, after its undo steps, again elsewhere or as failed. Called by :class:`Work`."""
        job = work.job
        points.point(f"jobs.{job.kind}.{job.step}.done")
        if work.error is not None:
            self._undone(work, changes)
            points.point(f"jobs.{job.kind}.{job.step}.advanced")
            return

        def write(tx: Tx) -> None:
            self._close(tx, work, db.DONE)
            if changes is not None:
                changes(tx)

        self.db.write(work.ctx, write)
        points.point(f"jobs.{job.kind}.{job.step}.advanced")

    def _close(self, tx: Tx, work: Work, state: str, error: Any = None, result: str = "Success") -> None:
        values: dict[str, Any] = {"events": codec.dump(self._events(work, error, result)), "updated_at": runtime.time()}
        if error is not None:
            values["error"] = codec.dump(error)
        ended = db.end(tx, work.job, self.owner, state, **values)
        if ended is None:
            raise Fenced
        tx.on_commit(lambda: self._tell(work.job, "ended", db.RUNNING, state))
        if ended.chain:
            submit.follow(tx, self._bell, work.job, ended.chain, ended.host)

    def _abandon(self, work: Work, error: errors.IaasError) -> None:
        """Something else moved the resource (a delete that follows us, as a rule): end without touching it."""
        fault = _fault(error, work.step.name)
        self.db.write(work.ctx, lambda tx: self._close(tx, work, db.SUPERSEDED, fault, "Error"))

    # -- failure -----------------------------------------------------------------------------------------

    def _failed(self, work: Work, error: Exception) -> str:
        """A step failed, for good or for now; return which."""
        job = work.job
        undoing = work.error is not None
        permanent = isinstance(error, (Permanent, Elsewhere)) or (
            isinstance(error, errors.IaasError) and error.kind in PERMANENT
        )
        if permanent and not undoing and work.kind.max_attempts is not None:
            self._fail(work, error)
            return "failed"
        delay = min(2.0 ** min(job.attempt, 10), SLOWEST if undoing or work.kind.max_attempts is None else 60.0)
        delay *= runtime.rng().uniform(0.5, 1.0)
        LOG.log(
            logging.WARNING if isinstance(error, errors.IaasError) else logging.ERROR,
            "%s of %s %s: step %s failed (attempt %d), again in %.1f s: %s",
            job.kind, job.resource_type, job.resource_id, job.step, job.attempt, delay, error,
            exc_info=not isinstance(error, errors.IaasError),
        )  # fmt: skip
        if not self.db.write(work.ctx, db.postpone, job, self.owner, delay, updated_at=runtime.time()):
            raise Fenced
        runtime.spawn(self._later, delay, job.id, job.resource_id)
        return "retried"

    def _later(self, delay: float, job_id: str, resource_id: str) -> None:
        if not self._stopping.wait(delay + 0.01):
            self.run(job_id, resource_id)

    def _fail(self, work: Work, error: Exception) -> None:
        """A step failed for good: go on with the first undo step, or end at once."""
        job = work.job
        fault = _fault(error, work.step.name)
        LOG.warning("%s of %s %s failed in %s: %s", job.kind, job.resource_type, job.resource_id, job.step, error)
        ran = {event["event"].partition("_")[2] for event in db.events_of(job)}
        path = fault["undo"] = work.kind.undo_path(work.step.name, ran)
        work.error = fault
        if not path or not job.host:
            self._undone(work, None)
            return
        step = work.kind.step(path[0])
        topic = step.topic(job.host)
        ours = topic in self.topics and not self._stopping.is_set()
        values = {
            "step": step.name,
            "topic": topic,
            "error": codec.dump(fault),
            "events": codec.dump(self._events(work, fault, "Error")),
            "updated_at": runtime.time(),
        }

        def write(tx: Tx) -> None:
            if not db.advance(tx, job, self.owner, keep_for=self.settings.jobs.lease if ours else None, **values):
                raise Fenced

        self.db.write(work.ctx, write)
        self._tell(job, "undoing", job.step, step.name, topic=topic)
        if ours:
            work.successor = _Successor(job, {**values, "attempt": 0})
        else:
            self._bell.ring(topic, job.id, job.resource_id)

    def _undone(self, work: Work, changes: Changes | None) -> None:
        """Every trace is gone: try again on another host, or fail."""
        job, fault = work.job, work.error
        assert fault is not None  # noqa: S101  only failed jobs come here
        excluded = [*work.args.get("excluded", ()), *([job.host] if job.host else [])]
        again = fault["elsewhere"] and len(excluded) < self.settings.scheduler.max_tries
        first = work.kind.steps[0]

        def write(tx: Tx) -> None:
            if changes is not None:
                changes(tx)
            if not again:
                self._close(tx, work, db.FAILED, fault, "Error")
                outcomes.FAILED[job.resource_type](tx, job, fault)
                return
            values = {"step": first.name, "topic": first.topic(None), "host": None, "error": None}
            args = codec.dump({**work.args, "excluded": excluded, "last_error": fault["message"]})
            events = codec.dump(self._events(work, fault, "Error"))
            if not db.advance(
                tx, job, self.owner, keep_for=None, args=args, events=events, updated_at=runtime.time(), **values
            ):
                raise Fenced
            outcomes.RELEASED[job.resource_type](tx, job)

        try:
            self.db.write(work.ctx, write)
        except (errors.StateConflict, errors.InvalidTransition) as error:
            self._abandon(work, error)
            return
        if again:
            self._tell(job, "again", job.step, first.name)
            self._bell.ring(first.topic(None), job.id, job.resource_id)

    def _events(self, work: Work, fault: Mapping[str, Any] | None = None, result: str = "Success") -> list[Any]:
        events = codec.load(work.job.events, [])
        events.append(
            {
                "event": f"{work.step.at}_{work.step.name}",
                "start": work.started,
                "finish": runtime.time(),
                "result": result,
                "host": work.job.host,
                "details": fault["message"] if fault else None,
            }
        )
        return events[-MAX_EVENTS:]


class _Successor:
    """A job's row after an advance of ours: what we claimed, with what we wrote."""

    def __init__(self, job: Any, changed: Mapping[str, Any]) -> None:
        self._job = job
        self.__dict__.update(changed)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._job, name)


def _fault(error: Exception, step: str) -> dict[str, Any]:
    """The fault a user may see: a sentence of ours, or a fixed one for a crash (the traceback is in the log)."""
    known = isinstance(error, errors.IaasError)
    return {
        "code": 500,
        "message": str(error) if known else "An internal error stopped the request; the log has the details.",
        "step": step,
        "elsewhere": isinstance(error, Elsewhere),
        "at": runtime.time(),
    }


__all__ = ["KINDS", "Engine"]
