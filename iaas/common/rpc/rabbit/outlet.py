"""The connection messages leave by: declared queues, confirms, and what to do when the broker is away."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import amqp.exceptions
from kombu import messaging

from iaas.common import runtime
from iaas.common.rpc import errors
from iaas.common.rpc.rabbit import link

LOG = logging.getLogger(__name__)


class Blocked(Exception):
    """The broker is short of memory or disk and takes no messages."""


@dataclass
class Parcel:
    """A message on its way, and what came of it."""

    exchange: str
    routing_key: str
    body: bytes
    mandatory: bool = True
    declare: Callable[[Any], Any] | None = None
    deadline: float = 0.0
    done: Any = field(default_factory=runtime.event)
    error: Exception | None = None

    @property
    def left(self) -> float:
        """Seconds until its sender stops waiting."""
        return self.deadline - runtime.monotonic()


class Outlet:
    """A publishing connection with confirms, opened when needed; used by one task."""

    def __init__(self, opener: link.Opener) -> None:
        self._opener = opener
        self._link: link.Link | None = None
        self._producer: Any = None
        self._declared: set[tuple[str, str]] = set()
        self._returned = False
        self._was_idle = False
        self._backoff = link.Backoff()
        self._down_until = 0.0

    def check_up(self) -> None:
        """:raises Unavailable: the broker was found away a moment ago."""
        if runtime.monotonic() < self._down_until:
            raise errors.Unavailable(reason="The message queue is not reachable.")

    def put(self, parcel: Parcel) -> None:
        """Send one message and wait for its confirm.

        :raises Unavailable: no confirm, or the queue is full.
        :raises Unroutable: there is no such queue.
        """
        self.check_up()
        if parcel.left <= 0:
            raise errors.Unavailable(reason="The message waited too long to be sent.")
        try:
            try:
                self._publish(parcel)
            except link.LOST as error:
                if isinstance(error, TimeoutError) or not self._was_idle:
                    raise
                self.drop()  # the broker had ended the idle connection: one more try on a new one
                self._publish(parcel)
        except amqp.exceptions.MessageNacked:
            raise errors.Unavailable(reason=f"The message queue of {parcel.routing_key} is full.") from None
        except (Blocked, *link.LOST) as error:
            self._down(error)
            raise errors.Unavailable(reason="The message queue is not reachable.") from None
        self._backoff.success()

    def beat(self) -> None:
        """Keep the idle connection alive, or find out that it is not."""
        try:
            while self._link is not None and self._link.turn(0.001):
                pass
        except (Blocked, *link.LOST) as error:
            LOG.info("the idle connection to the message queue ended: %r", error)
            self.drop()

    def drop(self) -> None:
        """Leave the connection; what was not confirmed stays unknown."""
        if self._link is not None:
            self._link.drop()
            self._link = None

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def _down(self, error: Exception) -> None:
        self.drop()
        wait = self._backoff.failure()
        self._down_until = runtime.monotonic() + wait
        LOG.warning("the message queue is away, next try in %.1f s: %r", wait, error)

    def _publish(self, parcel: Parcel) -> None:
        self._was_idle = self._link is not None
        channel = self._open()
        name = (parcel.exchange, parcel.routing_key)
        known = name in self._declared
        if parcel.declare is not None and not known:
            parcel.declare(channel)
            self._declared.add(name)
        self._send(parcel)
        if self._returned and parcel.declare is not None and known:
            parcel.declare(channel)  # somebody deleted the queue after we had declared it
            self._send(parcel)
        if self._returned:
            self._declared.discard(name)
            raise errors.Unroutable(address=parcel.routing_key)

    def _open(self) -> Any:
        if self._link is None:
            self._link = self._opener.open(self._on_blocked)
            self._declared.clear()
            self._producer = messaging.Producer(self._link.channel, on_return=self._on_return)
        return self._link.channel

    def _send(self, parcel: Parcel) -> None:
        self._returned = False
        self._producer.publish(
            parcel.body,
            exchange=parcel.exchange,
            routing_key=parcel.routing_key,
            mandatory=parcel.mandatory,
            delivery_mode=2,
            content_type="application/json",
            timeout=link.IO_TIMEOUT,
            confirm_timeout=max(parcel.left, 0.001),
        )

    def _on_return(self, *_: Any) -> None:
        self._returned = True  # comes before the confirm of the same message

    def _on_blocked(self, reason: str) -> None:
        raise Blocked(reason)
