"""kill -9 of every daemon at every point: one cluster stays up, each daemon dies at one point after another.

The points of one daemon are gone through in turn, those of different daemons at the same time.  A daemon is started
with ``IAAS_CRASH_AT`` naming its next point, a client of its own does what passes that point until the daemon is
dead, and at once it is started again for the next one.  The identity service passes no points; it is killed at
moments drawn by chance.  After each pass over all points the cloud must settle, and is judged.
"""

from __future__ import annotations

import contextlib
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Sequence

from tools.chaos.cases import Breach, Facts, Say
from tools.chaos.lab import Lab
from tools.chaos.matrix import Client, Target, targets

HIT = 180.0  # seconds in which a daemon must have come to its point; on a busy machine a minute was not enough once
UPLOAD_SETTLES = 60.0  # an upload that broke off is given up by the image service's sweep


class Slot:
    """One daemon, the points it is to die at, and the client that brings it there."""

    def __init__(self, lab: Lab, daemon: str, points: Sequence[Target], rng: random.Random) -> None:
        self.lab, self.daemon, self.points, self.rng = lab, daemon, points, rng
        self.died: Counter[str] = Counter()
        self.missed: list[str] = []
        number = int(daemon.partition("-")[2] or 1)
        host = lab.cluster.hosts[number - 1] if daemon.startswith(("compute", "network")) else ""
        self.client = Client(lab, host, rng, lambda: not self.alive)

    @property
    def alive(self) -> bool:
        return self.lab.cluster.daemons[self.daemon].alive

    def run(self, stop: threading.Event) -> None:
        """Die at each point; leave the daemon running unarmed."""
        cluster = self.lab.cluster
        for target in self.points:
            if stop.is_set():
                break
            cluster.kill(self.daemon)
            self._start(target)
            status = self._bring(target, stop)
            if status == -signal.SIGKILL:
                self.died[target.point] += 1
            elif status is not None:
                self.missed.append(f"{self.daemon} ended by itself with status {status} before {target.point}")
            elif not stop.is_set():
                self.missed.append(f"{self.daemon} did not come to {target.point} within {HIT:.0f} s")
        cluster.restart(self.daemon)

    def _start(self, target: Target) -> None:
        """Start the daemon armed; a message that waited for it may bring it to its point before it is seen to serve.

        :raises RuntimeError: it neither serves nor ended.
        """
        self.lab.cluster.spawn(self.daemon, IAAS_CRASH_AT=target.point)
        try:
            self.lab.cluster.wait_ready(self.daemon)
        except RuntimeError:
            if self.alive:
                raise

    def _bring(self, target: Target, stop: threading.Event) -> int | None:
        """Do what passes a point until the daemon has ended; return its status, None if it still runs."""
        deadline = time.monotonic() + HIT
        while self.alive and time.monotonic() < deadline and not stop.is_set():
            with contextlib.suppress(RuntimeError):  # no answer: somebody's daemon is dead for a moment
                self.client.do(target.stimulus)
            stop.wait(0.05)
        process = self.lab.cluster.daemons[self.daemon].process
        assert process is not None
        return process.poll()


def slots(lab: Lab, wanted: Sequence[Target], turn: int) -> list[Slot]:
    """Deal the points out to the daemons; where a kind of worker runs twice, ``turn`` decides who gets which half."""
    workers: dict[str, list[str]] = {}
    for name in lab.cluster.daemons:
        workers.setdefault(name.partition("-")[0], []).append(name)
    found = []
    for worker, daemons in workers.items():
        points = [target for target in wanted if target.worker == worker]
        lab.rng.shuffle(points)
        for number, daemon in enumerate(daemons):
            share = points[(number + turn) % len(daemons) :: len(daemons)]
            if share:
                found.append(Slot(lab, daemon, share, random.Random(lab.rng.random())))
    return found


def one_pass(lab: Lab, say: Say) -> Facts:
    """Kill at every point once; return the deaths by point.

    :raises Breach: a daemon did not come to its point, or could not be started again.
    """
    made = slots(lab, targets(), lab.rng.randrange(2))
    stop, failures = threading.Event(), list[str]()

    def run(slot: Slot) -> None:
        try:
            slot.run(stop)
        except Exception as error:
            failures.append(f"{slot.daemon}: {type(error).__name__}: {error}")

    threads = [threading.Thread(target=run, args=(slot,), name=f"slot-{slot.daemon}") for slot in made]
    ended = threading.Event()
    strays: list[str] = []
    identity = threading.Thread(target=_kill_identity, args=(lab, ended, failures, strays))
    for thread in [*threads, identity]:
        thread.start()
    try:
        while any(thread.is_alive() for thread in threads):
            say(f"{sum(slot.died.total() for slot in made)}/{sum(len(slot.points) for slot in made)} points")
            time.sleep(0.5)
    finally:
        stop.set()
        ended.set()
        for thread in [*threads, identity]:
            thread.join()
    lab.all_ready()
    wrong = [missed for slot in made for missed in slot.missed] + failures + _uploads_left(lab)
    if wrong:
        raise Breach("; ".join(wrong))
    deaths = sum((slot.died for slot in made), Counter[str]())
    return {"kills": deaths.total() + len(strays), "points": deaths.total(), "deaths": dict(deaths)}


def _kill_identity(lab: Lab, ended: threading.Event, failures: list[str], killed: list[str]) -> None:
    """Kill the identity service now and then, while somebody logs in."""
    rng = random.Random(lab.rng.random())
    while not ended.wait(rng.uniform(6, 12)):
        try:
            lab.cluster.restart("identity")
            killed.append("identity")
            lab.client.log_in()
        except Exception as error:
            failures.append(f"identity: {type(error).__name__}: {error}")


def _uploads_left(lab: Lab) -> list[str]:
    """Wait until no image is in saving, delete those the pass made, and return what stays."""
    deadline = time.monotonic() + UPLOAD_SETTLES
    while True:
        rows = {row["id"]: row for row in lab.client.insist("GET", "image", "/images?limit=1000")["images"]}
        saving = [row["id"] for row in rows.values() if row["status"] == "saving"]
        if not saving or time.monotonic() > deadline:
            break
        time.sleep(1)
    wrong = [f"image {image} stays in saving" for image in saving]
    wrong += [f"image {row['id']} is {row['status']}" for row in rows.values()
              if row["status"] not in ("queued", "active", "saving")]  # fmt: skip
    for image in rows.keys() - {lab.image, lab.iso}:
        lab.client.insist("DELETE", "image", f"/images/{image}")
    return wrong
