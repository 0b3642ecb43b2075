"""What a step's handler gets, and what it may say."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from iaas.common import context, errors, runtime
from iaas.db import codec
from iaas.db.tx import Tx
from iaas.jobs.kinds import KINDS, Step

if TYPE_CHECKING:
    from iaas.jobs.engine import Engine

Changes = Callable[[Tx], Any]


class Fenced(Exception):
    """We do not hold the job any more: stop at once, undo nothing."""


class Permanent(errors.IaasError):
    """The step can never succeed; the job is undone and fails with this sentence."""

    kind = errors.Kind.CONFLICT
    template = "{reason}"


class Elsewhere(errors.IaasError):
    """The step cannot succeed on this host; the job is undone here and tried on another."""

    kind = errors.Kind.CONFLICT
    template = "{reason}"


class Work:
    """One run of one step.

    A handler does its side effects, each idempotent by id, and ends with exactly one of :meth:`advance` or
    :meth:`finish`; both run the row changes it hands them in one guarded transaction.

    :ivar job: the job's row as claimed
    :ivar args: what the verb said, plain values
    :ivar worker: the manager's world: its driver, clients and settings
    """

    def __init__(self, engine: Engine, job: Any) -> None:
        self._engine = engine
        self.job = job
        self.kind = KINDS[job.kind]
        self.step = self.kind.step(job.step)
        self.args: dict[str, Any] = codec.load(job.args, {})
        self.error: dict[str, Any] | None = codec.load(job.error)
        self.worker = engine.worker
        self.db = engine.db
        self.settings = engine.settings
        self.ctx = context.admin(job.request_id)
        self.successor: Any = None  # the row after the step, if this engine goes on with it
        self.ended = False
        self.started = runtime.time()

    @property
    def id(self) -> str:
        """The resource's id."""
        return self.job.resource_id

    def read(self, query: Callable[..., Any], *args: Any) -> Any:
        """Return ``query(tx, …)`` of a reading transaction."""
        with self.db.read(self.ctx) as tx:
            return query(tx, *args)

    def advance(self, changes: Changes | None = None, *, to: str | None = None, host: str | None = None) -> None:
        """End this step, apply ``changes``, and go on with the next one (or with ``to``); end after the last.

        :param host: the host the job belongs to from here on
        :raises Fenced: we do not hold the job any more; nothing was changed.
        """
        self.ended = True
        step = self.kind.step(to) if to else self._next()
        if step is None:
            self._engine.end(self, changes)
        else:
            self._engine.advance(self, step, changes, host or self.job.host)

    def finish(self, changes: Changes | None = None) -> None:
        """End the job here, whatever steps are left, and apply ``changes``.

        :raises Fenced: we do not hold the job any more; nothing was changed.
        """
        self.ended = True
        self._engine.end(self, changes)

    def _next(self) -> Step | None:
        if self.error is None:
            return self.kind.after(self.step.name)
        path = self.error["undo"]
        index = path.index(self.step.name)
        return self.kind.step(path[index + 1]) if index + 1 < len(path) else None
