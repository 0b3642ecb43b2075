"""Messages within one process: for ``iaas-all``, tests and the simulator.

Messages are encoded and decoded as on the wire, so only plain values pass.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TypeVar

from iaas.common import runtime
from iaas.common.rpc import errors
from iaas.common.rpc.broker import Broker
from iaas.common.rpc.message import Message
from iaas.common.rpc.transport import Handler, Inbox, Transport, hand_over

LOG = logging.getLogger(__name__)
STOP_TIMEOUT = 4.0
INBOX_PREFETCH = 100

_brokers: dict[str, Broker] = {}


def broker(name: str = "") -> Broker:
    """Return the process's broker of that name: the one ``memory://NAME`` means."""
    return _brokers.setdefault(name, Broker())


class MemoryConsumer(Inbox):
    """Runs a handler as a task for each message, up to ``prefetch`` at once."""

    def __init__(self, owner: Broker, topics: Sequence[str], handler: Handler, prefetch: int) -> None:
        self._broker = owner
        self._handler = handler
        self._places = prefetch
        self._running = 0
        self._stopping = False
        self._lock = runtime.lock()
        self._idle = runtime.event()
        self._idle.set()
        own = runtime.uuid()
        self.fanouts = {topic: f"{topic}.fanout.{own}" for topic in topics}
        self._queues = (*topics, *self.fanouts.values())
        self._broker.attach(self._queues, self)

    @property
    def address(self) -> str:
        return self._queues[0]

    def ready(self, timeout: float = 0) -> bool:
        return not self._stopping

    def has_place(self) -> bool:
        return not self._stopping and self._running < self._places

    def take(self, body: bytes) -> None:
        """Start a handler; the broker has asked whether there is a place."""
        with self._lock:
            self._running += 1
            self._idle.clear()
        runtime.spawn(self._run, body)

    def _run(self, body: bytes) -> None:
        if not hand_over(self._handler, body):
            self._broker.bury(body)
        with self._lock:
            self._running -= 1
            if self._running == 0:
                self._idle.set()
        if not self._stopping:
            self._broker.pump(self._queues)

    def stop(self) -> None:
        if self._stopping:
            return
        self._stopping = True
        self._broker.detach(self._queues, self)
        for queue in self.fanouts.values():
            self._broker.forget(queue)
        if not self._idle.wait(STOP_TIMEOUT):
            LOG.warning("%d handlers of %s still run", self._running, ", ".join(self.fanouts))


class MemoryInbox(MemoryConsumer):
    def stop(self) -> None:
        super().stop()
        self._broker.forget(self.address)


C = TypeVar("C", bound=MemoryConsumer)


class MemoryTransport(Transport):
    """A service's way to the process's broker."""

    def __init__(self, owner: Broker) -> None:
        self._broker = owner
        self._consumers: list[MemoryConsumer] = []
        self._closed = False

    def publish(self, topic: str, message: Message, *, timeout: float = 5.0) -> None:
        self._check_open()
        self._broker.put(topic, message.encode())

    def fanout(self, topic: str, message: Message, *, timeout: float = 5.0) -> None:
        self._check_open()
        body = message.encode()
        for taker in self._broker.takers(topic):
            if isinstance(taker, MemoryConsumer):
                self._broker.put(taker.fanouts[topic], body)

    def reply(self, address: str, message: Message, *, timeout: float = 5.0) -> None:
        self._check_open()
        if not self._broker.takers(address):
            raise errors.Unroutable(address=address)
        self._broker.put(address, message.encode())

    def consume(self, topics: Sequence[str], handler: Handler, *, prefetch: int) -> MemoryConsumer:
        self._check_open()
        return self._keep(MemoryConsumer(self._broker, topics, handler, prefetch))

    def inbox(self, handler: Handler) -> MemoryInbox:
        self._check_open()
        return self._keep(MemoryInbox(self._broker, [f"reply.{runtime.uuid()}"], handler, INBOX_PREFETCH))

    def depth(self, topic: str) -> int:
        return self._broker.depth(topic)

    def depths(self) -> dict[str, int]:
        return self._broker.depths()

    def close(self) -> None:
        self._closed = True
        for consumer in self._consumers:
            consumer.stop()
        self._consumers.clear()

    def _keep(self, made: C) -> C:
        self._consumers = [*(consumer for consumer in self._consumers if consumer.ready()), made]
        return made

    def _check_open(self) -> None:
        if self._closed:
            raise errors.Unavailable(reason="The message transport is closed.")
