"""Domains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from iaas.common import errors
from iaas.db.identity import listing
from iaas.db.models.identity import assignments, domains, groups, projects, roles, users
from iaas.db.tx import Tx


def find(tx: Tx, domain_id: str) -> Any | None:
    return tx.one(sa.select(domains).where(domains.c.id == domain_id))


def find_named(tx: Tx, name: str) -> Any | None:
    return tx.one(sa.select(domains).where(domains.c.name == name))


def get(tx: Tx, domain_id: str) -> Any:
    """:raises NotFound: no such domain."""
    row = find(tx, domain_id)
    if row is None:
        raise errors.NotFound(what="Domain", id=domain_id)
    return row


def page(tx: Tx, wanted: listing.Listing) -> Sequence[Any]:
    return tx.all(listing.page(sa.select(domains), domains, wanted))


def add(tx: Tx, **values: Any) -> None:
    """:raises DuplicateKey: the name is taken."""
    tx.insert(domains, **values)


def update(tx: Tx, domain_id: str, values: Mapping[str, Any]) -> None:
    """:raises DuplicateKey: the name is taken."""
    if values:
        tx.count(sa.update(domains).where(domains.c.id == domain_id).values(**values))


def delete(tx: Tx, domain_id: str) -> bool:
    """Delete a disabled domain with everything in it; return whether it was there and disabled."""
    guard = (domains.c.id == domain_id, domains.c.enabled.is_(False))
    if tx.one(sa.select(domains.c.id).where(*guard).with_for_update()) is None:
        return False
    for kind, table in (("user", users), ("group", groups)):
        inside = sa.select(table.c.id).where(table.c.domain_id == domain_id)
        tx.count(sa.delete(assignments).where(assignments.c.actor_type == kind, assignments.c.actor_id.in_(inside)))
    inside = sa.select(projects.c.id).where(projects.c.domain_id == domain_id)
    tx.count(sa.delete(assignments).where(assignments.c.target_type == "project", assignments.c.target_id.in_(inside)))
    on_domain = (assignments.c.target_type == "domain", assignments.c.target_id == domain_id)
    tx.count(sa.delete(assignments).where(*on_domain))
    for table in (users, groups, projects, roles):
        tx.count(sa.delete(table).where(table.c.domain_id == domain_id))
    return tx.count(sa.delete(domains).where(*guard)) == 1
