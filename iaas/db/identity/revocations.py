"""Revocation events: what was taken back, and with which change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from iaas.common import runtime
from iaas.db.identity import clock
from iaas.db.models.identity import revocations
from iaas.db.tx import Tx


def add(tx: Tx, kept_for: float, events: Iterable[dict[str, Any]], *, state: bool = True) -> None:
    """Revoke, with one change, the tokens each of ``events`` names; see the columns of the table.

    :param kept_for: seconds the longest token lives: an event is of no use any longer than that
    """
    moment = clock.advance(tx, state=state)
    empty = dict.fromkeys(("user_id", "project_id", "domain_id", "delegate_id", "audit_id", "chain_id"))
    rows = [
        {
            "id": runtime.uuid(), "seq": moment.seq, "system": False, **empty, **event,
            "issued_before": moment.now, "kept_until": moment.now + kept_for,
        }
        for event in events
    ]  # fmt: skip
    if rows:
        tx.execute(revocations.insert(), rows)


def since(tx: Tx, seq: int) -> Sequence[Any]:
    """Return the events later than change ``seq``."""
    return tx.all(sa.select(revocations).where(revocations.c.seq > seq).order_by(revocations.c.seq))


def all_after(tx: Tx, time: float, limit: int) -> Sequence[Any]:
    """Return the newest events that were made at ``time`` or later."""
    query = sa.select(revocations).where(revocations.c.issued_before >= time)
    return tx.all(query.order_by(revocations.c.seq.desc()).limit(limit))


def purge(tx: Tx, now: float) -> int:
    """Forget the events all of whose tokens have expired, and return how many there were."""
    return tx.count(sa.delete(revocations).where(revocations.c.kept_until < now))
