"""The calls of a worker into its driver: each in a native thread, with a time it should be back by.

A native thread cannot be ended, and what it does in the hypervisor or the kernel goes on.  So a call that is late is
neither given up nor made again beside itself: who made it keeps waiting, with the lease of its job and the lock of its
resource, and the worker is *degraded* meanwhile.  A call that comes back late is as good as one in time.  One that is
late for longer than the worker's patience ends the process, the only thing that ends its thread.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

from iaas.common import runtime

LOG = logging.getLogger(__name__)
PATIENCE = 300.0


class _Call:
    """One call and what came of it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.back = runtime.event()
        self._result: Any = None
        self._error: BaseException | None = None

    def run(self, fn: Callable[[], Any]) -> None:
        try:
            self._result = runtime.native(fn)
        except BaseException as error:  # whoever waits for the call gets it, whatever it is
            self._error = error
        finally:
            self.back.set()

    def result(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._result


class Calls:
    """The calls of one worker.

    :param patience: seconds a call may be late
    :param changed: called when a first call is late, and when none is any more
    :param stuck: called with a sentence when a call is late for longer than that: the process has to end
    """

    def __init__(
        self,
        patience: float = PATIENCE,
        changed: Callable[[], Any] = lambda: None,
        stuck: Callable[[str], Any] = lambda why: None,
    ) -> None:
        self._patience = patience
        self._changed = changed
        self._stuck = stuck
        self._late: dict[_Call, str] = {}

    @property
    def degraded(self) -> str | None:
        """Which call does not come back; None if all do."""
        return next(iter(list(self._late.values())), None)

    def make(self, fn: Callable[..., Any], *args: Any, timeout: float, **kwargs: Any) -> Any:
        """Return what ``fn`` returns, however late, or raise what it raises.

        :param timeout: seconds after which the call is late
        :raises NativeTimeout: it was late for too long; the process is about to end.
        """
        call = _Call(getattr(fn, "__name__", str(fn)))
        runtime.spawn(call.run, functools.partial(fn, *args, **kwargs))
        if not call.back.wait(timeout):
            self._wait_on(call, timeout)
        return call.result()

    def _wait_on(self, call: _Call, timeout: float) -> None:
        began = runtime.monotonic() - timeout
        words = f"The driver's {call.name} has not come back for {timeout:.0f} s."
        LOG.error("%s This host gets nothing new until it does.", words)
        self._late[call] = words[:255]
        self._changed()
        if not call.back.wait(self._patience):
            why = f"The driver's {call.name} has not come back for {runtime.monotonic() - began:.0f} s."
            self._stuck(why)
            raise runtime.NativeTimeout(why)
        del self._late[call]
        LOG.warning("the driver's %s came back after %.0f s", call.name, runtime.monotonic() - began)
        self._changed()
