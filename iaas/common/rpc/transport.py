"""What a message transport offers.  One contract suite, ``tests/contract/rpc_transport.py``, holds them to it."""

from __future__ import annotations

import abc
import logging
from collections.abc import Callable, Sequence

from iaas.common.rpc import errors
from iaas.common.rpc.message import Message

LOG = logging.getLogger(__name__)
Handler = Callable[[Message], None]

DEAD = "iaas.dead"  # the queue of messages nobody could read or handle
MAX_WAITING = 10_000  # messages in the queue of one topic; more are refused


class Consumer(abc.ABC):
    """Takes messages and hands each to a handler on a task of its own, until stopped."""

    @abc.abstractmethod
    def ready(self, timeout: float = 0) -> bool:
        """Whether it takes messages now, or does within ``timeout`` seconds."""

    def age(self) -> float | None:
        """Return for how many seconds the broker was not heard of, None if it never was."""
        return 0.0 if self.ready() else None

    @abc.abstractmethod
    def stop(self) -> None:
        """Take no more messages, let running handlers end, and return within 5 seconds."""


class Inbox(Consumer):
    """A consumer of answers, at an address of its own."""

    @property
    @abc.abstractmethod
    def address(self) -> str:
        """What a caller writes into ``reply_to``.  It changes when the connection is made anew."""


class Transport(abc.ABC):
    """Carries messages.  At least once: a handler may see the same message again."""

    @abc.abstractmethod
    def publish(self, topic: str, message: Message, *, timeout: float = 5.0) -> None:
        """Put ``message`` into the queue of ``topic`` for good; never takes longer than ``timeout`` seconds.

        The queue is made if it is not there, so a message may wait for its first consumer.

        :raises Unavailable: no confirm came, or the queue is full.
        :raises Unroutable: the broker cannot route it.
        """

    @abc.abstractmethod
    def fanout(self, topic: str, message: Message, *, timeout: float = 5.0) -> None:
        """Give ``message`` to every consumer of ``topic`` that is there now.

        :raises Unavailable: no confirm came.
        """

    @abc.abstractmethod
    def reply(self, address: str, message: Message, *, timeout: float = 5.0) -> None:
        """Put ``message`` into the inbox at ``address``.

        :raises Unroutable: that inbox is gone.
        :raises Unavailable: no confirm came.
        """

    @abc.abstractmethod
    def consume(self, topics: Sequence[str], handler: Handler, *, prefetch: int) -> Consumer:
        """Give the messages of ``topics`` to ``handler``, at most ``prefetch`` at the same time.

        Returns at once; connects, and connects again, for as long as it takes.  A message is done with when
        the handler returns or raises; :class:`DeadLetter` puts it aside, any other error is only logged.
        """

    @abc.abstractmethod
    def inbox(self, handler: Handler) -> Inbox:
        """Give the answers sent to a new address to ``handler``."""

    @abc.abstractmethod
    def depth(self, topic: str) -> int:
        """Return how many messages wait in the queue of ``topic``, or of :data:`DEAD`.

        :raises Unavailable: the broker cannot be asked.
        """

    def depths(self) -> dict[str, int] | None:
        """Return how many messages wait in every queue of a broker inside this process; None if it is outside.

        Nobody else can ask the first; the second is asked for each queue by :meth:`depth`.
        """
        return None

    @abc.abstractmethod
    def close(self) -> None:
        """Stop the consumers and close the connections; the transport cannot be used any more."""


def hand_over(handler: Handler, body: bytes) -> bool:
    """Give one message to its handler; return False if it cannot be read or handled, ever."""
    try:
        handler(Message.decode(body))
    except (errors.Undecodable, errors.DeadLetter) as error:
        LOG.error("a message is put aside in %s: %s", DEAD, error)
        return False
    except Exception:
        LOG.exception("the handler of a message failed")
    return True
