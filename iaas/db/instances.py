"""Queries on instances. Each takes the caller's transaction and never commits."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from iaas.common import errors
from iaas.common.context import RequestContext
from iaas.db import paging
from iaas.db.models.hosts import allocations
from iaas.db.models.instances import instances
from iaas.db.tx import ReturningDelete, Tx


class InstanceNotFound(errors.IaasError):
    kind = errors.Kind.NOT_FOUND
    template = "Instance {instance_id} could not be found."


def visible_to(ctx: RequestContext) -> sa.ColumnElement[bool]:
    """The rows a request may see: its own project's; an admin sees all."""
    return sa.true() if ctx.is_admin else instances.c.project_id == ctx.project_id


def get(tx: Tx, instance_id: str) -> sa.Row[Any]:
    """Return one instance the request may see.

    :raises InstanceNotFound: no such row, or it belongs to another project.
    """
    row = find(tx, instance_id)
    if row is None:
        raise InstanceNotFound(instance_id=instance_id)
    return row


# As `visible_to` says, but made once: most requests ask for one instance, some every few milliseconds
_BY_ID = sa.select(instances).where(instances.c.id == sa.bindparam("id"))
_OWN_BY_ID = _BY_ID.where(instances.c.project_id == sa.bindparam("project_id"))


def find(tx: Tx, instance_id: str) -> sa.Row[Any] | None:
    """Return one instance the request may see, or None."""
    if tx.ctx.is_admin:
        return tx.execute(_BY_ID, {"id": instance_id}).first()
    return tx.execute(_OWN_BY_ID, {"id": instance_id, "project_id": tx.ctx.project_id}).first()


def by_ec2_ids(tx: Tx, ec2_ids: Sequence[str]) -> Sequence[sa.Row[Any]]:
    """Return the instances of these EC2 ids that the request may see."""
    return tx.all(sa.select(instances).where(instances.c.ec2_id.in_(ec2_ids), visible_to(tx.ctx)))


@dataclass(frozen=True)
class Condition:
    """One filter of a list: a column (or ``state``, the machine's columns), how it is compared, and with what."""

    column: str
    how: Literal["in", "ge", "le", "contains"]
    value: Any

    def clause(self) -> sa.ColumnElement[bool]:
        if self.column == "state":
            return sa.or_(*[sa.and_(*_state_is(columns)) for columns in self.value])
        column = instances.c[self.column]
        match self.how:
            case "in":
                wanted = [value for value in self.value if value is not None]
                known = column.in_(wanted)
                return known if len(wanted) == len(self.value) else sa.or_(known, column.is_(None))
            case "ge":
                return column >= self.value
            case "le":
                return column <= self.value
            case "contains":
                return column.contains(self.value, autoescape=True)


def _state_is(columns: Sequence[str | None]) -> list[sa.ColumnElement[bool]]:
    names = (instances.c.vm_state, instances.c.task_state)
    pairs = zip(names, columns, strict=True)
    return [column.is_(None) if value is None else column == value for column, value in pairs]


#: a row as a plain tuple with names: a view reads each of its columns, and `Row` looks a name up ten times slower
Listed: Any = namedtuple("Listed", instances.c.keys())


def page(
    tx: Tx, conditions: Sequence[Condition], sort: Sequence[tuple[str, str]], limit: int, marker: str | None
) -> Sequence[Any]:
    """Return one page of the visible instances, each as :data:`Listed`.

    :raises MarkerNotFound: the request may not see the marker; whether it meets the conditions does not matter.
    """
    visible = sa.select(instances).where(visible_to(tx.ctx))
    query = visible.where(*[condition.clause() for condition in conditions])
    return [Listed._make(row) for row in paging.page(tx, query, instances, sort, limit, marker, among=visible)]


def on_host(tx: Tx, host: str) -> Sequence[sa.Row[Any]]:
    return tx.all(sa.select(instances).where(instances.c.host == host))


_INSERT = sa.insert(instances)


def add_many(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert instances in one statement."""
    tx.execute(_INSERT, list(rows))


def update(tx: Tx, instance_id: str, **values: Any) -> None:
    """Change columns that are not part of the state."""
    if values.keys() & {"vm_state", "task_state"}:
        raise ValueError("state columns are written by iaas.db.transitions.move only")
    tx.execute(sa.update(instances).where(instances.c.id == instance_id).values(**values))


def swap_metadata(tx: Tx, row: Any, metadata: str, now: float) -> bool:
    """Replace an instance's metadata if it is still what ``row`` has; False if somebody changed it since."""
    where = (instances.c.id == row.id, instances.c.metadata == row.metadata)
    return tx.count(sa.update(instances).where(*where).values(metadata=metadata, updated_at=now)) == 1


_REMOVE = ReturningDelete(sa.delete(instances).where(instances.c.id == sa.bindparam("id")), *instances.c)


def remove(tx: Tx, instance_id: str) -> sa.Row[Any] | None:
    """Delete the row and return what its end needs; its history lives on in its jobs."""
    rows = tx.delete_returning(_REMOVE, {"id": instance_id})
    return rows[0] if rows else None


def allocation_of(tx: Tx, instance_id: str) -> sa.Row[Any] | None:
    return tx.one(sa.select(allocations).where(allocations.c.instance_id == instance_id))
