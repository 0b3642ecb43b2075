"""What a case of the matrix is, and how one is run: a fault under load, its end, and the judgement."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from tools.chaos.lab import Lab

MOST_SAID = 50  # breaches of one kind repeat themselves
Facts = dict[str, Any]
Say = Callable[[str], None]


class Breach(Exception):
    """Something that was promised for this case did not hold; the text says what."""


@dataclass(frozen=True)
class Case:
    """One fault.

    :ivar group: what ``--only`` names: kill, broker, …
    :ivar run: makes the fault under load, takes it away, and returns figures; raises :class:`Breach`
    """

    group: str
    name: str
    run: Callable[[Lab, Say], Facts]


@dataclass
class Result:
    """What one run of a case came to."""

    group: str
    case: str
    database: str
    seed: int
    at: str
    seconds: float = 0.0
    facts: Facts = field(default_factory=dict)
    breaches: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def perform(lab: Lab, case: Case, seed: int, say: Say) -> Result:
    """Run one case on a lab with a fresh book and judge it; whatever goes wrong is a breach."""
    result = Result(case.group, case.name, lab.cluster.database, seed, time.strftime("%Y-%m-%d %H:%M"))
    begun = time.monotonic()
    lab.rng.seed(f"{seed} {case.group} {case.name}")
    lab.new_book()
    try:
        result.facts = case.run(lab, say)
    except Breach as breach:
        result.breaches.append(str(breach))
    except Exception as error:
        result.breaches.append(f"{type(error).__name__}: {error} at {traceback.extract_tb(error.__traceback__)[-1]}")
    try:
        say("judged")
        lab.heal()
        wrong, facts = lab.judge()
        result.breaches += list(dict.fromkeys(wrong))[:MOST_SAID]
        result.facts = facts | result.facts
    except Exception as error:
        result.breaches.append(f"it cannot be judged: {type(error).__name__}: {error}")
    result.seconds = round(time.monotonic() - begun, 1)
    return result
