"""The broker of a simulated world and the way to it: messages get lost, come twice, late, or with no answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from iaas.common.rpc import errors
from iaas.common.rpc.broker import Broker
from iaas.common.rpc.memory import MemoryConsumer, MemoryTransport
from iaas.common.rpc.message import Message
from iaas.common.runtime.sim_backend import Process

if TYPE_CHECKING:
    from tests.simulation.world import World


class SimBroker(Broker):
    """The product's in-memory broker, with a network in front of it."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self.interfere = self._travel

    def _travel(self, queue: str, body: bytes) -> Sequence[bytes]:
        faults = self._world.faults
        if faults.happens("message lost"):
            return ()
        if faults.happens("message late"):
            self._world.backend.spawn_in(
                self._world.outside, self._deliver, self._world.lasting(faults.between(0.1, 20)), queue, body
            )
            return ()
        return (body, body) if faults.happens("message twice") else (body,)

    def _deliver(self, delay: float, queue: str, body: bytes) -> None:
        self._world.backend.sleep(delay)
        self.give(queue, [body])

    def give(self, queue: str, bodies: Sequence[bytes]) -> None:
        """Put messages that have travelled into a queue."""
        self.interfere = None
        try:
            for body in bodies:
                self.put(queue, body)
        finally:
            self.interfere = self._travel

    def drop_taker(self, queues: Sequence[str], taker: Any) -> None:
        """A consumer's connection broke: it gets nothing more."""
        for queue in queues:
            if taker in self._takers.get(queue, ()):
                self._takers[queue].remove(taker)


class SimConsumer(MemoryConsumer):
    """A consumer whose handlers run in its own process; what a dead one had not acknowledged goes back."""

    def __init__(self, world: World, process: Process, topics: Sequence[str], handler: Any, prefetch: int) -> None:
        self._world = world
        self._process = process
        self._topic = topics[0]
        self._unacked: list[bytes] = []
        process.at_kill.append(self._die)
        super().__init__(world.broker, topics, handler, prefetch)

    def has_place(self) -> bool:
        return self._process.alive and super().has_place()

    def take(self, body: bytes) -> None:
        self._unacked.append(body)
        with self._world.backend.inside(self._process):
            super().take(body)

    def _run(self, body: bytes) -> None:
        super()._run(body)
        self._world.at("queue.ack.before")
        if body in self._unacked:
            self._unacked.remove(body)
        self._world.at("queue.ack.after")

    def _die(self) -> None:
        broker = self._world.broker
        broker.drop_taker(self._queues, self)
        for fanout in self.fanouts.values():
            broker._waiting.pop(fanout, None)
            broker._takers.pop(fanout, None)
        if self._unacked:
            self._world.backend.spawn_in(self._world.outside, broker.give, self._topic, self._unacked)


class SimTransport(MemoryTransport):
    """One process's connection to the broker."""

    def __init__(self, world: World, process: Process) -> None:
        super().__init__(world.broker)
        self._world = world
        self._process = process

    def publish(self, topic: str, message: Message, *, timeout: float = 5.0) -> None:
        world = self._world
        world.at("queue.publish.before")
        unknown = world.faults.happens("publish unknown")
        if not unknown or world.faults.chance.random() < 0.5:
            super().publish(topic, message, timeout=timeout)
        world.at("queue.publish.after")
        if unknown:
            world.backend.sleep(timeout)
            raise errors.Unavailable(reason="The broker did not confirm the message.")

    def consume(self, topics: Sequence[str], handler: Any, *, prefetch: int) -> MemoryConsumer:
        return self._keep(SimConsumer(self._world, self._process, topics, handler, prefetch))
