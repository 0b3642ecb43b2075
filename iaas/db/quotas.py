"""Quotas: one conditional UPDATE takes, one gives back; a row is made on first use with the configured limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from iaas.common import errors, runtime
from iaas.db.models.quotas import quota_usages as usages
from iaas.db.tx import Tx

UNLIMITED = -1


def take(tx: Tx, project_id: str, amounts: Mapping[str, int], defaults: Any) -> None:
    """Add ``amounts`` to what the project uses: all, or the transaction is over.

    :param defaults: the ``quota`` settings: the limit of a project that has none of its own
    :raises QuotaExceeded: names the resource, what is used, and the limit.
    """
    stamp = runtime.rng().getrandbits(31)
    if _take(tx, project_id, amounts, stamp) == len(amounts):
        return
    rows = {row.resource: row for row in of_project(tx, project_id, list(amounts))}
    for resource, row in rows.items():
        if row.stamp != stamp:
            raise errors.QuotaExceeded(resource=resource, asked=amounts[resource], used=row.used, limit=row.hard_limit)
    missing = {name: amount for name, amount in amounts.items() if name not in rows}
    for name in missing:
        tx.insert_new(usages, project_id=project_id, resource=name, used=0, hard_limit=getattr(defaults, name))
    if _take(tx, project_id, missing, stamp) != len(missing):
        first = next(row for row in of_project(tx, project_id, list(missing)) if row.stamp != stamp)
        raise errors.QuotaExceeded(
            resource=first.resource, asked=missing[first.resource], used=first.used, limit=first.hard_limit
        )


def _amount(amounts: Mapping[str, int]) -> Any:
    return sa.case(*[(usages.c.resource == name, value) for name, value in amounts.items()], else_=0)


def _take(tx: Tx, project_id: str, amounts: Mapping[str, int], stamp: int) -> int:
    amount = _amount(amounts)
    statement = (
        sa.update(usages)
        .where(
            usages.c.project_id == project_id,
            usages.c.resource.in_(list(amounts)),
            sa.or_(usages.c.hard_limit == UNLIMITED, usages.c.used + amount <= usages.c.hard_limit),
        )
        .values(used=usages.c.used + amount, stamp=stamp)
    )
    return tx.count(statement)


def give_back(tx: Tx, project_id: str, amounts: Mapping[str, int]) -> None:
    """Take ``amounts`` off what the project uses; the table's CHECK refuses to go below nothing."""
    tx.execute(
        sa.update(usages)
        .where(usages.c.project_id == project_id, usages.c.resource.in_(list(amounts)))
        .values(used=usages.c.used - _amount(amounts))
    )


def of_project(tx: Tx, project_id: str, resources: Sequence[str] | None = None) -> Sequence[sa.Row[Any]]:
    """Return the project's rows; a resource it never used has none."""
    query = sa.select(usages).where(usages.c.project_id == project_id)
    return tx.all(query.where(usages.c.resource.in_(resources)) if resources is not None else query)


def set_limit(tx: Tx, project_id: str, resource: str, limit: int) -> None:
    """Give a project a limit of its own; what it uses is not touched."""
    values = {"hard_limit": limit, "limit_is_own": True}
    where = (usages.c.project_id == project_id, usages.c.resource == resource)
    if tx.count(sa.update(usages).where(*where).values(**values)) == 0:
        tx.insert(usages, project_id=project_id, resource=resource, used=0, **values)


def drop_limits(tx: Tx, project_id: str, defaults: Any) -> None:
    """Take a project's own limits away: the configured ones hold again."""
    for row in of_project(tx, project_id):
        where = (usages.c.project_id == project_id, usages.c.resource == row.resource)
        limit = getattr(defaults, row.resource)
        tx.execute(sa.update(usages).where(*where).values(hard_limit=limit, limit_is_own=False))


def charge(tx: Tx, project_id: str, amounts: Mapping[str, int], defaults: Any) -> None:
    """Add ``amounts`` to what the project uses whatever its limit: for what the cloud makes unasked."""
    for name in amounts:
        tx.insert_new(usages, project_id=project_id, resource=name, used=0, hard_limit=getattr(defaults, name))
    give_back(tx, project_id, {name: -amount for name, amount in amounts.items()})
