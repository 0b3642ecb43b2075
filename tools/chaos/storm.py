"""Clients at work while daemons drawn by chance are killed: one every five seconds, or fifty in a row."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tools.chaos.cases import Breach, Case, Facts, Say
from tools.chaos.keeper import Keeper
from tools.chaos.lab import SETTLE, Lab
from tools.chaos.load import Load
from tools.chaos.repeat import Repeated

EVERY = 5.0
IN_A_ROW = 0.8  # seconds between two of fifty kills: less than a daemon needs to come back
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


def _in_a_row(lab: Lab, say: Say, kills: int) -> Facts:
    """Kill at any moment of whatever is under way, more daemons at a time than one."""
    deadline = time.monotonic() + MOST
    load = Load(lab, clients=4, pause=0.05)
    with Keeper(lab.cluster) as keeper:
        with load, Killer(lab, IN_A_ROW) as killer:
            while killer.kills < kills and not load.over and time.monotonic() < deadline:
                say(f"{killer.kills}/{kills} kills, {load.sent} requests")
                time.sleep(0.2)
        keeper.all_ready(SETTLE)
    if load.failures or killer.kills < kills:
        raise Breach("; ".join(load.failures) or f"only {killer.kills} daemons could be killed")
    return {"requests": load.sent, "kills": killer.kills}


def cases(long: bool) -> list[Case]:
    requests, kills = (1000, 300) if long else (60, 50)
    return [
        Case("load", f"8 x {requests} requests, a kill every 5 s", lambda lab, say: _storm(lab, say, requests)),
        Case("load", f"{kills} kills in a row", lambda lab, say: _in_a_row(lab, say, kills)),
    ]
