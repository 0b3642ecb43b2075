"""Rotations of both key rings: what the administrator runs from time to time."""

from __future__ import annotations

from iaas.common import context
from iaas.db.identity import credentials
from iaas.db.identity.listing import Listing
from iaas.identity import keys
from iaas.identity.clients import IdentityClients

_PAGE = 200


def rotate_token_keys(clients: IdentityClients) -> None:
    """Give tokens a new primary key; those of the keys that are kept stay good.

    A key is kept for ``max_keys - 2`` rotations: rotate no more often than a token's life divided by that.
    """
    keys.rotate(clients.settings.identity.key_dir, clients.settings.identity.max_keys)


def rotate_credential_keys(clients: IdentityClients) -> int:
    """Give credentials a new primary key and encrypt all of them with it; return how many there are.

    Nothing is lost if it stops half way: the key before is kept, and running it again does the rest.
    """
    keys.rotate(clients.settings.identity.credential_key_dir, clients.settings.identity.max_keys)
    clients.vault.reload()
    return reseal(clients)


def reseal(clients: IdentityClients) -> int:
    """Encrypt every credential with the primary key; return how many there are."""
    ctx = context.admin()
    marker, count = None, 0
    while True:
        with clients.db.read(ctx) as tx:
            rows = credentials.page(tx, Listing(_PAGE, marker))
        for row in rows:
            clients.db.write(ctx, credentials.reseal, row.id, row.blob, clients.vault.reseal(row.blob))
        count += len(rows)
        if len(rows) <= _PAGE:
            return count
        marker = rows[-1].id
