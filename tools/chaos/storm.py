"""Eight clients send a thousand requests each while a daemon drawn by chance is killed every five seconds."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tools.chaos.cases import Breach, Case, Facts, Say
from tools.chaos.keeper import Keeper
from tools.chaos.lab import SETTLE, Lab
from tools.chaos.load import Load
from tools.chaos.repeat import Repeated

EVERY = 5.0
MOST = 1800.0  # seconds, whatever the machine


class Killer(Repeated):
    """Kills a running daemon drawn by chance every ``every`` seconds; ``with Killer(lab): …``."""

    def __init__(self, lab: Lab, every: float, among: Sequence[str] = ()) -> None:
        super().__init__(every)
        self.kills = 0
        self._lab, self._among = lab, among

    def turn(self) -> None:
        alive = sorted(name for name in self._lab.cluster.pids if not self._among or name in self._among)
        if alive:
            self._lab.cluster.kill(self._lab.rng.choice(alive))
            self.kills += 1


def _storm(lab: Lab, say: Say, requests: int) -> Facts:
    deadline = time.monotonic() + MOST
    load = Load(lab, clients=8, requests=requests, pause=0.05)
    with Keeper(lab.cluster) as keeper:
        with Killer(lab, EVERY) as killer, load:
            while not load.over and time.monotonic() < deadline:
                say(f"{load.sent}/{8 * requests} requests, {killer.kills} kills")
                time.sleep(0.5)
        keeper.all_ready(SETTLE)
    if load.failures:
        raise Breach(load.failures[0])
    return {"requests": load.sent, "kills": killer.kills}


def cases(long: bool) -> list[Case]:
    requests = 1000 if long else 60
    return [Case("load", f"8 x {requests} requests, a kill every 5 s", lambda lab, say: _storm(lab, say, requests))]
