"""The queues of one process: what RabbitMQ is between processes."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from iaas.common import runtime
from iaas.common.rpc import errors
from iaas.common.rpc.transport import DEAD, MAX_WAITING

Interfere = Callable[[str, bytes], Sequence[bytes]]


class Taker(Protocol):
    """Whoever consumes a queue."""

    def has_place(self) -> bool: ...
    def take(self, body: bytes) -> None: ...


class Broker:
    """Bounded queues by name, and who consumes them.

    Nothing polls: a message goes to a taker with a free place there and then.  ``down`` makes every publish
    fail.  ``interfere`` may be set by tests and the simulator: it is given each message and returns those to
    deliver instead: none, one, or several.
    """

    def __init__(self, *, max_waiting: int = MAX_WAITING) -> None:
        self.down = False
        self.interfere: Interfere | None = None
        self.published: collections.Counter[str] = collections.Counter()
        self.delivered: collections.Counter[str] = collections.Counter()
        self._max_waiting = max_waiting
        self._lock = runtime.lock()
        self._waiting: dict[str, collections.deque[bytes]] = {}
        self._takers: dict[str, collections.deque[Taker]] = {}

    def put(self, queue: str, body: bytes) -> None:
        """Add a message to a queue, which is made if it is not there.

        :raises Unavailable: the broker is down or the queue is full.
        """
        if self.down:
            raise errors.Unavailable(reason="The message queue is not reachable.")
        bodies = self.interfere(queue, body) if self.interfere else (body,)
        with self._lock:
            waiting = self._waiting.setdefault(queue, collections.deque())
            if len(waiting) >= self._max_waiting:
                raise errors.Unavailable(reason=f"The message queue of {queue} is full.")
            waiting.extend(bodies)
            self.published[queue] += 1
        self.pump((queue,))

    def bury(self, body: bytes) -> None:
        """Put a message aside in :data:`DEAD`; the oldest make room."""
        with self._lock:
            dead = self._waiting.setdefault(DEAD, collections.deque())
            dead.append(body)
            if len(dead) > self._max_waiting:
                dead.popleft()

    def pump(self, queues: Iterable[str]) -> None:
        """Hand waiting messages to takers with a free place, in turns."""
        with self._lock:
            for queue in queues:
                waiting, takers = self._waiting.get(queue), self._takers.get(queue, collections.deque())
                while waiting:
                    taker = next((taker for taker in takers if taker.has_place()), None)
                    if taker is None:
                        break
                    takers.remove(taker)
                    takers.append(taker)
                    self.delivered[queue] += 1
                    taker.take(waiting.popleft())

    def attach(self, queues: Sequence[str], taker: Taker) -> None:
        """Let ``taker`` have the messages of ``queues`` from now on."""
        with self._lock:
            for queue in queues:
                self._takers.setdefault(queue, collections.deque()).append(taker)
        self.pump(queues)

    def detach(self, queues: Sequence[str], taker: Taker) -> None:
        """Undo :meth:`attach`; the queues and what waits in them stay."""
        with self._lock:
            for queue in queues:
                self._takers[queue].remove(taker)

    def forget(self, queue: str) -> None:
        """Drop a queue and what waits in it: the inbox of a caller that is gone."""
        with self._lock:
            self._waiting.pop(queue, None)
            self._takers.pop(queue, None)

    def takers(self, queue: str) -> list[Taker]:
        """Return who consumes ``queue`` now."""
        with self._lock:
            return list(self._takers.get(queue, ()))

    def depth(self, queue: str) -> int:
        """Return how many messages wait."""
        with self._lock:
            return len(self._waiting.get(queue, ()))

    def depths(self) -> dict[str, int]:
        """Return how many messages wait in each queue."""
        with self._lock:
            return {queue: len(waiting) for queue, waiting in self._waiting.items()}

    def purge(self) -> int:
        """Throw away every waiting message and return how many there were."""
        with self._lock:
            lost = sum(len(waiting) for waiting in self._waiting.values())
            self._waiting.clear()
            return lost
