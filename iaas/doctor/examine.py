"""One visit: read the rows of one moment, and go through the table of invariants."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from iaas.common import context
from iaas.db import doctor as db
from iaas.db.tx import Database
from iaas.doctor.case import Case
from iaas.doctor.findings import MAPS, SETS, Finding, Truth
from iaas.doctor.images import WITH_BYTES
from iaas.doctor.invariants import ELSEWHERE, INVARIANTS, NEEDS, Invariant


@dataclass(frozen=True)
class Unchecked:
    """What nobody looked at, and why."""

    invariant: str
    sentence: str
    why: str


@dataclass
class Diagnosis:
    """What a visit came to.

    :ivar checked: how many rows of the table were gone through
    """

    findings: list[Finding] = field(default_factory=list)
    unchecked: list[Unchecked] = field(default_factory=list)
    checked: int = 0


def examine(db: Database, truth: Truth, *, quiet: bool) -> list[Finding]:
    """Return what is wrong with a cloud.

    :param quiet: nothing is under way, everything must be settled; else only what holds at every moment is judged
    :raises Unavailable: the database cannot be reached.
    """
    return diagnose(db, truth, quiet=quiet).findings


def diagnose(
    database: Database,
    truth: Truth,
    *,
    quiet: bool,
    grace: float = 0.0,
    images: Database | None = None,
    only: Collection[str] = (),
) -> Diagnosis:
    """Return what is wrong with a cloud, and what was not looked at.

    :param quiet: judge also what holds at rest only
    :param grace: of a cloud at work: a resource rests when it has no job and was not touched for so many seconds,
        by the database's clock; 0 says that nothing is under way
    :param images: the image service's database
    :param only: the invariants that are asked for, by id; empty for all
    :raises Unavailable: a database cannot be reached.
    """
    ctx = context.admin("doctor")
    held = db.look_at_images(images, ctx, WITH_BYTES) if images is not None else None
    case = Case(db.look(database, ctx, grace), truth, grace, held)
    known = _known(truth, held)
    found = Diagnosis()
    for row in INVARIANTS:
        if only and row.id not in only:
            continue
        why = _why_not(row, known, quiet)
        if why is None:
            found.checked += 1
            found.findings += _judged(row, case)
        else:
            found.unchecked.append(Unchecked(row.id, row.sentence, why))
    found.unchecked += [Unchecked(id_, "", why) for id_, why in ELSEWHERE.items() if not only or id_ in only]
    return found


def needs(only: Collection[str] = ()) -> set[str]:
    """Return what must be known beside the rows to judge some invariants, or all, by the words of :data:`NEEDS`."""
    return {what for row in INVARIANTS if not only or row.id in only for what in row.needs}


def _judged(row: Invariant, case: Case) -> list[Finding]:
    """Return what breaks one row of the table, and what of it could not be judged."""
    found: list[Finding] = []
    case.judging = row.id
    with case.wall(f"invariant {row.id}"):
        found.extend(row.check(case))  # one at a time: what was found before a failure is kept
    return found + case.untold()


def _known(truth: Truth, images: Any) -> set[str]:
    """Return what is known beside the rows, by the words of :data:`NEEDS`."""
    known = {what for what in (*SETS, *MAPS) if any(getattr(host, what) is not None for host in truth.hosts.values())}
    told = {
        "blobs": truth.blobs is not None,
        "digests": truth.digests is not None,
        "queues": truth.queues is not None,
        "ratios": truth.ratios is not None,
        "limits": truth.limits_kept,
        "down_after": truth.down_after is not None,
        "images": images is not None,
    }
    return known | {what for what, is_told in told.items() if is_told}


def _why_not(row: Invariant, known: set[str], quiet: bool) -> str | None:
    missing = [NEEDS[what] for what in row.needs if what not in known]
    if missing:
        return "; ".join(missing)
    return None if quiet or row.always else "it holds at rest only, and work is under way"
