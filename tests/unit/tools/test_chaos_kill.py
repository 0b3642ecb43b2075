"""A daemon of the kill matrix that is armed with a point and started."""

from __future__ import annotations

import random
import signal
import threading

from tools.chaos.kill import Slot
from tools.chaos.matrix import Target

POINTS = [
    Target("jobs.build.place.claimed", "scheduler", "build"),
    Target("jobs.build.place.done", "scheduler", "build"),
]


class Ended:
    """A daemon's process that ended while it started."""

    def __init__(self, status: int | None) -> None:
        self.status = status

    def poll(self) -> int | None:
        return self.status


class Daemon:
    process: Ended = Ended(None)

    @property
    def alive(self) -> bool:
        return self.process.poll() is None


class Cluster:
    """Every armed start ends with ``status`` before the daemon is seen to serve; the unarmed one at the end serves."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.daemons = {"scheduler": Daemon()}
        self.served = False

    def kill(self, name: str) -> None:
        self.daemons[name].process = Ended(-signal.SIGKILL)

    def spawn(self, name: str, **environment: str) -> None:
        self.daemons[name].process = Ended(self.status if "IAAS_CRASH_AT" in environment else None)

    def wait_ready(self, name: str) -> None:
        if not self.daemons[name].alive:
            raise RuntimeError(f"{name} ended; its log ends: …")

    def restart(self, name: str) -> None:
        self.spawn(name)
        self.wait_ready(name)
        self.served = True


class Lab:
    def __init__(self, status: int) -> None:
        self.cluster = Cluster(status)


def died(status: int) -> Slot:
    slot = Slot(Lab(status), "scheduler", POINTS, random.Random(1))
    slot.run(threading.Event())
    assert slot.lab.cluster.served, "it is left running, armed with nothing"
    return slot


def test_a_daemon_that_comes_to_its_point_before_it_is_seen_to_serve_died_there():
    slot = died(-signal.SIGKILL)
    assert set(slot.died) == {target.point for target in POINTS}
    assert slot.missed == []


def test_a_daemon_that_ends_by_itself_is_told():
    slot = died(1)
    assert not slot.died
    assert len(slot.missed) == 2
    assert "ended by itself with status 1 before jobs.build.place.claimed" in slot.missed[0]
