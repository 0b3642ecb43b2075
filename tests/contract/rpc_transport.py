"""What every message transport must do.  Inherit :class:`TransportContract` and give it ``transport`` fixtures."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from iaas.common import rpc, runtime

WAIT = 10.0


def eventually(condition: Callable[[], bool], seconds: float = WAIT) -> None:
    """Wait until ``condition`` holds; fail when it does not in time."""
    deadline = runtime.monotonic() + seconds
    while not condition():
        assert runtime.monotonic() < deadline, "it did not happen in time"
        runtime.sleep(0.02)


class Recorder:
    """A handler that keeps what it got, and can be told to wait or to fail."""

    def __init__(self) -> None:
        self.got: list[rpc.Message] = []
        self.gate = runtime.event()
        self.gate.set()
        self.error: Exception | None = None
        self.running = 0
        self.most = 0
        self._lock = runtime.lock()

    def __call__(self, message: rpc.Message) -> None:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
            self.got.append(message)
        self.gate.wait(WAIT)
        with self._lock:
            self.running -= 1
        if self.error is not None:
            raise self.error

    def numbers(self) -> list[Any]:
        return [message.args["n"] for message in list(self.got)]


class Manager:
    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    @rpc.endpoint
    def double(self, ctx: Any, *, number: int) -> int:
        self.seen.append((ctx.project_id, ctx.request_id, number))
        return number * 2

    @rpc.endpoint
    def fail(self, ctx: Any) -> None:
        raise rpc.Unavailable(reason="No more of it.")

    @rpc.endpoint
    def crash(self, ctx: Any) -> None:
        raise ZeroDivisionError("secret detail")

    @rpc.endpoint
    def date(self, ctx: Any) -> Any:
        return runtime.now()

    def hidden(self, ctx: Any) -> str:
        return "never by message"


class TransportContract:
    @pytest.fixture
    def make(self) -> Iterator[Callable[[], rpc.Transport]]:
        """A maker of transports to one broker."""
        raise NotImplementedError

    @pytest.fixture
    def transport(self, make: Callable[[], rpc.Transport]) -> rpc.Transport:
        return make()

    @pytest.fixture
    def topic(self) -> str:
        return f"t{uuid.uuid4().hex[:12]}"

    def consumer(self, transport: rpc.Transport, topic: str, handler: Any, prefetch: int = 8) -> rpc.Consumer:
        made = transport.consume([topic], handler, prefetch=prefetch)
        assert made.ready(WAIT)
        return made

    def test_a_message_arrives_as_it_was_sent(self, transport, topic):
        recorder = Recorder()
        self.consumer(transport, topic, recorder)
        sent = rpc.Message("run", {"id": "a", "n": 1, "deep": [1, {"x": None}]}, "req-1", {"project_id": "p"})
        transport.publish(topic, sent)
        eventually(lambda: recorder.got == [sent])

    def test_a_message_waits_for_its_first_consumer(self, transport, topic):
        transport.publish(topic, rpc.Message("run", {"n": 1}))
        assert transport.depth(topic) == 1
        recorder = Recorder()
        self.consumer(transport, topic, recorder)
        eventually(lambda: recorder.numbers() == [1])
        eventually(lambda: transport.depth(topic) == 0)

    def test_a_broker_inside_the_process_says_what_waits_in_every_queue(self, transport, topic):
        transport.publish(topic, rpc.Message("run", {"n": 1}))
        depths = transport.depths()
        assert depths is None or depths[topic] == 1

    def test_one_of_two_consumers_gets_a_message(self, make, topic):
        one, two = Recorder(), Recorder()
        self.consumer(make(), topic, one)
        self.consumer(make(), topic, two)
        sender = make()
        for n in range(40):
            sender.publish(topic, rpc.Message("run", {"n": n}))
        eventually(lambda: len(one.got) + len(two.got) >= 40)
        assert sorted(one.numbers() + two.numbers()) == list(range(40))
        assert one.got
        assert two.got

    def test_a_consumer_of_two_topics_gets_both(self, transport, topic):
        recorder = Recorder()
        assert transport.consume([topic, topic + ".host"], recorder, prefetch=4).ready(WAIT)
        transport.publish(topic, rpc.Message("run", {"n": 1}))
        transport.publish(topic + ".host", rpc.Message("run", {"n": 2}))
        eventually(lambda: sorted(recorder.numbers()) == [1, 2])

    def test_a_fanout_reaches_everyone_who_is_there(self, make, topic):
        one, two, late = Recorder(), Recorder(), Recorder()
        self.consumer(make(), topic, one)
        self.consumer(make(), topic, two)
        sender = make()
        sender.fanout(topic, rpc.Message("run", {"n": 1}))
        eventually(lambda: one.numbers() == two.numbers() == [1])
        self.consumer(make(), topic, late)
        sender.fanout(topic, rpc.Message("run", {"n": 2}))
        eventually(lambda: late.numbers() == [2])

    def test_a_fanout_to_nobody_is_no_error(self, transport, topic):
        transport.fanout(topic, rpc.Message("run"))

    def test_no_more_handlers_run_than_the_prefetch_allows(self, transport, topic):
        recorder = Recorder()
        recorder.gate.clear()
        self.consumer(transport, topic, recorder, prefetch=3)
        for n in range(9):
            transport.publish(topic, rpc.Message("run", {"n": n}))
        eventually(lambda: recorder.running == 3)
        recorder.gate.set()
        eventually(lambda: len(recorder.got) == 9)
        assert recorder.most == 3

    def test_a_handler_that_raises_is_done_with_its_message(self, transport, topic):
        recorder = Recorder()
        recorder.error = ValueError("boom")
        consumer = self.consumer(transport, topic, recorder)
        transport.publish(topic, rpc.Message("run", {"n": 1}))
        eventually(lambda: recorder.numbers() == [1])
        consumer.stop()
        again = Recorder()
        self.consumer(transport, topic, again)
        transport.publish(topic, rpc.Message("run", {"n": 2}))
        eventually(lambda: again.numbers() == [2])

    def test_a_message_nobody_can_handle_is_put_aside(self, transport, topic):
        before = transport.depth(rpc.DEAD)
        recorder = Recorder()
        recorder.error = rpc.DeadLetter(reason="never")
        self.consumer(transport, topic, recorder)
        transport.publish(topic, rpc.Message("run", {"n": 1}))
        eventually(lambda: transport.depth(rpc.DEAD) == before + 1)
        assert len(recorder.got) == 1

    def test_stop_lets_running_handlers_end(self, transport, topic):
        recorder = Recorder()
        recorder.gate.clear()
        consumer = self.consumer(transport, topic, recorder)
        transport.publish(topic, rpc.Message("run", {"n": 1}))
        eventually(lambda: recorder.running == 1)
        stopping = runtime.spawn(consumer.stop)
        recorder.gate.set()
        stopping.wait()
        assert recorder.running == 0
        transport.publish(topic, rpc.Message("run", {"n": 2}))
        assert transport.depth(topic) == 1
        assert recorder.numbers() == [1]

    def test_stop_gives_up_on_a_handler_that_hangs_within_5_seconds(self, transport, topic):
        recorder = Recorder()
        recorder.gate.clear()
        consumer = self.consumer(transport, topic, recorder)
        transport.publish(topic, rpc.Message("run", {"n": 1}))
        eventually(lambda: recorder.running == 1)
        began = runtime.monotonic()
        consumer.stop()
        assert runtime.monotonic() - began < 5.5
        recorder.gate.set()

    def test_an_answer_to_nobody_is_unroutable(self, transport):
        with pytest.raises(rpc.Unroutable):
            transport.reply("reply.nobody", rpc.Message("reply"))

    def test_a_message_over_64_kib_is_refused(self, transport, topic):
        with pytest.raises(rpc.MessageTooLarge):
            transport.publish(topic, rpc.Message("run", {"n": "x" * 70_000}))

    def test_a_closed_transport_refuses(self, transport, topic):
        transport.close()
        with pytest.raises(rpc.Unavailable):
            transport.publish(topic, rpc.Message("run"))

    # -- endpoints over it -------------------------------------------------------------------------------

    @pytest.fixture
    def client(self, make: Callable[[], rpc.Transport], topic: str) -> rpc.Client:
        self.manager = Manager()
        server = rpc.RpcServer(make(), [topic], self.manager, pool_size=4)
        server.start()
        assert server.ready(WAIT)
        return rpc.Client(make())

    def test_a_call_returns_the_result_and_carries_the_context(self, client, topic):
        ctx = {"project_id": "p1", "request_id": "req-9"}
        assert client.call(topic, "double", ctx, number=21, timeout=WAIT) == 42
        assert self.manager.seen == [("p1", "req-9", 21)]

    def test_calls_at_the_same_time_get_their_own_answers(self, client, topic):
        tasks = [runtime.spawn(client.call, topic, "double", number=n, timeout=WAIT) for n in range(20)]
        assert [task.wait() for task in tasks] == [2 * n for n in range(20)]

    def test_a_cast_runs_the_endpoint(self, client, topic):
        client.cast(topic, "double", number=4)
        eventually(lambda: [seen[2] for seen in self.manager.seen] == [4])

    def test_a_fanout_runs_the_endpoint(self, client, topic):
        client.fanout(topic, "double", number=5)
        eventually(lambda: [seen[2] for seen in self.manager.seen] == [5])

    @pytest.mark.parametrize(
        ("method", "args", "kind", "words"),
        [
            ("fail", {}, "unavailable", "No more of it."),
            ("crash", {}, "internal", "An unexpected error occurred."),
            ("date", {}, "internal", "The result of date cannot be sent."),
            ("hidden", {}, "invalid", "no endpoint 'hidden'"),
            ("__init__", {}, "invalid", "no endpoint '__init__'"),
            ("double", {"wrong": 1}, "invalid", "double:"),
        ],
    )
    def test_a_call_that_fails_says_why(self, client, topic, method, args, kind, words):
        with pytest.raises(rpc.RemoteError) as caught:
            client.call(topic, method, timeout=WAIT, **args)
        assert caught.value.remote_kind.value == kind
        assert words in str(caught.value)
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize(("method", "args"), [("hidden", {}), ("double", {"wrong": 1})])
    def test_a_cast_nobody_understands_is_put_aside(self, client, transport, topic, method, args):
        before = transport.depth(rpc.DEAD)
        client.cast(topic, method, **args)
        eventually(lambda: transport.depth(rpc.DEAD) == before + 1)

    def test_a_call_nobody_answers_times_out(self, transport, topic):
        client = rpc.Client(transport)
        with pytest.raises(rpc.CallTimeout):
            client.call(topic, "double", number=1, timeout=0.5)
