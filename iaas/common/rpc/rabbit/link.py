"""One connection to the broker, on which no call blocks for long.

kombu's own retries are not used: who holds a link owns its retries, its back-off and its task.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, cast

import amqp
import kombu.exceptions
from kombu import connection

from iaas.common import runtime

HEARTBEAT = 10  # seconds; a silent broker is given up after two
CONNECT_TIMEOUT = 2
IO_TIMEOUT = 3.0  # for the answer to a declaration, and for a write
FIRST_BACKOFF, LAST_BACKOFF = 0.2, 5.0

# What a lost broker looks like; py-amqp now and then trips over its own closed connection with an AttributeError.
LOST = (amqp.AMQPError, kombu.exceptions.KombuError, OSError, AttributeError)


class Link:
    """A connection and its one channel; used by one task only."""

    def __init__(self, url: str, **transport_options: Any) -> None:
        self._connection = connection.Connection(
            url,
            heartbeat=HEARTBEAT,
            connect_timeout=CONNECT_TIMEOUT,
            transport_options=transport_options,
        )
        self.channel = self._open()

    def _open(self) -> Any:
        """:raises LOST: the broker is not there, or not well."""
        try:
            self._connection.ensure_connection(max_retries=0)
            # The limit of every read and write that is not given one of its own: a stopped broker's kernel
            # goes on accepting bytes, and no answer ever comes.
            cast(Any, self._connection.connection).sock.settimeout(IO_TIMEOUT)
            return self._connection.channel()
        except BaseException:
            self._connection.collect()
            raise

    def turn(self, timeout: float) -> bool:
        """Take in what the broker sends for at most ``timeout`` seconds; return whether there was anything.

        :raises LOST: two heartbeats did not come, or the connection broke.
        """
        self._connection.heartbeat_check()
        try:
            self._connection.drain_events(timeout=timeout)
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Say good-bye if the broker listens, and close the socket in any case."""
        with contextlib.suppress(*LOST):
            cast(Any, self._connection.connection).close()
        self.drop()

    def drop(self) -> None:
        """Close the socket without a word: what is unconfirmed stays unknown."""
        with contextlib.suppress(*LOST):
            self._connection.collect()


class Backoff:
    """How long to leave the broker alone after a failure: 0.2 to 5 seconds, with jitter."""

    def __init__(self) -> None:
        self.failures = 0

    def success(self) -> None:
        self.failures = 0

    def failure(self) -> float:
        """Return the seconds to wait."""
        longest = min(FIRST_BACKOFF * 2**self.failures, LAST_BACKOFF)
        self.failures = min(self.failures + 1, 10)
        return longest * runtime.rng().uniform(0.5, 1.0)


class Opener:
    """Makes links to the brokers of a cluster, in turns."""

    def __init__(self, urls: str) -> None:
        self._urls = [url for url in urls.split(";") if url]
        self._next = 0

    def open(self, on_blocked: Callable[[str], None] | None = None) -> Link:
        """Return a new link.

        :raises LOST: the broker whose turn it is cannot be reached.
        """
        url = self._urls[self._next % len(self._urls)]
        try:
            confirms = {"confirm_publish": True, "on_blocked": on_blocked} if on_blocked else {}
            return Link(url, **confirms)
        except BaseException:
            self._next += 1
            raise
