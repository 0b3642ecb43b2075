"""Half an hour or more of work, with a fault every minute or with none: does any daemon grow?

Memory (RSS) and open files of every daemon are read every five seconds.  After a warm-up the slope of each is said per
hour.  The warm-up is harder work than what follows: pools, caches and the allocator's heap are then as large as they
become, and what grows beyond that is what nobody gives back; a pool that fills again is not growth.  Its clients delete
what they made, so that there is never more later than there was then.  Where daemons are killed, a slope is taken from
the longest time one process lived.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections import defaultdict
from pathlib import Path

from tools.chaos.cases import Breach, Case, Facts, Say
from tools.chaos.keeper import Keeper
from tools.chaos.lab import SETTLE, Lab
from tools.chaos.load import Load
from tools.chaos.repeat import Repeated
from tools.chaos.storm import Killer

EVERY = 5.0
WARM_UP = 0.25  # of the whole time
FLAT_MB, FLAT_FILES = 1.0, 1.0  # per hour, above what reading by chance would show
SHORTEST = 300.0  # seconds a process must have lived after its warm-up for a slope to mean anything

Sample = tuple[float, float, int]  # time, MB, files


def rss_mb(pid: int) -> float:
    """Return the resident memory of a process in MB (10**6 bytes)."""
    words = Path(f"/proc/{pid}/status").read_text()
    return int(words.partition("VmRSS:")[2].split()[0]) * 1024 / 1e6


def open_files(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


class Sampler(Repeated):
    """Reads memory and open files of every daemon while the block lasts.

    :ivar samples: (daemon, pid) → what was read
    """

    def __init__(self, lab: Lab) -> None:
        super().__init__(EVERY)
        self.samples: dict[tuple[str, int], list[Sample]] = defaultdict(list)
        self._lab = lab

    def turn(self) -> None:
        for name, pid in self._lab.cluster.pids.items():
            with contextlib.suppress(OSError, IndexError):  # it died meanwhile
                self.samples[name, pid].append((time.monotonic(), rss_mb(pid), open_files(pid)))


def slope(points: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the slope per hour of (seconds, value) by least squares, and its standard error."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    fitted = statistics.linear_regression(xs, ys)
    spread = sum((x - statistics.fmean(xs)) ** 2 for x in xs)
    rest = sum((y - fitted.intercept - fitted.slope * x) ** 2 for x, y in points)
    error = (rest / max(1, len(points) - 2) / spread) ** 0.5
    return fitted.slope * 3600, error * 3600


def verdict(samples: list[Sample], warm: float = 0.0) -> dict[str, float | bool] | None:
    """Say how memory and open files of one process went after its warm-up; None if it lived too short a time.

    It is flat where the slope is, or where nothing comes above what the warm-up needed already.

    :param warm: when the warm-up ended, if it was later than the usual part of the process's life
    """
    begun, ended = samples[0][0], samples[-1][0]
    warm = max(warm, begun + WARM_UP * (ended - begun))
    before, kept = ([s for s in samples if s[0] < warm], [s for s in samples if s[0] >= warm])
    if len(kept) < 10 or kept[-1][0] - kept[0][0] < SHORTEST:
        return None
    memory, error = slope([(at, mb) for at, mb, _ in kept])
    files, files_error = slope([(at, float(count)) for at, _, count in kept])
    most_mb, most_files = (max(sample[place] for sample in before) for place in (1, 2))
    return {
        "MB": round(kept[-1][1], 1),
        "most before": round(most_mb, 1),
        "MB/h": round(memory, 2),
        "files/h": round(files, 2),
        "flat": (memory - 2 * error < FLAT_MB or max(mb for _, mb, _ in kept) <= most_mb)
        and (files - 2 * files_error < FLAT_FILES or max(count for *_, count in kept) <= most_files),
    }


def _soak(lab: Lab, say: Say, minutes: float, faults_every: float | None) -> Facts:
    warm = time.monotonic() + minutes * 60 * WARM_UP
    ended = warm + minutes * 60 * (1 - WARM_UP)
    loads = [Load(lab, clients=12, pause=0.05, leave=True), Load(lab, clients=8, pause=1.0)]
    with contextlib.ExitStack() as stack:
        keeper = stack.enter_context(Keeper(lab.cluster))
        killer = stack.enter_context(Killer(lab, faults_every)) if faults_every else None
        sampler = stack.enter_context(Sampler(lab))
        warmed = 0.0
        for load, until in zip(loads, (warm, ended), strict=True):
            with load:
                while time.monotonic() < until:
                    sent = sum(each.sent for each in loads)
                    say(f"{(ended - time.monotonic()) / 60:.0f} minutes left, {sent} requests")
                    time.sleep(1)
            warmed = warmed or time.monotonic()  # its clients have deleted what they made, and that was work, too
    lab.all_ready(SETTLE)
    if failures := [failure for each in loads for failure in each.failures]:
        raise Breach(failures[0])
    longest: dict[str, list[Sample]] = {}
    for (name, _), samples in sampler.samples.items():
        longest[name] = max(longest.get(name, []), samples, key=len)
    growth = {name: verdict(samples, warmed) for name, samples in sorted(longest.items())}
    grown = [name for name, said in growth.items() if said is not None and not said["flat"]]
    if not faults_every and (unsaid := [name for name, said in growth.items() if said is None]):
        raise Breach(f"too short to say whether these grow, ask for 8 minutes or more: {', '.join(unsaid)}")
    if grown and not faults_every:
        raise Breach(f"these grow: { {name: growth[name] for name in grown} }")
    deaths = len(keeper.deaths)
    requests = sum(each.sent for each in loads)
    return {"requests": requests, "kills": killer.kills if killer else 0, "deaths": deaths, "growth": growth}


def cases(minutes: float) -> list[Case]:
    return [
        Case("soak", f"{minutes:.0f} minutes, no faults", lambda lab, say: _soak(lab, say, minutes, None)),
        Case("soak", f"{minutes:.0f} minutes, a kill every 60 s", lambda lab, say: _soak(lab, say, minutes, 60.0)),
    ]
