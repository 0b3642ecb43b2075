"""Groups and who is in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from iaas.common import errors
from iaas.db.identity import listing
from iaas.db.models.identity import assignments, groups, memberships, users
from iaas.db.tx import Tx


def get(tx: Tx, group_id: str) -> Any:
    """:raises NotFound: no such group."""
    row = tx.one(sa.select(groups).where(groups.c.id == group_id))
    if row is None:
        raise errors.NotFound(what="Group", id=group_id)
    return row


def page(tx: Tx, wanted: listing.Listing) -> Sequence[Any]:
    return tx.all(listing.page(sa.select(groups), groups, wanted))


def add(tx: Tx, **values: Any) -> None:
    """:raises DuplicateKey: the name is taken in that domain."""
    tx.insert(groups, **values)


def update(tx: Tx, group_id: str, values: Mapping[str, Any]) -> None:
    """:raises DuplicateKey: the name is taken."""
    if values:
        tx.count(sa.update(groups).where(groups.c.id == group_id).values(**values))


def delete(tx: Tx, group_id: str) -> bool:
    """Delete a group with its memberships and assignments; return whether there was one."""
    own = assignments.c.actor_id == group_id
    tx.count(sa.delete(assignments).where(assignments.c.actor_type == "group", own))
    return tx.count(sa.delete(groups).where(groups.c.id == group_id)) == 1


def members(tx: Tx, group_id: str) -> list[str]:
    """Return the ids of the members."""
    return [row[0] for row in tx.all(sa.select(memberships.c.user_id).where(memberships.c.group_id == group_id))]


def members_page(tx: Tx, group_id: str, wanted: listing.Listing) -> Sequence[Any]:
    query = sa.select(users).join(memberships, memberships.c.user_id == users.c.id)
    return tx.all(listing.page(query.where(memberships.c.group_id == group_id), users, wanted))


def is_member(tx: Tx, group_id: str, user_id: str) -> bool:
    where = (memberships.c.group_id == group_id, memberships.c.user_id == user_id)
    return tx.one(sa.select(memberships.c.user_id).where(*where)) is not None


def add_member(tx: Tx, group_id: str, user_id: str) -> bool:
    """Return whether the user was not in the group before."""
    return tx.insert_new(memberships, group_id=group_id, user_id=user_id)


def remove_member(tx: Tx, group_id: str, user_id: str) -> bool:
    """Return whether the user was in the group."""
    where = (memberships.c.group_id == group_id, memberships.c.user_id == user_id)
    return tx.count(sa.delete(memberships).where(*where)) == 1
