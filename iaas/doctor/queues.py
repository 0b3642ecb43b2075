"""Messages: none waits for ever, none is dead."""

from __future__ import annotations

from collections.abc import Iterator

from iaas.doctor.case import Case
from iaas.doctor.findings import Finding, counted

DEAD = "iaas.dead"


def no_dead_letters(case: Case) -> Iterator[Finding]:
    """I15: no message was set aside because nobody could read it."""
    for queue, depth, host in case.queues():
        if depth and queue == DEAD:
            remedy = "Look at them at the broker: a daemon of another release sends what this one cannot read."
            if host is not None:
                remedy = "The log says what they were; those of a broker inside a daemon are gone when it ends."
            yield Finding(
                "I15",
                f"queue {queue}",
                f"{counted(depth, 'message is', 'messages are')} dead.",
                None,
                remedy,
                None,
                host,
            )


def drained(case: Case) -> Iterator[Finding]:
    """I15: a queue has no message that nobody takes."""
    for queue, depth, host in case.queues():
        if depth and queue != DEAD:
            remedy = "Start the worker of this topic; a message that is lost costs nothing, the jobs are rows."
            yield Finding(
                "I15",
                f"queue {queue}",
                f"{counted(depth, 'message waits', 'messages wait')}.",
                None,
                remedy,
                None,
                host,
            )
