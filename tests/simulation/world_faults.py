"""What goes wrong, how often, and what of it has been tried: all drawn from one seed.

A *kind* of fault has a highest rate, per opportunity.  A seed turns a random half of the kinds on and draws a rate for
each, so that some histories are quiet, some suffer from one thing only, and some from everything at the same time.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from iaas.jobs import kinds

#: fault → the highest rate at which it happens, per opportunity; its opportunities are in the comment
HIGHEST: Mapping[str, float] = {
    "crash": 0.02,  # every point: a daemon is killed
    "pause": 0.02,  # every point: a daemon is stopped for 2 to 40 s
    "slow driver": 0.2,  # driver calls: one takes 1 to 25 s
    "stuck driver": 0.02,  # driver calls: one takes 61 to 130 s
    "driver error before": 0.2,  # driver calls: refused, nothing was done
    "driver error middle": 0.1,  # driver calls: broke off half way
    "driver error after": 0.1,  # driver calls: done, the answer is lost
    "disk full": 0.1,  # what makes disks and volumes, and what makes files of images longer: no space
    "message lost": 0.5,  # messages
    "message twice": 0.3,  # messages
    "message late": 0.4,  # messages: 0.1 to 20 s, so that later ones overtake it
    "publish unknown": 0.2,  # publishing: it is reported as failed, half the time though it was done
    "deadlock": 0.05,  # transactions
    "commit refused": 0.03,  # commits: the connection breaks before
    "commit unanswered": 0.05,  # commits: the connection breaks after
    "database down": 0.003,  # transactions: for 1 to 15 s
    "purge": 0.1,  # every ten seconds: the broker loses what waits
    "clock step": 0.1,  # every ten seconds: the wall clock of a daemon jumps up to an hour
    "host power": 0.1,  # every ten seconds: a host loses its power, and guests and daemons with it
    "second start": 0.1,  # every ten seconds: a worker is stopped for 2 to 60 s and another one started beside it
    "drain": 0.05,  # every ten seconds: a daemon is told to end
    "guest": 0.1,  # every ten seconds: a guest shuts itself down
    "image 503": 0.3,  # requests to the image service
    "upload broken": 0.2,  # uploads: the client's connection breaks half way
    "identity 503": 0.3,  # requests to the identity service: one per token and process every ten seconds
}
MAX_CRASHES = 25
#: words of points that are passed only where something failed: seeds that look for them have drivers that do
UNDOES = ("discard", "build.unwire", "unmake", "forget")
#: named points of programs that are not in the simulator, each with its reason
LEFT_OUT: Mapping[str, str] = {}


def points() -> list[str]:
    """Return the points where a crash must have been tried: those of the engine, and those of the simulator's parts."""
    from tests.simulation import world_drivers, world_images

    return [*kinds.points(), *SEAMS, *world_drivers.points(), *world_images.points()]


#: the points around what leaves a process, passed by the simulator's database, queue and client; and of uploads
SEAMS = (
    "db.read.before", "db.write.before", "db.commit.before", "db.commit.after", "queue.publish.before",
    "queue.publish.after", "queue.ack.before", "queue.ack.after", "http.before", "http.after",
    "image.upload.begun", "image.upload.stored",
)  # fmt: skip


@dataclass
class Coverage:
    """How often each point was passed, and how often somebody was killed there; each fault that happened."""

    passed: Counter[str] = field(default_factory=Counter)
    crashed: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)


class Faults:
    """The faults of one seed.

    :param without: kinds that are left out, whatever the seed says
    :ivar over: whether things go well from now on
    :ivar target: the point this seed tries hardest to crash at
    """

    def __init__(self, seed: int, without: Collection[str] = ()) -> None:
        self.chance = random.Random(f"{seed} faults")
        self.coverage = Coverage()
        self.over = False
        self.crashes = 0
        every = points()
        self.target = every[seed % len(every)]
        self.rates = {kind: self._rate(highest) for kind, highest in HIGHEST.items()}
        if any(word in self.target for word in UNDOES):
            self.rates["driver error before"] = HIGHEST["driver error before"]
        for kind in without:
            self.rates[kind] = 0.0
        self.may_target = "crash" not in without

    def _rate(self, highest: float) -> float:
        on, share = self.chance.random() < 0.5, self.chance.random()
        return highest * share if on else 0.0

    def happens(self, kind: str) -> bool:
        """Whether a fault happens now; it is counted."""
        rate = self.rates[kind]
        if self.over or not rate or self.chance.random() >= rate:
            return False
        self.coverage.faults[kind] += 1
        return True

    def crashes_at(self, point: str) -> bool:
        """Whether the process that passes ``point`` dies there."""
        if self.over or self.crashes >= MAX_CRASHES:
            return False
        wanted = self.may_target and point == self.target and self.chance.random() < 0.7
        if not wanted and not self.happens("crash"):
            return False
        self.crashes += 1
        self.coverage.crashed[point] += 1
        return True

    def between(self, least: float, most: float) -> float:
        return self.chance.uniform(least, most)
