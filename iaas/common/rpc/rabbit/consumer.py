"""The taking side: a connection and a task for each consumer, for ever anew."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from kombu import entity, messaging

from iaas.common import runtime
from iaas.common.rpc.rabbit import link
from iaas.common.rpc.transport import Handler, Inbox, hand_over

LOG = logging.getLogger(__name__)
STOP_TIMEOUT = 5.0
END_TIMEOUT = 4.0  # of it for running handlers
FAST, BUSY, IDLE = 0.002, 0.25, 0.5  # seconds the connection is read before finished handlers are looked at

Subscribe = Callable[[Any], Sequence[entity.Queue]]


class RabbitConsumer(Inbox):
    """Reads the queues ``subscribe`` declares on every new connection.

    The connection belongs to one task.  Handlers run on tasks of their own and report back through a queue,
    because a message must be acknowledged on the connection it came by; one whose connection has ended comes
    again, which is harmless.
    """

    def __init__(self, opener: link.Opener, subscribe: Subscribe, handler: Handler, prefetch: int) -> None:
        self._opener = opener
        self._subscribe = subscribe
        self._handler = handler
        self._prefetch = prefetch
        self._places = runtime.semaphore(prefetch)  # over all connections, old and new
        self._verdicts = runtime.queue()
        self._running = 0
        self._tick = FAST
        self._channel: Any = None
        self._address = ""
        self._heard: float | None = None
        self._ready = runtime.event()
        self._stopping = runtime.event()
        self._stopped = runtime.event()
        runtime.spawn(self._run)

    @property
    def address(self) -> str:
        return self._address

    def ready(self, timeout: float = 0) -> bool:
        return self._ready.wait(timeout)

    def age(self) -> float | None:
        return None if self._heard is None else runtime.monotonic() - self._heard

    @property
    def stopped(self) -> bool:
        return self._stopped.is_set()

    def ask_to_stop(self) -> None:
        """Begin to stop and return at once, so that many consumers can stop at the same time."""
        self._stopping.set()

    def stop(self) -> None:
        self.ask_to_stop()
        if not self._stopped.wait(STOP_TIMEOUT):
            LOG.warning("a consumer did not stop within %s seconds", STOP_TIMEOUT)

    # -- the task ----------------------------------------------------------------------------------------

    def _run(self) -> None:
        backoff = link.Backoff()
        while not self._stopping.is_set():
            try:
                self._consume(self._opener.open(), backoff)
            except link.LOST as error:
                LOG.warning("the message queue is away: %r", error)
            except Exception:
                LOG.exception("consuming failed")
            self._ready.clear()
            self._channel = None
            if not self._stopping.is_set():
                self._stopping.wait(backoff.failure())
        self._stopped.set()

    def _consume(self, connection: link.Link, backoff: link.Backoff) -> None:
        try:
            self._channel = connection.channel
            self._channel.basic_qos(0, self._prefetch, False)
            queues = self._subscribe(self._channel)
            self._address = queues[0].name
            consumer = messaging.Consumer(self._channel, queues, on_message=self._take, auto_declare=False)
            consumer.consume()
            self._ready.set()
            backoff.success()
            while not self._stopping.is_set():
                self._turn(connection)
            consumer.cancel()
            deadline = runtime.monotonic() + END_TIMEOUT
            while self._running and runtime.monotonic() < deadline:
                self._turn(connection)
        except BaseException:
            connection.drop()
            raise
        connection.close()

    def _turn(self, connection: link.Link) -> None:
        """Acknowledge what is done and read what comes; look again sooner while there is work."""
        settled = self._settle()
        took = connection.turn(self._tick)
        self._heard = runtime.monotonic()
        longest = BUSY if self._running else IDLE
        self._tick = FAST if settled or took else min(self._tick * 2, longest)

    def _settle(self) -> bool:
        any_done = False
        while True:
            try:
                message, handled = self._verdicts.get(block=False)
            except runtime.Empty:
                return any_done
            any_done = True
            self._running -= 1
            if message.channel is not self._channel:
                continue
            if handled:
                message.ack()
            else:
                message.reject()

    def _take(self, message: Any) -> None:
        self._running += 1
        runtime.spawn(self._handle, message)

    def _handle(self, message: Any) -> None:
        handled = True
        # py-amqp decodes the body where a foreign sender names an encoding
        body = message.body.encode() if isinstance(message.body, str) else bytes(message.body)
        try:
            with self._places:
                handled = hand_over(self._handler, body)
        finally:
            self._verdicts.put((message, handled))
