"""Quotas: one conditional UPDATE takes, one gives back; a row is made on first use with the configured limit."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from iaas.common import errors, runtime
from iaas.db.models.quotas import quota_usages as usages
from iaas.db.tx import Tx

UNLIMITED = -1
MAX_TURNS = 10  # of taking, while others make rows or give back between two statements
#: the owner of the rows that hold changed defaults; no project's id has a colon
DEFAULTS = ":defaults"


def take(tx: Tx, project_id: str, amounts: Mapping[str, int], defaults: Any) -> None:
    """Add ``amounts`` to what the project uses: all, or the transaction is over.

    :param defaults: the ``quota`` settings: the limit of a project that has none of its own
    :raises QuotaExceeded: names the resource, what is used, and the limit.
    :raises Unavailable: others took from the same rows again and again.
    """
    stamp, left = runtime.rng().getrandbits(31), dict(amounts)
    for _ in range(MAX_TURNS):
        if _take(tx, project_id, left, stamp) == len(left):
            return
        rows = {row.resource: row for row in of_project(tx, project_id, list(left))}
        left = {name: left[name] for name in left if name not in rows or rows[name].stamp != stamp}
        _check(left, rows)
        missing = [name for name in left if name not in rows]
        limits = default_limits(tx, missing, defaults) if missing else {}
        for name in missing:
            tx.insert_new(usages, project_id=project_id, resource=name, used=0, hard_limit=limits[name])
    raise errors.Unavailable(reason="Too many requests take from the quotas of this project at once; try again.")


def _check(wanted: Mapping[str, int], rows: Mapping[str, Any]) -> None:
    """Refuse what does not fit.  A row that was not taken from and has room now was made or given back to meanwhile.

    :raises QuotaExceeded: the first that has no room.
    """
    for name in [name for name in wanted if name in rows]:
        used, limit = rows[name].used, rows[name].hard_limit
        if limit != UNLIMITED and used + wanted[name] > limit:
            raise errors.QuotaExceeded(resource=name, asked=wanted[name], used=used, limit=limit)


@functools.lru_cache(64)
def _change(names: tuple[str, ...], *, taking: bool) -> Any:
    """The UPDATE that takes or gives back some resources of a project: made once, as every server meets both."""
    amount = sa.case(*[(usages.c.resource == name, sa.bindparam(f"of_{name}", type_=sa.Integer())) for name in names])
    these = usages.c.resource.in_([sa.literal(name) for name in names])
    statement = sa.update(usages).where(usages.c.project_id == sa.bindparam("owner"), these)
    if not taking:
        return statement.values(used=usages.c.used - amount)
    room = sa.or_(usages.c.hard_limit == UNLIMITED, usages.c.used + amount <= usages.c.hard_limit)
    return statement.where(room).values(used=usages.c.used + amount)


def _amounts(project_id: str, amounts: Mapping[str, int]) -> dict[str, Any]:
    return {"owner": project_id, **{f"of_{name}": amount for name, amount in amounts.items()}}


def _take(tx: Tx, project_id: str, amounts: Mapping[str, int], stamp: int) -> int:
    return tx.count(_change(tuple(amounts), taking=True), {"stamp": stamp, **_amounts(project_id, amounts)})


def give_back(tx: Tx, project_id: str, amounts: Mapping[str, int]) -> None:
    """Take ``amounts`` off what the project uses; the table's CHECK refuses to go below nothing."""
    tx.execute(_change(tuple(amounts), taking=False), _amounts(project_id, amounts))


def of_project(tx: Tx, project_id: str, resources: Sequence[str] | None = None) -> Sequence[sa.Row[Any]]:
    """Return the project's rows; a resource it never used has none."""
    query = sa.select(usages).where(usages.c.project_id == project_id)
    return tx.all(query.where(usages.c.resource.in_(resources)) if resources is not None else query)


def set_limit(tx: Tx, project_id: str, resource: str, limit: int, *, force: bool = True) -> bool:
    """Give a project a limit of its own; what it uses is not touched.

    :param force: also when it uses more than that already; otherwise False is returned then
    """
    values = {"hard_limit": limit, "limit_is_own": True}
    where = [usages.c.project_id == project_id, usages.c.resource == resource]
    if not force and limit != UNLIMITED:
        where.append(usages.c.used <= limit)
    change = sa.update(usages).where(*where).values(**values)
    if tx.count(change) == 1:
        return True
    if tx.insert_new(usages, project_id=project_id, resource=resource, used=0, **values):
        return True
    return tx.count(change) == 1


def drop_limits(tx: Tx, project_id: str, defaults: Any, resources: Sequence[str] | None = None) -> None:
    """Take a project's own limits away, all or those of ``resources``: the defaults hold again."""
    rows = [row for row in of_project(tx, project_id, resources) if row.limit_is_own]
    limits = default_limits(tx, [row.resource for row in rows if hasattr(defaults, row.resource)], defaults)
    for row in rows:
        where = (usages.c.project_id == project_id, usages.c.resource == row.resource)
        if row.resource in limits:
            tx.execute(sa.update(usages).where(*where).values(hard_limit=limits[row.resource], limit_is_own=False))
        else:
            tx.execute(sa.delete(usages).where(*where))  # a limit that was only kept to be shown


def limit_of(tx: Tx, project_id: str | None, resource: str, defaults: Any) -> int:
    """Return the limit in force for a project: its own, or the default."""
    where = (usages.c.project_id == project_id, usages.c.resource == resource, usages.c.limit_is_own)
    own = tx.scalar(sa.select(usages.c.hard_limit).where(*where))
    return default_limits(tx, [resource], defaults)[resource] if own is None else own


def take_of_user(tx: Tx, user_id: str, resource: str, limit: int, *, shown_as: str) -> None:
    """Count one more of what a user has, up to ``limit``; :func:`give_back` counts it off.

    :raises QuotaExceeded: names the resource ``shown_as``.
    """
    tx.insert_new(usages, project_id=user_id, resource=resource, used=0, hard_limit=UNLIMITED)
    where = [usages.c.project_id == user_id, usages.c.resource == resource]
    guard = [usages.c.used < limit] if limit != UNLIMITED else []
    if tx.count(sa.update(usages).where(*where, *guard).values(used=usages.c.used + 1)) != 1:
        used = tx.scalar(sa.select(usages.c.used).where(*where))
        raise errors.QuotaExceeded(resource=shown_as, asked=1, used=used, limit=limit)


# -- the defaults an administrator changed by the API ---------------------------------------------------------


def default_limits(tx: Tx, resources: Sequence[str], defaults: Any) -> dict[str, int]:
    """Return the limit of a project that has none of its own: the configured one unless the API changed it."""
    found = {name: getattr(defaults, name) for name in resources}
    found.update((row.resource, row.hard_limit) for row in of_project(tx, DEFAULTS, resources))
    return found


def set_default(tx: Tx, resource: str, limit: int) -> None:
    """Change the limit of every project that has none of its own, from now on."""
    set_limit(tx, DEFAULTS, resource, limit)
    where = (usages.c.resource == resource, sa.not_(usages.c.limit_is_own))
    tx.execute(sa.update(usages).where(*where).values(hard_limit=limit))


def charge(tx: Tx, project_id: str, amounts: Mapping[str, int], defaults: Any) -> None:
    """Add ``amounts`` to what the project uses whatever its limit: for what the cloud makes unasked."""
    for name, limit in default_limits(tx, list(amounts), defaults).items():
        tx.insert_new(usages, project_id=project_id, resource=name, used=0, hard_limit=limit)
    give_back(tx, project_id, {name: -amount for name, amount in amounts.items()})


def with_own_limits(tx: Tx, resources: Sequence[str]) -> list[str]:
    """Return the projects that have a limit of their own on one of these resources."""
    where = (usages.c.resource.in_(list(resources)), usages.c.limit_is_own, usages.c.project_id != DEFAULTS)
    return [row.project_id for row in tx.all(sa.select(usages.c.project_id).where(*where).distinct())]
