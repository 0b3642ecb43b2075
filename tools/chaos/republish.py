"""Messages said twice, late and out of order: a republisher on the broker.

A consumer of its own is bound to the exchange of work with the keys of some topics, so it gets a copy of each ring.
It keeps the copy for a while drawn by chance and publishes it again with the same key: every ring is heard twice, and
the second time after rings that were sent later.  A copy carries a header, so that it is not copied again.

What this cannot do is keep the first ring back.  A ring that is late is lost and then swept, and losing rings is what
purging the queues does.
"""

from __future__ import annotations

import contextlib
import heapq
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import amqp.exceptions
from kombu import Connection, Consumer, Exchange, Producer, Queue

WORK = Exchange("iaas", type="direct", durable=True)
MARK = "x-chaos-copy"
LOST = (OSError, amqp.exceptions.AMQPError)


class Republisher:
    """``with Republisher(url, topics, rng): …`` doubles the rings of ``topics`` until it ends.

    :param longest: seconds the second one is kept back at most
    :ivar seen: how many were ``heard`` and ``copied``
    """

    def __init__(self, url: str, topics: Sequence[str], rng: random.Random, longest: float = 2.0) -> None:
        self.seen: Counter[str] = Counter()
        self._url, self._topics, self._rng, self._longest = url, list(topics), rng, longest
        self._waiting: list[tuple[float, int, str, Any]] = []
        self._ready, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="chaos-republisher")

    def __enter__(self) -> Republisher:
        self._thread.start()
        if not self._ready.wait(30):
            raise RuntimeError("the republisher does not hear the broker")
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with Connection(self._url, heartbeat=10) as connection:
            channel = connection.channel()
            name = f"chaos.copies.{self._rng.getrandbits(32):08x}"
            queues = [Queue(name, WORK, routing_key=topic, exclusive=True, durable=False) for topic in self._topics]
            for queue in queues:
                queue(channel).declare()
            producer = Producer(channel, exchange=WORK)
            with Consumer(channel, queues[:1], on_message=self._heard, auto_declare=False, no_ack=True):
                self._ready.set()
                while not self._stop.is_set():
                    with contextlib.suppress(TimeoutError):
                        connection.drain_events(timeout=0.05)
                    self._say_again(producer)

    def _heard(self, message: Any) -> None:
        if MARK in (message.headers or {}):
            return
        self.seen["heard"] += 1
        body = message.body.encode() if isinstance(message.body, str) else bytes(message.body)
        due = time.monotonic() + self._rng.uniform(0, self._longest)
        heapq.heappush(self._waiting, (due, self.seen["heard"], message.delivery_info["routing_key"], body))

    def _say_again(self, producer: Producer) -> None:
        while self._waiting and self._waiting[0][0] <= time.monotonic():
            _, _, key, body = heapq.heappop(self._waiting)
            producer.publish(body, routing_key=key, headers={MARK: 1}, content_type="application/json")
            self.seen["copied"] += 1
