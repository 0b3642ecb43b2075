"""What native threads share with green ones: logging, and the programs they start."""

from __future__ import annotations

import hashlib
import io
import logging

from iaas.common import runtime, shell

THREADS, TIMES = 8, 12
LIMIT = 60.0


class Busy(io.StringIO):
    """A file that takes a while to be written to, while other threads of the system run."""

    def write(self, text: str) -> int:
        hashlib.sha512(bytes(1_000_000)).digest()
        return super().write(text)


def counted(counter, wanted):
    """Wait until as much was counted, and return what was."""
    deadline = runtime.monotonic() + LIMIT
    while counter() < wanted and runtime.monotonic() < deadline:
        runtime.sleep(0.02)
    return counter()


def test_native_and_green_threads_log_at_the_same_time():
    stream = Busy()
    logger = logging.getLogger("iaas.test.crowd")
    logger.propagate = False
    handler = logging.StreamHandler(stream)
    logger.addHandler(handler)

    def chatter(name):
        for number in range(TIMES):
            logger.warning("%s says %s", name, number)

    try:
        for number in range(THREADS):
            runtime.spawn(runtime.native, chatter, f"native {number}", timeout=LIMIT)
        for number in range(2):
            runtime.spawn(chatter, f"green {number}")
        wanted = (THREADS + 2) * TIMES
        assert counted(lambda: stream.getvalue().count("says"), wanted) == wanted
    finally:
        logger.removeHandler(handler)


def test_programs_with_limits_are_started_by_many_native_threads_at_once():
    """Each fork takes the lock of logging."""
    done = []

    def start():
        for _ in range(TIMES):
            shell.run(["true"], limits=shell.Limits(cpu_seconds=5), timeout=LIMIT)
            done.append(1)

    for _ in range(THREADS):
        runtime.spawn(start)
    assert counted(lambda: len(done), THREADS * TIMES) == THREADS * TIMES
