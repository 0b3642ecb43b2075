"""The exchanges and queues on the broker.

Durable classic queues: a quorum queue on a single RabbitMQ 3.10 node stayed without a leader after kill -9.
"""

from __future__ import annotations

from typing import Any

from kombu import entity

from iaas.common import runtime
from iaas.common.rpc.transport import DEAD, MAX_WAITING

NOT_FOUND = 404
WORK = entity.Exchange("iaas", type="direct", durable=True)
DEAD_EXCHANGE = entity.Exchange(DEAD, type="fanout", durable=True)
DEAD_QUEUE = entity.Queue(
    DEAD,
    DEAD_EXCHANGE,
    durable=True,
    queue_arguments={"x-max-length": MAX_WAITING, "x-overflow": "drop-head"},
)


def topic_queue(topic: str) -> entity.Queue:
    """The queue in which messages for ``topic`` wait; a full one refuses, what is rejected goes to the dead."""
    return entity.Queue(
        topic,
        WORK,
        routing_key=topic,
        durable=True,
        queue_arguments={
            "x-max-length": MAX_WAITING,
            "x-overflow": "reject-publish",
            "x-dead-letter-exchange": DEAD,
        },
    )


def fanout_exchange(topic: str) -> entity.Exchange:
    return entity.Exchange(f"iaas.fanout.{topic}", type="fanout", durable=True)


def fanout_queue(topic: str) -> entity.Queue:
    """A consumer's own copy of what is said to all of ``topic``, gone with its connection."""
    return entity.Queue(f"{topic}.fanout.{runtime.uuid()}", fanout_exchange(topic), **_PASSING)


def reply_queue() -> entity.Queue:
    """An inbox of a name of its own (kombu cannot declare a server-named queue twice), gone with its connection.

    It is not bound: the default exchange routes to a queue by its name.
    """
    return entity.Queue(f"reply.{runtime.uuid()}", **_PASSING)


_PASSING: dict[str, Any] = {
    "durable": False,
    "exclusive": True,
    "auto_delete": True,
    "queue_arguments": {"x-max-length": MAX_WAITING},
}


def declare_topic(channel: Any, topic: str) -> entity.Queue:
    """Make sure the queue of ``topic`` and the queue of the dead are there."""
    DEAD_QUEUE(channel).declare()
    queue = topic_queue(topic)(channel)
    queue.declare()
    return queue


def declare_passing(channel: Any, queue: entity.Queue) -> entity.Queue:
    """Make a consumer's own queue."""
    bound = queue(channel)
    bound.declare()
    return bound
