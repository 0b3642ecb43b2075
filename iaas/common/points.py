"""Named points where a process may die: what crash tests and the simulator count and choose from.

``point("jobs.build.start.done")`` does nothing until a test arms it: by the environment variable
``IAAS_CRASH_AT=name[:nth]``, which kills the process with SIGKILL the nth time it passes, or by :func:`watch`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

_watcher: Callable[[str], None] | None = None


def _armed() -> Callable[[str], None] | None:
    wanted, _, nth = os.environ.get("IAAS_CRASH_AT", "").partition(":")
    if not wanted:
        return None
    left = [int(nth or 1)]

    def die(name: str) -> None:
        if name == wanted:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return die


_watcher = _armed()


def point(name: str) -> None:
    """Pass a named point."""
    if _watcher is not None:
        _watcher(name)


def watch(fn: Callable[[str], None] | None) -> Callable[[str], None] | None:
    """Call ``fn`` at every point from now on, and return the watcher before it."""
    global _watcher
    before, _watcher = _watcher, fn
    return before
