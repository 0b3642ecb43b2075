"""The only writer of state columns, and what the log tells of them: one line for each change, after its commit."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from iaas.common import errors, fsm, log
from iaas.db.tx import Tx

LOG = logging.getLogger(__name__)


@functools.cache
def _move(machine: fsm.Machine, table: sa.Table) -> Any:
    """The UPDATE that moves a row from the state it was read in."""
    same = [table.c[name].is_not_distinct_from(sa.bindparam(f"from_{name}")) for name in machine.columns]
    return sa.update(table).where(table.c.id == sa.bindparam("row_id"), *same)


def move(tx: Tx, machine: fsm.Machine, table: sa.Table, row: Any, event: str, **changes: Any) -> fsm.State:
    """Move ``row`` along ``event`` if it is still in the state we read, and set ``changes`` with it.

    One UPDATE guards on the old state, so two daemons cannot both win.

    :param changes: plain values, or what the database is to compute, such as its time

    :raises InvalidTransition: the state table does not allow ``event`` here.
    :raises StateConflict: another daemon moved the row first.
    """
    before = machine.state_of(row)
    return _write(tx, machine, table, row, event, before, machine.target(event, before, row.id), changes)


def correct(tx: Tx, machine: fsm.Machine, table: sa.Table, row: Any, after: fsm.State, **changes: Any) -> fsm.State:
    """Give a row whose columns are no state of the table one that is, if they are still what we read.

    :raises InvalidTransition: the row is in a state of the table: only events lead out of that.
    :raises StateConflict: another daemon moved the row first.
    """
    before = machine.state_of(row)
    if before.known:
        raise errors.InvalidTransition(event="correct", machine=machine.name, id=row.id, state=f"state {before}")
    return _write(tx, machine, table, row, "correct", before, after, changes)


def _write(
    tx: Tx,
    machine: fsm.Machine,
    table: sa.Table,
    row: Any,
    event: str,
    before: fsm.State,
    after: fsm.State,
    changes: dict[str, Any],
) -> fsm.State:
    values = {"row_id": row.id, **changes}
    for name, old, new in zip(machine.columns, before.columns, after.columns, strict=True):
        values.update({name: new, f"from_{name}": old})
    computed = {name: values.pop(name) for name in changes if isinstance(changes[name], sa.ColumnElement)}
    statement = _move(machine, table)
    if tx.count(statement.values(computed) if computed else statement, values) != 1:
        raise errors.StateConflict(machine=machine.name, id=row.id)
    tx.on_commit(lambda: log.change(LOG, machine.name, row.id, event, str(before), str(after)))
    return after


def created(tx: Tx, machine: fsm.Machine, row: Any) -> None:
    """Have the log tell, once it is committed, that a row was inserted, in the state it begins in."""
    tx.on_commit(lambda: log.change(LOG, machine.name, _id(row), "create", "-", str(machine.state_of(row))))


def removed(tx: Tx, resource: str, row_id: str, *columns: str | None) -> None:
    """Have the log tell, once it is committed, that a row was deleted, with what its state columns were."""
    before = "/".join(column for column in columns if column)
    tx.on_commit(lambda: log.change(LOG, resource, row_id, "remove", before, "-"))


def _id(row: Any) -> str:
    return row["id"] if isinstance(row, Mapping) else row.id
