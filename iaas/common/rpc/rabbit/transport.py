"""The transport over RabbitMQ: one publishing connection, one connection for each consumer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kombu import entity

from iaas.common.rpc import errors
from iaas.common.rpc.message import Message
from iaas.common.rpc.rabbit import link, topology
from iaas.common.rpc.rabbit.consumer import RabbitConsumer
from iaas.common.rpc.rabbit.outlet import Parcel
from iaas.common.rpc.rabbit.publisher import Publisher
from iaas.common.rpc.transport import Handler, Transport

INBOX_PREFETCH = 100


class RabbitTransport(Transport):
    """``url`` may name several brokers of one cluster, separated by ``;``."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._publisher = Publisher(link.Opener(url))
        self._consumers: list[RabbitConsumer] = []
        self._closed = False

    def publish(self, topic: str, message: Message, *, timeout: float = 5.0) -> None:
        parcel = Parcel(topology.WORK.name, topic, message.encode(), declare=_declaring(topic))
        self._publisher.send(parcel, timeout)

    def fanout(self, topic: str, message: Message, *, timeout: float = 5.0) -> None:
        exchange = topology.fanout_exchange(topic)
        parcel = Parcel(
            exchange.name,
            topic,
            message.encode(),
            mandatory=False,
            declare=lambda channel: exchange(channel).declare(),
        )
        self._publisher.send(parcel, timeout)

    def reply(self, address: str, message: Message, *, timeout: float = 5.0) -> None:
        self._publisher.send(Parcel("", address, message.encode()), timeout)

    def consume(self, topics: Sequence[str], handler: Handler, *, prefetch: int) -> RabbitConsumer:
        wanted = tuple(topics)

        def subscribe(channel: Any) -> list[entity.Queue]:
            lasting = [topology.declare_topic(channel, topic) for topic in wanted]
            passing = [topology.declare_passing(channel, topology.fanout_queue(topic)) for topic in wanted]
            return lasting + passing

        return self._add(subscribe, handler, prefetch)

    def inbox(self, handler: Handler) -> RabbitConsumer:
        return self._add(
            lambda channel: [topology.declare_passing(channel, topology.reply_queue())],
            handler,
            INBOX_PREFETCH,
        )

    def depth(self, topic: str) -> int:
        opener = link.Opener(self._url)
        try:
            asked = opener.open()
        except link.LOST as error:
            raise errors.Unavailable(reason=f"The message queue is not reachable: {error!r}") from None
        try:
            return asked.channel.queue_declare(topic, passive=True).message_count
        except link.LOST as error:
            if getattr(error, "code", None) == topology.NOT_FOUND:
                return 0
            raise errors.Unavailable(reason=f"The message queue is not reachable: {error!r}") from None
        finally:
            asked.close()

    def close(self) -> None:
        self._closed = True
        for consumer in self._consumers:
            consumer.ask_to_stop()
        self._publisher.close()
        for consumer in self._consumers:
            consumer.stop()
        self._consumers.clear()

    def _add(self, subscribe: Any, handler: Handler, prefetch: int) -> RabbitConsumer:
        if self._closed:
            raise errors.Unavailable(reason="The message transport is closed.")
        made = RabbitConsumer(link.Opener(self._url), subscribe, handler, prefetch)
        self._consumers = [*(consumer for consumer in self._consumers if not consumer.stopped), made]
        return made


def _declaring(topic: str) -> Any:
    return lambda channel: topology.declare_topic(channel, topic)
