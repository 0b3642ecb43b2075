"""Queries only the EC2 API asks: ids by their first digits, pages that survive deletions, and what was terminated.

An instance that was deleted is shown as ``terminated`` for an hour, as clients expect that wait for this state; its
row is gone, so the few facts shown of it are kept apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from iaas.common import runtime
from iaas.db import codec, instances, security_groups, subnets
from iaas.db.models.ec2 import terminated
from iaas.db.models.instances import instances as instance_table
from iaas.db.models.instances import keypairs as keypair_table
from iaas.db.models.networks import security_groups as group_table
from iaas.db.models.networks import subnets as subnet_table
from iaas.db.tx import Tx

#: seconds a deleted instance is shown as terminated
SHOWN_FOR = 3600.0
#: bytes of metadata kept of it; more is dropped, so that no deletion fails over a column's size
MAX_METADATA = 32_000

Position = tuple[float, str]

_KEPT = (
    "reservation_id", "launch_index", "image_id", "flavor_id", "key_name", "zone", "created_at", "metadata", "name",
)  # fmt: skip


# -- pages of instances ----------------------------------------------------------------------------------------


def page(
    tx: Tx, conditions: Sequence[instances.Condition], after: Position | None, limit: int
) -> Sequence[sa.Row[Any]]:
    """Return the project's next instances, newest first, behind a position: its time and its id.

    The position stays good when the instance it came from is deleted between two pages.
    """
    c = instance_table.c
    query = sa.select(instance_table).where(c.project_id == tx.ctx.project_id, *[each.clause() for each in conditions])
    if after is not None:
        query = query.where(_behind(c.created_at, c.id, after))
    return tx.all(query.order_by(c.created_at.desc(), c.id.desc()).limit(limit))


def _behind(time: Any, key: Any, after: Position) -> sa.ColumnElement[bool]:
    return sa.or_(time < after[0], sa.and_(time == after[0], key < after[1]))


# -- what was terminated ----------------------------------------------------------------------------------------


def keep_terminated(tx: Tx, row: Any) -> None:
    """Remember an instance whose row goes away in this transaction; ``iaas.db.purge`` forgets it after the hour."""
    facts = {name: getattr(row, name) for name in _KEPT}
    facts["flavor"] = codec.dump({"original_name": codec.load(row.flavor).get("original_name")})
    if len(row.metadata) > MAX_METADATA:
        facts["metadata"] = "{}"
    values = {"id": row.id, "ec2_id": row.ec2_id, "project_id": row.project_id, "at": runtime.time()}
    tx.insert_new(terminated, facts=codec.dump(facts), **values)


def terminated_page(tx: Tx, after: Position | None, limit: int) -> Sequence[sa.Row[Any]]:
    """Return the project's next instances terminated within the hour, the last one first."""
    c = terminated.c
    query = sa.select(terminated).where(c.project_id == tx.ctx.project_id, c.at >= runtime.time() - SHOWN_FOR)
    if after is not None:
        query = query.where(_behind(c.at, c.id, after))
    return tx.all(query.order_by(c.at.desc(), c.id.desc()).limit(limit))


def terminated_by_ids(tx: Tx, ec2_ids: Sequence[str]) -> Sequence[sa.Row[Any]]:
    """Return those of these that were terminated within the hour."""
    c = terminated.c
    query = sa.select(terminated).where(c.ec2_id.in_(list(ec2_ids)), c.at >= runtime.time() - SHOWN_FOR)
    return tx.all(query if tx.ctx.is_admin else query.where(c.project_id == tx.ctx.project_id))


# -- ids by their first digits ----------------------------------------------------------------------------------


def _starting(key: Any, prefixes: Sequence[str]) -> sa.ColumnElement[bool]:
    """Ids that begin so: ranges of an index; ``g`` is behind every hexadecimal digit and the dash."""
    return sa.or_(*[sa.and_(key >= prefix, key < prefix + "g") for prefix in prefixes])


def groups_starting(tx: Tx, prefixes: Sequence[str]) -> Sequence[sa.Row[Any]]:
    """Return the visible security groups whose ids begin with one of these."""
    where = (_starting(group_table.c.id, prefixes), security_groups.visible_to(tx.ctx))
    return tx.all(sa.select(group_table).where(*where))


def subnets_starting(tx: Tx, prefixes: Sequence[str]) -> Sequence[sa.Row[Any]]:
    """Return the visible subnets whose ids begin with one of these."""
    where = (_starting(subnet_table.c.id, prefixes), subnets.visible_to(tx.ctx))
    return tx.all(sa.select(subnet_table).where(*where))


def keypairs_starting(tx: Tx, prefixes: Sequence[str]) -> Sequence[sa.Row[Any]]:
    """Return the caller's key pairs whose ids begin with one of these."""
    where = (_starting(keypair_table.c.id, prefixes), keypair_table.c.user_id == tx.ctx.user_id)
    return tx.all(sa.select(keypair_table).where(*where))
