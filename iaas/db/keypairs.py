"""Queries on key pairs. They belong to a user, not to a project."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from iaas.common import errors
from iaas.db.models.instances import keypairs
from iaas.db.paging import MarkerNotFound
from iaas.db.tx import DuplicateKey, Tx


class KeypairNotFound(errors.IaasError):
    kind = errors.Kind.NOT_FOUND
    template = "Keypair {name} not found for user {user_id}."


class KeypairExists(errors.IaasError):
    kind = errors.Kind.CONFLICT
    template = "Key pair '{name}' already exists."


def _of(user_id: str | None) -> sa.Select[Any]:
    return sa.select(keypairs).where(keypairs.c.user_id == user_id)


def find(tx: Tx, user_id: str | None, name: str) -> sa.Row[Any] | None:
    """Return a user's key pair, or None."""
    return tx.one(_of(user_id).where(keypairs.c.name == name))


def get(tx: Tx, user_id: str, name: str) -> sa.Row[Any]:
    """:raises KeypairNotFound: the user has none of that name."""
    row = find(tx, user_id, name)
    if row is None:
        raise KeypairNotFound(name=name, user_id=user_id)
    return row


def page(tx: Tx, user_id: str, limit: int, marker: str | None) -> Sequence[sa.Row[Any]]:
    """Return at most ``limit`` of a user's key pairs by name, after the one named ``marker``.

    :raises MarkerNotFound: the user has none of that name.
    """
    query = _of(user_id)
    if marker is not None:
        if find(tx, user_id, marker) is None:
            raise MarkerNotFound(marker=marker[:64])
        query = query.where(keypairs.c.name > marker)
    return tx.all(query.order_by(keypairs.c.name).limit(limit))


def add(tx: Tx, **values: Any) -> None:
    """Insert a key pair.

    :raises KeypairExists: the user has one of that name.
    """
    try:
        tx.insert(keypairs, **values)
    except DuplicateKey:
        raise KeypairExists(name=values["name"]) from None


def remove(tx: Tx, user_id: str, name: str) -> bool:
    """Delete a key pair; False if the user has none of that name."""
    return tx.count(sa.delete(keypairs).where(keypairs.c.user_id == user_id, keypairs.c.name == name)) == 1
