"""Roles and which of them imply which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from iaas.common import errors
from iaas.db.identity import listing
from iaas.db.models.identity import assignments, implied_roles, roles
from iaas.db.tx import Tx


def get(tx: Tx, role_id: str) -> Any:
    """:raises NotFound: no such role."""
    row = tx.one(sa.select(roles).where(roles.c.id == role_id))
    if row is None:
        raise errors.NotFound(what="Role", id=role_id)
    return row


def find_named(tx: Tx, name: str, domain_id: str = "") -> Any | None:
    return tx.one(sa.select(roles).where(roles.c.name == name, roles.c.domain_id == domain_id))


def everything(tx: Tx) -> Sequence[Any]:
    """Return (id, name, domain id or "") of every role: there are few, and every token needs them."""
    return tx.all(sa.select(roles.c.id, roles.c.name, roles.c.domain_id))


def page(tx: Tx, wanted: listing.Listing) -> Sequence[Any]:
    return tx.all(listing.page(sa.select(roles), roles, wanted))


def add(tx: Tx, **values: Any) -> None:
    """:raises DuplicateKey: the name is taken."""
    tx.insert(roles, **values)


def update(tx: Tx, role_id: str, values: Mapping[str, Any]) -> None:
    """:raises DuplicateKey: the name is taken."""
    if values:
        tx.count(sa.update(roles).where(roles.c.id == role_id).values(**values))


def delete(tx: Tx, role_id: str) -> bool:
    """Delete a role with its assignments and implications; return whether there was one."""
    tx.count(sa.delete(assignments).where(assignments.c.role_id == role_id))
    either = sa.or_(implied_roles.c.prior_id == role_id, implied_roles.c.implied_id == role_id)
    tx.count(sa.delete(implied_roles).where(either))
    return tx.count(sa.delete(roles).where(roles.c.id == role_id)) == 1


def implications(tx: Tx) -> Sequence[Any]:
    """Return every (prior role id, implied role id)."""
    return tx.all(sa.select(implied_roles.c.prior_id, implied_roles.c.implied_id))


def imply(tx: Tx, prior_id: str, implied_id: str) -> bool:
    """Return whether the implication is new."""
    return tx.insert_new(implied_roles, prior_id=prior_id, implied_id=implied_id)


def unimply(tx: Tx, prior_id: str, implied_id: str) -> bool:
    """Return whether there was such an implication."""
    where = (implied_roles.c.prior_id == prior_id, implied_roles.c.implied_id == implied_id)
    return tx.count(sa.delete(implied_roles).where(*where)) == 1
