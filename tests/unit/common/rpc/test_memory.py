from __future__ import annotations

import pytest

from iaas.common import errors, rpc
from iaas.common.rpc import broker, memory
from tests.contract import rpc_transport


class TestMemoryTransport(rpc_transport.TransportContract):
    @pytest.fixture
    def make(self):
        shared = broker.Broker()
        made = []

        def one():
            made.append(memory.MemoryTransport(shared))
            return made[-1]

        yield one
        for transport in made:
            transport.close()


@pytest.fixture
def shared():
    return broker.Broker(max_waiting=3)


@pytest.fixture
def transport(shared):
    made = memory.MemoryTransport(shared)
    yield made
    made.close()


def test_memory_urls_of_one_name_share_a_broker():
    one, two, other = rpc.connect("memory://a"), rpc.connect("memory://a"), rpc.connect("memory://b")
    one.publish("urls", rpc.Message("run"))
    assert (two.depth("urls"), other.depth("urls")) == (1, 0)
    memory.broker("a").purge()


def test_an_unknown_scheme_is_refused():
    with pytest.raises(errors.Invalid):
        rpc.connect("redis://127.0.0.1")


def test_a_full_queue_refuses(transport):
    for _ in range(3):
        transport.publish("t", rpc.Message("run"))
    with pytest.raises(rpc.Unavailable):
        transport.publish("t", rpc.Message("run"))


def test_a_broker_that_is_down_refuses_and_takes_messages_again(shared, transport):
    shared.down = True
    with pytest.raises(rpc.Unavailable):
        transport.publish("t", rpc.Message("run"))
    shared.down = False
    transport.publish("t", rpc.Message("run"))
    assert shared.published["t"] == 1


def test_purge_throws_away_what_waits_and_counts_it(shared, transport):
    for topic in ("a", "a", "b"):
        transport.publish(topic, rpc.Message("run"))
    assert shared.purge() == 3
    assert transport.depth("a") == 0


@pytest.mark.parametrize("copies", [0, 1, 2])
def test_interference_loses_and_repeats_messages(shared, transport, copies):
    recorder = rpc_transport.Recorder()
    shared.interfere = lambda queue, body: [body] * copies
    transport.publish("t", rpc.Message("run", {"n": 7}))
    transport.consume(["t"], recorder, prefetch=1)
    rpc_transport.eventually(lambda: recorder.numbers() == [7] * copies and recorder.running == 0)
    assert shared.delivered["t"] == copies


def test_bytes_that_are_no_message_are_put_aside(shared, transport):
    recorder = rpc_transport.Recorder()
    transport.consume(["t"], recorder, prefetch=1)
    shared.put("t", b"\xff not json")
    rpc_transport.eventually(lambda: transport.depth(rpc.DEAD) == 1)
    assert recorder.got == []


def test_stopped_consumers_and_inboxes_leave_nothing_behind(shared, transport):
    transport.consume(["t"], rpc_transport.Recorder(), prefetch=1).stop()
    inbox = transport.inbox(rpc_transport.Recorder())
    address = inbox.address
    inbox.stop()
    assert shared.takers("t") == []
    with pytest.raises(rpc.Unroutable):
        transport.reply(address, rpc.Message("reply"))
