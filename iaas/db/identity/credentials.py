"""Credentials: secrets of users for other ways in.  The blob is ciphertext here and stays so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from iaas.common import errors
from iaas.db.identity import listing
from iaas.db.models.identity import credentials
from iaas.db.tx import Tx


def find(tx: Tx, credential_id: str) -> Any | None:
    return tx.one(sa.select(credentials).where(credentials.c.id == credential_id))


def find_key(tx: Tx, lookup: str) -> Any | None:
    """Return the EC2 credential whose access key has that SHA-256, or None."""
    return tx.one(sa.select(credentials).where(credentials.c.lookup == lookup, credentials.c.type == "ec2"))


def get(tx: Tx, credential_id: str) -> Any:
    """:raises NotFound: no such credential."""
    row = find(tx, credential_id)
    if row is None:
        raise errors.NotFound(what="Credential", id=credential_id)
    return row


def page(tx: Tx, wanted: listing.Listing) -> Sequence[Any]:
    return tx.all(listing.page(sa.select(credentials), credentials, wanted))


def count_of(tx: Tx, user_id: str) -> int:
    return tx.scalar(sa.select(sa.func.count()).where(credentials.c.user_id == user_id)) or 0


def of_user(tx: Tx, user_id: str, kind: str) -> Sequence[Any]:
    """Return the user's credentials of one type."""
    return tx.all(sa.select(credentials).where(credentials.c.user_id == user_id, credentials.c.type == kind))


def add(tx: Tx, **values: Any) -> None:
    """:raises DuplicateKey: one of that id exists."""
    tx.insert(credentials, **values)


def update(tx: Tx, credential_id: str, values: Mapping[str, Any]) -> None:
    if values:
        tx.count(sa.update(credentials).where(credentials.c.id == credential_id).values(**values))


def reseal(tx: Tx, credential_id: str, old: str, new: str) -> bool:
    """Replace a blob by the same in another key, unless it was changed meanwhile."""
    where = (credentials.c.id == credential_id, credentials.c.blob == old)
    return tx.count(sa.update(credentials).where(*where).values(blob=new)) == 1


def delete(tx: Tx, credential_id: str) -> bool:
    return tx.count(sa.delete(credentials).where(credentials.c.id == credential_id)) == 1


def of_project(tx: Tx, project_id: str) -> list[str]:
    """Return the ids of the credentials made for a project."""
    return [row[0] for row in tx.all(sa.select(credentials.c.id).where(credentials.c.project_id == project_id))]
