"""SIGTERM under load: a daemon ends soon, and what it had under way is not delayed."""

from __future__ import annotations

import subprocess
import time

from tools.chaos import state
from tools.chaos.cases import Breach, Case, Facts, Say
from tools.chaos.lab import Lab
from tools.chaos.load import Load, running_load
from tools.chaos.repeat import Repeated

EXIT = 30.0
DELAY = 45.0  # no job takes longer because of it


class _Watch(Repeated):
    """Looks how old the oldest live job is, all the time."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(0.25)
        self.oldest = 0.0
        self._lab = lab

    def turn(self) -> None:
        born = state.scalar(self._lab.cluster, "SELECT MIN(created_at) FROM jobs WHERE live_key IS NOT NULL")
        if born is not None:
            self.oldest = max(self.oldest, time.time() - born)


def _drained(lab: Lab, say: Say, daemon: str) -> Facts:
    """End one daemon with SIGTERM, start it again at once, and hold both limits."""
    with Load(lab, pause=0.1) as load, _Watch(lab) as watch:
        running_load(lab, load)
        process = lab.cluster.daemons[daemon].process
        assert process is not None
        say(f"{daemon} is told to end")
        begun = time.monotonic()
        process.terminate()
        try:
            status = process.wait(EXIT + 15)
        except subprocess.TimeoutExpired as error:
            lab.cluster.kill(daemon)
            raise Breach(f"{daemon} did not end within {EXIT + 15:.0f} s of SIGTERM") from error
        took = time.monotonic() - begun
        lab.cluster.spawn(daemon)
        lab.cluster.wait_ready(daemon)
        running_load(lab, load, servers=3)
    if took > EXIT:
        raise Breach(f"{daemon} took {took:.1f} s to end")
    if status != 0:
        raise Breach(f"{daemon} ended with status {status}: {lab.cluster.tail(daemon, 500)}")
    if watch.oldest > DELAY:
        raise Breach(f"a job was live for {watch.oldest:.0f} s")
    return {"ended after": round(took, 1), "oldest job": round(watch.oldest, 1)}


def cases(long: bool) -> list[Case]:
    daemons = ["api", "scheduler", "compute-1", "network-1", "volume", "image", "identity"]
    return [Case("drain", d.partition("-")[0], lambda lab, say, d=d: _drained(lab, say, d)) for d in daemons]
