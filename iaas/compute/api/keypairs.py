"""Key pairs: what a user logs in to servers with. Only public keys are kept; a generated private key is shown once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from iaas.common import runtime, sshkeys
from iaas.common.context import RequestContext
from iaas.db import keypairs as db
from iaas.db import quotas
from iaas.db.tx import Tx

#: how many a user has is counted in a row of the user's own; the limit is the project's
COUNTER = "key_pairs_of_user"


@dataclass(frozen=True)
class Made:
    """A new key pair's row, and its private key if it was generated."""

    row: Any
    private_key: str | None


def index(
    clients: Any, ctx: RequestContext, *, user_id: str | None = None, limit: int = 1000, marker: str | None = None
) -> Sequence[Any]:
    """Return key pairs of the caller, or of ``user_id``, by name.

    :raises MarkerNotFound: there is none named ``marker``.
    """
    if limit == 0:
        return []
    with clients.db.read(ctx) as tx:
        return db.page(tx, _owner(ctx, user_id), limit, marker)


def show(clients: Any, ctx: RequestContext, name: str, *, user_id: str | None = None) -> Any:
    """:raises KeypairNotFound: the user has none of that name."""
    with clients.db.read(ctx) as tx:
        return db.get(tx, _owner(ctx, user_id), name)


def find_mine(tx: Tx, name: str) -> Any | None:
    """Return the caller's key pair within a transaction, or None."""
    return db.find(tx, tx.ctx.user_id, name)


def create(
    clients: Any, ctx: RequestContext, name: str, *, public_key: str | None = None, user_id: str | None = None
) -> Made:
    """Keep a public key under ``name``; without one, generate a pair.

    :raises InvalidKey: the public key cannot be read.
    :raises KeypairExists: the user has one of that name.
    :raises QuotaExceeded: the user has as many as the project's limit ``key_pairs`` allows.
    """
    private_key = None
    if public_key is None:
        private_key, public_key = runtime.native(sshkeys.generate)
    public_key = public_key.strip()
    values = {
        "user_id": _owner(ctx, user_id),
        "name": name,
        "type": "ssh",
        "public_key": public_key,
        "fingerprint": sshkeys.fingerprint(public_key),
    }
    return Made(clients.db.write(ctx, _create, clients.settings.quota, values), private_key)


def _create(tx: Tx, defaults: Any, values: dict[str, Any]) -> Any:
    user_id = values["user_id"]
    limit = quotas.limit_of(tx, tx.ctx.project_id, "key_pairs", defaults)
    quotas.take_of_user(tx, user_id, COUNTER, limit, shown_as="key_pairs")
    db.add(tx, id=runtime.uuid(), created_at=runtime.time(), **values)
    return db.get(tx, user_id, values["name"])


def delete(clients: Any, ctx: RequestContext, name: str, *, user_id: str | None = None) -> None:
    """Forget a key pair; servers made with it keep it.

    :raises KeypairNotFound: the user has none of that name.
    """
    clients.db.write(ctx, _delete, _owner(ctx, user_id), name)


def _delete(tx: Tx, user_id: str, name: str) -> None:
    if not db.remove(tx, user_id, name):
        raise db.KeypairNotFound(name=name, user_id=user_id)
    quotas.give_back(tx, user_id, {COUNTER: 1})


def _owner(ctx: RequestContext, user_id: str | None) -> str:
    return user_id or str(ctx.user_id)
