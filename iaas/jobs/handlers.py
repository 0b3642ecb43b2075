"""Which function does which step: filled by the workers' ``jobs`` modules as they are imported."""

from __future__ import annotations

from collections.abc import Callable

from iaas.jobs.kinds import KINDS
from iaas.jobs.work import Work

Handler = Callable[[Work], None]


class Handlers:
    """The handlers of one worker, by kind and step."""

    def __init__(self, worker: str) -> None:
        self.worker = worker
        self.table: dict[tuple[str, str], Handler] = {}

    def step(self, kind: str, step: str) -> Callable[[Handler], Handler]:
        """Declare the decorated function as the handler of a step.

        :raises ValueError: the table of kinds gives the step to another worker, or it has a handler.
        """
        declared = KINDS[kind].step(step)
        if declared.at != self.worker:
            raise ValueError(f"{kind}.{step} belongs to the {declared.at} worker, not to {self.worker}")
        if (kind, step) in self.table:
            raise ValueError(f"{kind}.{step} has two handlers")

        def declare(handler: Handler) -> Handler:
            self.table[kind, step] = handler
            return handler

        return declare
