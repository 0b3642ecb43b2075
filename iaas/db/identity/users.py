"""Users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from iaas.common import errors
from iaas.db.identity import listing
from iaas.db.models.identity import assignments, domains, groups, memberships, users
from iaas.db.tx import Tx

_WITH_DOMAIN = sa.select(users, domains.c.name.label("domain_name"), domains.c.enabled.label("domain_enabled")).join(
    domains, domains.c.id == users.c.domain_id
)
_BY_ID = _WITH_DOMAIN.where(users.c.id == sa.bindparam("key"))
_BY_NAME = _WITH_DOMAIN.where(users.c.name == sa.bindparam("key"))
_BY_NAME_DOMAIN_ID = _BY_NAME.where(users.c.domain_id == sa.bindparam("domain"))
_BY_NAME_DOMAIN_NAME = _BY_NAME.where(domains.c.name == sa.bindparam("domain"))


def find(tx: Tx, user_id: str) -> Any | None:
    """Return a user with ``domain_name`` and ``domain_enabled``, or None."""
    return tx.execute(_BY_ID, {"key": user_id}).first()


def find_named(tx: Tx, name: str, *, domain_id: str | None = None, domain_name: str | None = None) -> Any | None:
    """Return the user of that name in that domain, or None."""
    query = _BY_NAME_DOMAIN_ID if domain_id is not None else _BY_NAME_DOMAIN_NAME
    return tx.execute(query, {"key": name, "domain": domain_id if domain_id is not None else domain_name}).first()


def get(tx: Tx, user_id: str) -> Any:
    """:raises NotFound: no such user."""
    row = find(tx, user_id)
    if row is None:
        raise errors.NotFound(what="User", id=user_id)
    return row


def page(tx: Tx, wanted: listing.Listing) -> Sequence[Any]:
    return tx.all(listing.page(sa.select(users), users, wanted))


def add(tx: Tx, **values: Any) -> None:
    """:raises DuplicateKey: the name is taken in that domain."""
    tx.insert(users, **values)


def update(tx: Tx, user_id: str, values: Mapping[str, Any]) -> None:
    """:raises DuplicateKey: the name is taken."""
    if values:
        tx.count(sa.update(users).where(users.c.id == user_id).values(**values))


def delete(tx: Tx, user_id: str) -> bool:
    """Delete a user with its memberships, assignments and credentials; return whether there was one."""
    own = assignments.c.actor_id == user_id
    tx.count(sa.delete(assignments).where(assignments.c.actor_type == "user", own))
    return tx.count(sa.delete(users).where(users.c.id == user_id)) == 1


def groups_of(tx: Tx, user_id: str, wanted: listing.Listing) -> Sequence[Any]:
    """Return a page of the groups a user is a member of."""
    query = sa.select(groups).join(memberships, memberships.c.group_id == groups.c.id)
    return tx.all(listing.page(query.where(memberships.c.user_id == user_id), groups, wanted))
