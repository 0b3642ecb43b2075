"""The transport over a real RabbitMQ, and what happens when it dies, hangs, starves or loses its queues."""

from __future__ import annotations

import contextlib
import signal

import pytest
from kombu import messaging

from iaas.common import rpc, runtime
from iaas.common.rpc.rabbit import link, topology
from tests.contract import rpc_transport
from tests.contract.rpc_transport import Recorder, eventually

pytest_plugins = ["tests.fixtures.servers"]
pytestmark = pytest.mark.servers


@pytest.fixture
def make_at():
    """A maker of transports to a URL, all closed at the end."""
    made = []

    def one(url):
        made.append(rpc.connect(url))
        return made[-1]

    yield one
    for transport in made:
        transport.close()


class TestRabbitTransport(rpc_transport.TransportContract):
    @pytest.fixture
    def make(self, make_at, rabbit_url):
        return lambda: make_at(rabbit_url)

    @pytest.fixture
    def raw(self, rabbit_url):
        made = link.Opener(rabbit_url).open()
        yield made.channel
        made.close()

    def test_bytes_that_are_no_message_are_put_aside(self, raw, transport, topic):
        before = transport.depth(rpc.DEAD)
        recorder = Recorder()
        self.consumer(transport, topic, recorder)
        messaging.Producer(raw).publish(b"\xff not json", exchange=topology.WORK.name, routing_key=topic)
        eventually(lambda: transport.depth(rpc.DEAD) == before + 1)
        assert recorder.got == []

    def test_a_full_queue_refuses(self, raw, transport, topic, monkeypatch):
        monkeypatch.setattr(topology, "MAX_WAITING", 3)
        for n in range(3):
            transport.publish(topic, rpc.Message("run", {"n": n}))
        with pytest.raises(rpc.Unavailable, match="full"):
            transport.publish(topic, rpc.Message("run", {"n": 3}))
        assert transport.depth(topic) == 3

    def test_a_deleted_queue_is_made_again_by_the_publisher(self, raw, transport, topic):
        transport.publish(topic, rpc.Message("run", {"n": 1}))
        raw.queue_delete(topic)
        transport.publish(topic, rpc.Message("run", {"n": 2}))
        assert transport.depth(topic) == 1

    def test_a_deleted_queue_is_made_again_by_its_consumer(self, raw, transport, topic):
        recorder = Recorder()
        self.consumer(transport, topic, recorder)
        raw.queue_delete(topic)
        transport.publish(topic, rpc.Message("run", {"n": 2}))
        eventually(lambda: recorder.numbers() == [2])

    def test_publishing_is_fast_enough(self, transport, topic):
        self.consumer(transport, topic, Recorder(), prefetch=32)
        transport.publish(topic, rpc.Message("run", {"n": 0}))
        began = runtime.monotonic()
        for n in range(300):
            transport.publish(topic, rpc.Message("run", {"n": n}))
        assert runtime.monotonic() - began < 10, "the target is 0.3 s on an idle machine"


def seconds_of(call, *errors):
    """Return how long ``call`` took and what it raised."""
    began, raised = runtime.monotonic(), None
    try:
        call()
    except errors as error:
        raised = error
    return runtime.monotonic() - began, raised


def publish_until_confirmed(transport, topic, n, seconds=60.0):
    deadline = runtime.monotonic() + seconds
    while runtime.monotonic() < deadline:
        try:
            return transport.publish(topic, rpc.Message("run", {"n": n}))
        except rpc.Unavailable:
            runtime.sleep(0.05)
    raise AssertionError(f"message {n} was never confirmed")


def test_kill_9_loses_no_confirmed_message_and_consumers_come_back(own_rabbit, make_at):
    transport, recorder = make_at(own_rabbit.url), Recorder()
    consumer = transport.consume(["work"], recorder, prefetch=8)
    assert consumer.ready(10)
    consumer.stop()
    confirmed = []

    def publish():
        for n in range(1500):
            publish_until_confirmed(transport, "work", n)
            confirmed.append(n)

    publishing = runtime.spawn(publish)
    eventually(lambda: len(confirmed) >= 300, 30)
    own_rabbit.kill()
    own_rabbit.start()
    publishing.wait()
    assert len(confirmed) == 1500

    assert transport.consume(["work"], recorder, prefetch=32).ready(15)
    eventually(lambda: set(recorder.numbers()) >= set(confirmed), 30)


def test_a_consumer_and_calls_recover_within_15_seconds_of_a_kill(own_rabbit, make_at):
    manager = rpc_transport.Manager()
    server = rpc.RpcServer(make_at(own_rabbit.url), ["calls"], manager)
    server.start()
    client = rpc.Client(make_at(own_rabbit.url))
    assert client.call("calls", "double", number=1, timeout=15) == 2
    own_rabbit.kill()
    took, raised = seconds_of(lambda: client.cast("calls", "double", number=2), rpc.Unavailable)
    assert raised is not None
    assert took < 5.5

    own_rabbit.start()
    deadline = runtime.monotonic() + 15
    while True:
        with contextlib.suppress(rpc.Unavailable, rpc.CallTimeout):
            assert client.call("calls", "double", number=3, timeout=2) == 6
            return
        assert runtime.monotonic() < deadline, "no call was answered within 15 s"
        runtime.sleep(0.1)


def test_a_broker_that_hangs_blocks_nobody_and_is_used_again(own_rabbit, make_at):
    transport, recorder = make_at(own_rabbit.url), Recorder()
    consumer = transport.consume(["work"], recorder, prefetch=8)
    assert consumer.ready(10)
    transport.publish("work", rpc.Message("run", {"n": 0}))
    other = make_at(own_rabbit.url).consume(["work"], recorder, prefetch=8)
    assert other.ready(10)
    own_rabbit.signal(signal.SIGSTOP)
    try:
        for _ in range(3):
            took, raised = seconds_of(
                lambda: transport.publish("work", rpc.Message("run", {"n": 1}), timeout=1.0), rpc.Unavailable
            )
            assert raised is not None
            assert took < 1.5
        took, _ = seconds_of(other.stop)
        assert took < 5.5
    finally:
        own_rabbit.signal(signal.SIGCONT)
    publish_until_confirmed(transport, "work", 2, 15)
    eventually(lambda: 2 in recorder.numbers(), 15)


def test_a_memory_alarm_refuses_quickly_and_ends(own_rabbit, make_at):
    transport = make_at(own_rabbit.url)
    transport.publish("work", rpc.Message("run", {"n": 0}))
    own_rabbit.ctl("set_vm_memory_high_watermark", "0.00001")
    for _ in range(3):
        took, raised = seconds_of(lambda: transport.publish("work", rpc.Message("run"), timeout=3.0), rpc.Unavailable)
        assert raised is not None
        assert took < 3.5
    own_rabbit.ctl("set_vm_memory_high_watermark", "0.4")
    publish_until_confirmed(transport, "work", 1, 20)


def test_closed_connections_are_made_again(own_rabbit, make_at):
    transport, recorder = make_at(own_rabbit.url), Recorder()
    assert transport.consume(["work"], recorder, prefetch=8).ready(10)
    transport.publish("work", rpc.Message("run", {"n": 0}))
    own_rabbit.ctl("close_all_connections", "test")
    transport.publish("work", rpc.Message("run", {"n": 1}))
    eventually(lambda: set(recorder.numbers()) == {0, 1}, 15)


def test_without_a_broker_a_transport_starts_fails_and_stops_in_time(make_at):
    transport = make_at("amqp://guest:guest@127.0.0.1:1//")
    consumer = transport.consume(["work"], Recorder(), prefetch=1)
    took, raised = seconds_of(lambda: transport.publish("work", rpc.Message("run")), rpc.Unavailable)
    assert raised is not None
    assert took < 2
    assert not consumer.ready()
    took, _ = seconds_of(transport.close)
    assert took < 5.5


def test_an_outage_costs_a_publisher_almost_nothing(make_at):
    transport = make_at("amqp://guest:guest@127.0.0.1:1//")
    took, _ = seconds_of(
        lambda: [seconds_of(lambda: transport.publish("t", rpc.Message("run")), rpc.Unavailable) for _ in range(200)]
    )
    assert took < 5
