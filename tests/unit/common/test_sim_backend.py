"""The simulator's back-end: turns by seed, a clock that jumps, processes that die without a word."""

from __future__ import annotations

import contextlib
import logging

import pytest

from iaas.common import log, runtime
from iaas.common.runtime.sim_backend import EPOCH, SimBackend, Stuck
from tests.unit.common import test_runtime as contract

#: what every back-end promises, but for sockets and for calls that block in C
NEEDS_THE_MACHINE = {
    "test_a_server_serves_and_stops",
    "test_a_native_call_that_does_not_come_back_is_a_timeout",
}
PROMISES = [name for name in vars(contract) if name.startswith("test_") and name not in NEEDS_THE_MACHINE]


@pytest.fixture
def sim():
    """A simulated world, in place of the back-end the tests run on."""
    backend = SimBackend(seed=1)
    before = runtime.install(backend)
    yield backend
    runtime.install(before)


@contextlib.contextmanager
def world(seed):
    before = runtime.install(SimBackend(seed))
    yield
    runtime.install(before)


@pytest.mark.parametrize(
    "name", [name for name in PROMISES if name != "test_a_native_call_raises_what_it_raised_and_the_pool_lives_on"]
)
def test_it_keeps_what_every_back_end_promises(sim, name):
    getattr(contract, name)()


@pytest.mark.parametrize("error", [ValueError("x"), contract.Killed(), TimeoutError("its own")])
def test_a_native_call_raises_what_it_raised(sim, error):
    contract.test_a_native_call_raises_what_it_raised_and_the_pool_lives_on(error)


def test_the_clock_jumps_and_every_clock_agrees(sim):
    runtime.sleep(3600)
    assert runtime.monotonic() == 3600
    assert runtime.time() == EPOCH + 3600


def test_who_waits_for_less_is_woken_first(sim):
    woken = []
    for seconds in (3, 1, 2):
        runtime.spawn(lambda seconds=seconds: (runtime.sleep(seconds), woken.append((seconds, runtime.monotonic()))))
    runtime.sleep(10)
    assert woken == [(1, 1), (2, 2), (3, 3)]


def _turns(seed):
    seen = []
    with world(seed):
        tasks = [runtime.spawn(lambda n=n: [(seen.append(n), runtime.sleep(0)) for _ in range(4)]) for n in range(4)]
        for task in tasks:
            task.wait()
        return seen, runtime.uuid(), runtime.secret_bytes(8), runtime.rng().random()


def test_a_seed_decides_turns_ids_secrets_and_chance():
    assert _turns(5) == _turns(5)
    assert _turns(5) != _turns(6)


def test_a_native_call_that_does_not_come_back_in_time_goes_on(sim):
    done = []
    sim.native_delay = lambda fn: 25.0
    with pytest.raises(runtime.NativeTimeout):
        runtime.native(done.append, 1, timeout=10)
    assert (done, runtime.monotonic()) == ([], 10)
    runtime.sleep(20)
    assert done == [1]


def test_a_killed_process_runs_no_line_more(sim):
    said = []

    def life():
        try:
            runtime.sleep(5)
            said.append("woke")
        except BaseException:
            said.append("caught")
            raise
        finally:
            said.append("cleaned up")

    daemon = sim.process("daemon")
    sim.spawn_in(daemon, lambda: runtime.spawn(life).wait())
    runtime.sleep(1)
    sim.kill(daemon)
    runtime.sleep(100)
    assert said == []


def test_a_task_that_kills_its_own_process_does_not_go_on(sim):
    said = []
    daemon = sim.process("daemon")

    def end():
        try:
            sim.kill(daemon)
        finally:
            said.append("cleaned up")

    task = sim.spawn_in(daemon, end)
    runtime.sleep(1)
    assert (said, task.done, daemon.alive) == ([], False, False)
    assert not sim.spawn_in(daemon, said.append, 1).done
    runtime.sleep(1)
    assert said == []


def test_what_a_task_spawns_belongs_to_its_process(sim):
    daemon, seen = sim.process("daemon"), []
    sim.spawn_in(daemon, lambda: runtime.native(lambda: runtime.spawn(lambda: seen.append(sim.current.process))))
    runtime.sleep(1)
    assert seen == [daemon]
    with sim.inside(daemon):
        runtime.spawn(lambda: seen.append(sim.current.process))
    runtime.sleep(1)
    assert (seen, sim.current.process) == ([daemon, daemon], sim.root)


def test_the_locks_of_a_killed_process_vanish_with_it(sim):
    lock, seen, daemon = runtime.lock(), [], sim.process("daemon")
    lock.on_forfeit = lambda: seen.append("rolled back")
    sim.spawn_in(daemon, lambda: (lock.acquire(), runtime.sleep(1000)))
    runtime.sleep(1)
    waiting = runtime.spawn(lambda: (lock.acquire(), seen.append("mine"), lock.release()))
    runtime.sleep(1)
    sim.kill(daemon)
    waiting.wait()
    assert seen == ["rolled back", "mine"]


def test_a_waiter_that_was_killed_is_not_handed_the_lock(sim):
    lock, daemon, seen = runtime.lock(), sim.process("daemon"), []
    with lock:
        sim.spawn_in(daemon, lock.acquire)
        living = runtime.spawn(lambda: (lock.acquire(), seen.append("mine")))
        runtime.sleep(1)
        sim.kill(daemon)
    living.wait()
    assert seen == ["mine"]


def test_a_lock_is_let_go_by_its_holder_only(sim):
    lock = runtime.lock()
    lock.acquire()
    with pytest.raises(RuntimeError):
        runtime.spawn(lock.release).wait()


def test_a_stopped_process_goes_on_where_it_was(sim):
    ticks, daemon = [], sim.process("daemon")

    def tick():
        while True:
            runtime.sleep(1)
            ticks.append(runtime.monotonic())

    sim.spawn_in(daemon, tick)
    runtime.sleep(2.5)
    sim.pause(daemon, 20)
    runtime.sleep(20.4)
    assert ticks == [1, 2, 22.5]


def test_a_wall_clock_is_stepped_for_one_process_and_measures_nothing(sim):
    daemon, seen = sim.process("daemon"), []
    daemon.clock_step = -3600.0
    sim.spawn_in(daemon, lambda: seen.append((runtime.time(), runtime.monotonic())))
    runtime.sleep(1)
    assert seen == [(EPOCH - 3600, 0)]
    assert runtime.time() == EPOCH + 1 == sim.true_time()


def test_a_semaphore_hands_its_place_to_who_waits(sim):
    seats, seen = runtime.semaphore(1), []
    seats.acquire()
    runtime.spawn(lambda: seen.append(seats.acquire(timeout=5)))
    runtime.sleep(1)
    seats.release()
    runtime.sleep(1)
    assert (seen, seats.acquire(blocking=False)) == ([True], False)
    seats.release()
    with pytest.raises(ValueError, match="more often"):
        seats.release()


def test_a_queue_hands_items_to_many_takers_in_order(sim):
    queue, got = runtime.queue(2), []
    takers = [runtime.spawn(lambda: [got.append(queue.get()) for _ in range(5)]) for _ in range(2)]
    for number in range(10):
        queue.put(number)
    for taker in takers:
        taker.wait()
    assert sorted(got) == list(range(10))


def test_the_request_of_a_log_line_is_its_task_s_own(sim):
    seen = []

    def request(name):
        log.bind(name)
        runtime.sleep(1)
        record = logging.makeLogRecord({"msg": "hello"})
        seen.append((name, f"[{name}]" in log.Formatter(as_json=False).format(record)))

    for task in [runtime.spawn(request, name) for name in ("req-a", "req-b")]:
        task.wait()
    assert sorted(seen) == [("req-a", True), ("req-b", True)]


def test_a_world_where_nobody_can_go_on_says_so(sim):
    with pytest.raises(Stuck, match="waits for another"):
        runtime.event().wait()


def test_a_world_that_never_lets_time_pass_says_so(sim, monkeypatch):
    monkeypatch.setattr("iaas.common.runtime.sim_backend.MAX_STEPS", 1000)

    def spin():
        while True:
            runtime.sleep(0)

    runtime.spawn(spin)
    with pytest.raises(Stuck, match="no time passed"):
        runtime.sleep(1)


def test_what_is_not_simulated_says_so(sim):
    calls = (
        lambda: runtime.listen("127.0.0.1", 0),
        lambda: runtime.serve(None, None),  # pyright: ignore[reportArgumentType]
        lambda: runtime.wait_fd(0),
        lambda: runtime.on_signal(1, print),
    )
    for call in calls:
        with pytest.raises(NotImplementedError, match="the simulator has no"):
            call()
