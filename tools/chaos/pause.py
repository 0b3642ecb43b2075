"""A daemon stops in the middle of what it does and goes on later: the late worker is fenced, nothing is done twice."""

from __future__ import annotations

import os
import signal
import time

from tools.chaos.cases import Case, Facts, Say
from tools.chaos.lab import Lab
from tools.chaos.load import Load, running_load


def _paused(lab: Lab, say: Say, daemon: str, seconds: float) -> Facts:
    """Send SIGSTOP under load, wait longer than a lease, send SIGCONT."""
    with Load(lab, pause=0.1) as load:
        running_load(lab, load)
        pid = lab.cluster.pids[daemon]
        say(f"{daemon} stands still for {seconds:.0f} s")
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            os.kill(pid, signal.SIGCONT)
        running_load(lab, load, servers=3)
    return {"paused": seconds}


def cases(long: bool) -> list[Case]:
    daemons = ["api", "scheduler", "compute-1", "network-1", "volume", "image", "identity"]
    found = []
    for seconds in (6.0, 40.0) if long else (6.0,):
        for daemon in daemons:
            name = f"{daemon.partition('-')[0]} for {seconds:.0f} s"
            found.append(Case("pause", name, lambda lab, say, d=daemon, s=seconds: _paused(lab, say, d, s)))
    return found
