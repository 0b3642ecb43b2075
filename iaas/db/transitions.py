"""The only writer of state columns."""

from __future__ import annotations

import logging
from typing import Any

import sqlalchemy as sa

from iaas.common import errors, fsm, log
from iaas.db.tx import Tx

LOG = logging.getLogger(__name__)


def move(tx: Tx, machine: fsm.Machine, table: sa.Table, row: Any, event: str, **changes: Any) -> fsm.State:
    """Move ``row`` along ``event`` if it is still in the state we read, and set ``changes`` with it.

    One UPDATE guards on the old state, so two daemons cannot both win.

    :raises InvalidTransition: the state table does not allow ``event`` here.
    :raises StateConflict: another daemon moved the row first.
    """
    before = machine.state_of(row)
    after = machine.target(event, before, row.id)
    guard = [
        table.c[name].is_(None) if value is None else table.c[name] == value
        for name, value in zip(machine.columns, before.columns, strict=True)
    ]
    values = {**changes, **dict(zip(machine.columns, after.columns, strict=True))}
    if tx.count(sa.update(table).where(table.c.id == row.id, *guard).values(**values)) != 1:
        raise errors.StateConflict(machine=machine.name, id=row.id)
    tx.on_commit(lambda: log.change(LOG, machine.name, row.id, event, str(before), str(after)))
    return after
