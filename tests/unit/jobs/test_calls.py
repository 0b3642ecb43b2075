"""Calls into a driver that come back late, or never."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from iaas.common import runtime
from iaas.jobs.calls import Calls
from iaas.jobs.service import STUCK, SUPERSEDED

ROOT = Path(__file__).resolve().parents[3]


class Hung:
    """A call that does not come back before it may."""

    def __init__(self):
        self._lock = runtime.native_lock()
        self._lock.acquire()

    def start(self, result):
        with self._lock:
            if isinstance(result, Exception):
                raise result
            return result

    def let_go(self):
        self._lock.release()


def until(true):
    deadline = runtime.monotonic() + 20
    while not true():
        assert runtime.monotonic() < deadline
        runtime.sleep(0.01)


def test_a_call_in_time_changes_nothing():
    changes = []
    calls = Calls(60.0, lambda: changes.append(calls.degraded))
    assert calls.make(lambda word: word * 2, "a", timeout=20.0) == "aa"
    with pytest.raises(ZeroDivisionError):
        calls.make(lambda: 1 // 0, timeout=20.0)
    assert changes == []


@pytest.mark.parametrize("outcome", ["disk", ValueError("no disk")])
def test_a_call_that_comes_back_late_is_as_good_as_one_in_time_and_the_worker_is_degraded_meanwhile(outcome):
    changes, hung = [], Hung()
    calls = Calls(60.0, lambda: changes.append(calls.degraded), lambda why: changes.append("stuck"))

    def make():
        try:
            return calls.make(hung.start, outcome, timeout=0.01)
        except ValueError as error:
            return error

    task = runtime.spawn(make)
    until(lambda: changes)
    assert calls.degraded == "The driver's start has not come back for 0 s."
    assert not task.done
    hung.let_go()
    assert task.wait() is outcome
    assert changes == ["The driver's start has not come back for 0 s.", None]


def test_a_call_that_is_late_for_too_long_ends_the_worker_and_stays_known(caplog):
    stuck, hung = [], Hung()
    calls = Calls(0.01, stuck=stuck.append)
    with pytest.raises(runtime.NativeTimeout, match="start has not come back"):
        calls.make(hung.start, "disk", timeout=0.01)
    assert len(stuck) == 1
    assert calls.degraded is not None
    hung.let_go()


def test_a_worker_is_degraded_until_the_last_late_call_is_back():
    first, second, states = Hung(), Hung(), []
    calls = Calls(60.0, lambda: states.append(calls.degraded is None))
    tasks = [runtime.spawn(calls.make, hung.start, "x", timeout=0.01) for hung in (first, second)]
    until(lambda: len(states) == 2)
    first.let_go()
    tasks[0].wait()
    second.let_go()
    tasks[1].wait()
    assert states == [False, False, False, True]


ENDING = """
import sys
from iaas.common import runtime
runtime.use(sys.argv[1])
from iaas.cmd import daemon
from iaas.jobs.service import WorkerService

class Worker(WorkerService):
    def __init__(self):
        pass

    def start(self):
        runtime.spawn(lambda: self.on_end(int(sys.argv[2]), "because"))

    def stop(self):
        print("stopped", flush=True)

daemon.run([Worker()])
"""


@pytest.mark.parametrize("back_end", ["eventlet", "threads"])
@pytest.mark.parametrize(("code", "said"), [(STUCK, b""), (SUPERSEDED, b"stopped\n")])
def test_a_process_ends_with_its_worker_and_waits_for_no_stuck_one(back_end, code, said):
    words = [sys.executable, "-c", ENDING, back_end, str(code)]
    done = subprocess.run(words, stdout=subprocess.PIPE, cwd=ROOT, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (code, said)
