"""The concurrency seam: run with IAAS_RUNTIME=threads and =eventlet."""

from __future__ import annotations

import json
import logging

import pytest
import requests

from iaas.common import log, runtime


class Killed(BaseException):
    pass


def _raise(error):
    raise error


def test_a_task_returns_what_its_function_returned():
    assert runtime.spawn(lambda a, b: a + b, 1, b=2).wait() == 3


def test_a_task_raises_what_its_function_raised():
    with pytest.raises(KeyError):
        runtime.spawn(_raise, KeyError("x")).wait()


@pytest.mark.parametrize("error", [ValueError("x"), Killed(), TimeoutError("its own")])
def test_a_native_call_raises_what_it_raised_and_the_pool_lives_on(error):
    for _ in range(30):
        with pytest.raises(type(error)):
            runtime.native(_raise, error)
    assert runtime.native(lambda: 7) == 7


def test_a_native_call_that_does_not_come_back_is_a_timeout():
    gate = runtime.native_lock()
    gate.acquire()
    stuck = runtime.native_lock()

    def blocks():
        with stuck:
            import select

            select.select([], [], [], 0.5)

    with pytest.raises(runtime.NativeTimeout):
        runtime.native(blocks, timeout=0.05)
    gate.release()


def test_a_native_call_inside_a_native_call_runs_in_place():
    assert runtime.native(lambda: (runtime.in_native(), runtime.native(runtime.in_native))) == (True, True)
    assert not runtime.in_native()


def test_an_event_is_waited_for_with_a_limit():
    event = runtime.event()
    assert not event.wait(0.01)
    runtime.spawn(event.set)
    assert event.wait(5)
    event.clear()
    assert not event.is_set()


def test_a_queue_is_bounded_and_says_when_it_is_empty():
    queue = runtime.queue(1)
    queue.put("a")
    with pytest.raises(runtime.Full):
        queue.put("b", timeout=0.01)
    assert queue.get() == "a"
    with pytest.raises(runtime.Empty):
        queue.get(timeout=0.01)


def test_a_lock_can_be_taken_again_by_its_holder_and_keeps_others_out():
    lock, seen = runtime.lock(), []
    with lock, lock:
        task = runtime.spawn(lambda: (lock.acquire(), seen.append("in"), lock.release()))
        runtime.sleep(0.01)
        assert seen == []
    task.wait()
    assert seen == ["in"]


def test_a_lock_is_waited_for_with_a_limit_and_who_gave_up_is_not_handed_it():
    lock, seen = runtime.lock(), []

    def impatient():
        seen.append(lock.acquire(timeout=0.01))

    def patient():
        if lock.acquire(timeout=60):
            seen.append("in")
            lock.release()

    assert lock.acquire(timeout=1)
    assert lock.acquire(timeout=0.01), "its holder may take it again"
    lock.release()
    runtime.spawn(impatient).wait()
    assert seen == [False]
    tasks = [runtime.spawn(patient) for _ in range(3)]
    runtime.sleep(0.01)
    assert seen == [False]
    lock.release()
    for task in tasks:
        task.wait()
    assert seen == [False, "in", "in", "in"]
    with lock:
        assert lock.acquire(timeout=0)
        lock.release()


def test_who_takes_a_lock_again_with_a_limit_does_not_pass_those_who_wait():
    if runtime.name() != "eventlet":
        pytest.skip("only the lock of green threads has a line")
    lock, seen = runtime.lock(), []
    lock.acquire()
    waiting = runtime.spawn(lambda: (lock.acquire(timeout=60), seen.append("waited"), lock.release()))
    runtime.sleep(0.01)
    lock.release()
    assert lock.acquire(timeout=60)
    seen.append("came again")
    lock.release()
    waiting.wait()
    assert seen == ["waited", "came again"]


def test_a_semaphore_says_no_without_waiting():
    seats = runtime.semaphore(1)
    assert seats.acquire(blocking=False)
    assert not seats.acquire(blocking=False)
    assert not seats.acquire(timeout=0.01)
    seats.release()
    assert seats.acquire(timeout=1)


def test_every_task_sees_its_own_of_a_local():
    local = runtime.local()
    local.name = "mine"
    assert runtime.spawn(lambda: hasattr(local, "name")).wait() is False
    assert local.name == "mine"


def test_a_server_serves_and_stops():
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
        return [b"hi"]

    sock = runtime.listen("127.0.0.1", 0)
    server = runtime.serve(sock, app)
    url = f"http://127.0.0.1:{server.port}/"
    assert requests.get(url, timeout=5).text == "hi"
    server.stop()
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=2)


def test_ids_and_secrets_differ():
    assert runtime.uuid() != runtime.uuid()
    assert len(runtime.secret_bytes(16)) == 16


def test_what_a_native_call_logs_has_the_request_of_its_caller():
    log.bind("req-of-the-caller")
    formatter = log.Formatter(as_json=True)
    record = logging.LogRecord("driver", logging.INFO, "f", 1, "words", None, None)
    assert json.loads(runtime.native(formatter.format, record))["request_id"] == "req-of-the-caller"


def test_native_calls_are_counted_while_they_have_their_thread():
    if runtime.name() != "eventlet":
        pytest.skip("only green threads share a small pool")
    before = runtime.native_load()[0]
    gate = runtime.native_lock()
    gate.acquire()
    task = runtime.spawn(runtime.native, lambda: gate.acquire() and gate.release())
    while runtime.native_load()[0] == before:
        runtime.sleep(0.001)
    assert runtime.native_load()[1] > 1
    gate.release()
    task.wait()
    assert runtime.native_load()[0] == before
