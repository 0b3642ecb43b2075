"""The order of changes: a number that grows with each commit that concerns tokens.

A token carries the number it was made under and an event the number it made.  Comparing two numbers that come
from one locked row needs no wall clock, so two things that happen within the same microsecond, or on hosts whose
clocks differ, are still in the right order.
"""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa

from iaas.db.engines import db_now
from iaas.db.models.identity import clock
from iaas.db.tx import Tx


class Moment(NamedTuple):
    """Where the cloud's identity is: change number, number of the last change of state, the database's time."""

    seq: int
    state_seq: int
    now: float


_LOOK = sa.select(clock.c.seq, clock.c.state_seq, db_now()).where(clock.c.id == 1)
_NOW = sa.select(db_now())


def look(tx: Tx) -> Moment:
    """Return the present moment."""
    row = tx.one(_LOOK)
    return Moment(*row) if row is not None else Moment(0, 0, tx.scalar(_NOW))


def advance(tx: Tx, *, state: bool = True) -> Moment:
    """Count one change, and return the moment it makes.  Changes are serial from here to their commit.

    :param state: whether what a token says may now be different; False for a mere revocation
    """
    step = sa.update(clock).where(clock.c.id == 1).values(seq=clock.c.seq + 1)
    if tx.count(step) == 0:
        tx.insert_new(clock, id=1, seq=0, state_seq=0)
        tx.count(step)
    if state:
        tx.count(sa.update(clock).where(clock.c.id == 1).values(state_seq=clock.c.seq))
    return look(tx)
