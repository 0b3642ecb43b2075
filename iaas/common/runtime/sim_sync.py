"""Locks, events, queues, semaphores and locals of the simulator.

One task runs at a time and only waiting lets another run, so nothing here guards its own fields.  What is waited for
is handed over: a release chooses who is next, so that a task that dies or is stopped in between loses nothing for
the others.
"""

from __future__ import annotations

import collections
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from iaas.common.runtime import base

if TYPE_CHECKING:
    from iaas.common.runtime.sim_backend import SimBackend, Wait


def _next(backend: SimBackend, waiting: list[Wait]) -> Wait | None:
    """Take out one of those who still wait, drawn by chance, or None if nobody does."""
    waiting[:] = [wait for wait in waiting if not wait.over and wait.task.process.alive]
    return waiting.pop(backend.draw(len(waiting))) if waiting else None


class SimLock:
    """A lock its holder may take again.  A process that is killed lets go of what its tasks hold.

    :ivar on_forfeit: called before a lock of a killed process goes on to the next: what it guards is set right there
    """

    def __init__(self, backend: SimBackend) -> None:
        self._backend = backend
        self._owner: Any = None
        self._depth = 0
        self._waiting: list[Wait] = []
        self.on_forfeit: Callable[[], None] | None = None

    def acquire(self, *, timeout: float = -1) -> bool:
        me = self._backend.current
        if self._owner is me:
            self._depth += 1
            return True
        if self._owner is not None:
            wait = self._backend.new_wait()
            self._waiting.append(wait)
            return bool(self._backend.park(wait, None if timeout < 0 else timeout))  # who lets go makes us the owner
        self._give_to(me)
        return True

    def release(self) -> None:
        if self._owner is not self._backend.current:
            raise RuntimeError("a lock is let go by somebody who does not hold it")
        self._depth -= 1
        if self._depth == 0:
            self._pass_on()

    def forfeit(self) -> None:
        """Take the lock from a dead holder."""
        if self.on_forfeit is not None:
            self.on_forfeit()
        self._pass_on()

    def _give_to(self, task: Any) -> None:
        self._owner, self._depth = task, 1
        task.process.held[self] = None

    def _pass_on(self) -> None:
        self._owner.process.held.pop(self, None)
        self._owner, self._depth = None, 0
        wait = _next(self._backend, self._waiting)
        if wait is not None:
            self._give_to(wait.task)
            self._backend.wake(wait, True)

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exc: Any) -> None:
        self.release()


class SimEvent:
    def __init__(self, backend: SimBackend) -> None:
        self._backend = backend
        self._set = False
        self._waiting: list[Wait] = []

    def set(self) -> None:
        self._set = True
        waiting, self._waiting = self._waiting, []
        for wait in waiting:
            self._backend.wake(wait, True)

    def clear(self) -> None:
        self._set = False

    def is_set(self) -> bool:
        return self._set

    def wait(self, timeout: float | None = None) -> bool:
        if self._set:
            return True
        wait = self._backend.new_wait()
        self._waiting.append(wait)
        if self._backend.park(wait, timeout):
            return True
        if wait in self._waiting:
            self._waiting.remove(wait)
        return self._set


class SimSemaphore:
    """A bounded counting semaphore."""

    def __init__(self, backend: SimBackend, value: int) -> None:
        self._backend = backend
        self._left = self._bound = value
        self._waiting: list[Wait] = []

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        if self._left:
            self._left -= 1
            return True
        if not blocking:
            return False
        wait = self._backend.new_wait()
        self._waiting.append(wait)
        return bool(self._backend.park(wait, timeout))

    def release(self) -> None:
        wait = _next(self._backend, self._waiting)
        if wait is not None:
            self._backend.wake(wait, True)
            return
        if self._left == self._bound:
            raise ValueError("a semaphore is let go more often than it was taken")
        self._left += 1

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exc: Any) -> None:
        self.release()


class SimQueue:
    """A first-in first-out queue; ``maxsize`` 0 is without a bound."""

    def __init__(self, backend: SimBackend, maxsize: int) -> None:
        self._backend = backend
        self._maxsize = maxsize
        self._items: collections.deque[Any] = collections.deque()
        self._getting: list[Wait] = []
        self._putting: list[Wait] = []

    def qsize(self) -> int:
        return len(self._items)

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        if self._maxsize and len(self._items) >= self._maxsize and not self._wait(self._putting, block, timeout):
            raise base.Full
        self._items.append(item)
        self._call(self._getting)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if not self._items and not self._wait(self._getting, block, timeout):
            raise base.Empty
        item = self._items.popleft()
        self._call(self._putting)
        return item

    def _wait(self, where: list[Wait], block: bool, timeout: float | None) -> bool:
        """Wait until there is an item, or room, for us; somebody else may be quicker."""
        deadline = None if timeout is None else self._backend.monotonic() + timeout
        while block:
            left = None if deadline is None else deadline - self._backend.monotonic()
            if left is not None and left <= 0:
                return False
            wait = self._backend.new_wait()
            where.append(wait)
            self._backend.park(wait, left)
            if self._items if where is self._getting else len(self._items) < self._maxsize:
                return True
        return False

    def _call(self, where: list[Wait]) -> None:
        wait = _next(self._backend, where)
        if wait is not None:
            self._backend.wake(wait, True)


class SimLocal:
    """A namespace of which every task sees its own."""

    def __init__(self, backend: SimBackend) -> None:
        spaces: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()
        object.__setattr__(self, "_mine", lambda: spaces.setdefault(backend.current, {}))

    def __getattr__(self, name: str) -> Any:
        try:
            return object.__getattribute__(self, "_mine")()[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        object.__getattribute__(self, "_mine")()[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del object.__getattribute__(self, "_mine")()[name]
        except KeyError:
            raise AttributeError(name) from None
