"""Queries on console tokens: given out, used once, void when anything happens to their server."""

from __future__ import annotations

import hashlib
from typing import Any

import sqlalchemy as sa

from iaas.db.models.consoles import console_tokens
from iaas.db.models.instances import instances
from iaas.db.models.jobs import jobs
from iaas.db.tx import Tx

#: (vm_state, task_state) of a guest that has consoles and to which nothing is being done
OPEN_STATES = (("active", None), ("paused", None), ("rescued", None))


def digest(token: str) -> str:
    """Return the only form of a token that is stored or compared."""
    return hashlib.sha256(token.encode()).hexdigest()


def has_console(instance: Any) -> bool:
    """Whether an instance's consoles can be opened now."""
    return instance.host is not None and (instance.vm_state, instance.task_state) in OPEN_STATES


def add(tx: Tx, token: str, instance: Any, kind: str, now: float, lifetime: float) -> None:
    """Record a token for a console of an instance where it is now, and forget tokens whose time is over."""
    tx.execute(sa.delete(console_tokens).where(console_tokens.c.expires_at < now))
    tx.insert(
        console_tokens,
        id=digest(token),
        instance_id=instance.id,
        project_id=instance.project_id,
        host=instance.host,
        kind=kind,
        used=False,
        created_at=now,
        expires_at=now + lifetime,
    )


def use(tx: Tx, token: str, now: float) -> sa.Row[Any] | None:
    """Use up a token and return its row, or None if it is unknown, used, late or void.

    One conditional UPDATE takes it, so of two clients at the same time one comes in; a void token is used up too.
    """
    c = console_tokens.c
    take = sa.update(console_tokens).where(c.id == digest(token), c.used.is_(False), c.expires_at > now)
    if tx.count(take.values(used=True)) != 1:
        return None
    row = tx.one(sa.select(console_tokens).where(c.id == digest(token)))
    return row if row is not None and _holds(tx, row) else None


def find(tx: Tx, token: str, now: float) -> sa.Row[Any] | None:
    """Return the row of a token that could still be used, without using it."""
    c = console_tokens.c
    query = sa.select(console_tokens).where(c.id == digest(token), c.used.is_(False), c.expires_at > now)
    row = tx.one(query)
    return row if row is not None and _holds(tx, row) else None


def _holds(tx: Tx, row: Any) -> bool:
    """Whether the server is as it was when the token was made: there, its project's, on its host, and left alone.

    Anything that was asked of it since (a stop, a rebuild, a move) is a job, done or not.
    """
    instance = tx.one(sa.select(instances).where(instances.c.id == row.instance_id))
    if instance is None or not has_console(instance):
        return False
    if instance.host != row.host or instance.project_id != row.project_id:
        return False
    later = sa.select(jobs.c.id).where(
        jobs.c.resource_type == "instance", jobs.c.resource_id == row.instance_id, jobs.c.created_at > row.created_at
    )
    return tx.one(later.limit(1)) is None


_FORGET = sa.delete(console_tokens).where(console_tokens.c.instance_id == sa.bindparam("instance"))


def forget(tx: Tx, instance_id: str) -> None:
    """Remove every token of an instance, in the transaction that ends it."""
    tx.execute(_FORGET, {"instance": instance_id})
