"""Application credentials: secrets a user gives to programs, for one project and some of its roles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from iaas.common import errors
from iaas.db.identity import listing
from iaas.db.models.identity import access_rules, application_credentials
from iaas.db.tx import Tx

_c = application_credentials.c


def find(tx: Tx, credential_id: str) -> Any | None:
    return tx.one(sa.select(application_credentials).where(_c.id == credential_id))


def find_named(tx: Tx, user_id: str, name: str) -> Any | None:
    return tx.one(sa.select(application_credentials).where(_c.user_id == user_id, _c.name == name))


def get(tx: Tx, user_id: str, credential_id: str) -> Any:
    """Return one of a user's.

    :raises NotFound: the user has no such.
    """
    row = find(tx, credential_id)
    if row is None or row.user_id != user_id:
        raise errors.NotFound(what="Application credential", id=credential_id)
    return row


def page(tx: Tx, wanted: listing.Listing) -> Sequence[Any]:
    return tx.all(listing.page(sa.select(application_credentials), application_credentials, wanted))


def count_of(tx: Tx, user_id: str) -> int:
    return tx.scalar(sa.select(sa.func.count()).where(_c.user_id == user_id)) or 0


def add(tx: Tx, **values: Any) -> None:
    """:raises DuplicateKey: the user has one of that name."""
    tx.insert(application_credentials, **values)


def delete(tx: Tx, credential_id: str) -> bool:
    return tx.count(sa.delete(application_credentials).where(_c.id == credential_id)) == 1


def rules(tx: Tx, user_id: str) -> Sequence[Any]:
    """Return a user's access rules."""
    return tx.all(sa.select(access_rules).where(access_rules.c.user_id == user_id).order_by(access_rules.c.id))


def add_rule(tx: Tx, **values: Any) -> None:
    tx.insert(access_rules, **values)


def delete_rule(tx: Tx, rule_id: str) -> None:
    tx.count(sa.delete(access_rules).where(access_rules.c.id == rule_id))
