"""Things a daemon does by itself, again and again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from iaas.common import runtime

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Periodic:
    """A row of a daemon's table: what, how often (seconds), and how much earlier or later (a fraction)."""

    name: str
    every: float
    run: Callable[[], None]
    spread: float = 0.2
    at_start: bool = True


class Runner:
    """Runs a table of periodic tasks, each in a task of its own; a failure is logged and tried again."""

    def __init__(self, table: list[Periodic]) -> None:
        self._table = table
        self._stopped = runtime.event()

    def start(self) -> None:
        for row in self._table:
            runtime.spawn(self._loop, row)

    def stop(self) -> None:
        self._stopped.set()

    def _loop(self, row: Periodic) -> None:
        if not row.at_start:
            self._pause(row)
        while not self._stopped.is_set():
            try:
                row.run()
            except Exception:
                if self._stopped.is_set():
                    return  # what it worked with was being closed
                LOG.exception("periodic task %s failed; it is tried again", row.name)
            self._pause(row)

    def _pause(self, row: Periodic) -> None:
        self._stopped.wait(row.every * (1 + row.spread * (2 * runtime.rng().random() - 1)))
