"""Client tokens: the same request sent twice makes one thing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from iaas.db import codec
from iaas.db.models.jobs import client_tokens
from iaas.db.tx import Tx


def find(tx: Tx, project_id: str, token: str) -> sa.Row[Any] | None:
    where = (client_tokens.c.project_id == project_id, client_tokens.c.token == token)
    return tx.one(sa.select(client_tokens).where(*where))


def add(tx: Tx, project_id: str, token: str, request_hash: str, resource_ids: Sequence[str], now: float) -> None:
    """Record what a token made.

    :raises DuplicateKey: the same token is being used at the same time.
    """
    tx.insert(
        client_tokens,
        project_id=project_id,
        token=token,
        request_hash=request_hash,
        resource_ids=codec.dump(list(resource_ids)),
        created_at=now,
    )
