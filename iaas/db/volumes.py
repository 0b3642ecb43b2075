"""Queries on volumes. Each takes the caller's transaction and never commits."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from iaas.db.models.volumes import volumes
from iaas.db.tx import Tx


def remove(tx: Tx, volume_id: str) -> sa.Row[Any] | None:
    """Delete the row and return what its end needs."""
    row = tx.one(sa.select(volumes).where(volumes.c.id == volume_id))
    if row is not None:
        tx.execute(sa.delete(volumes).where(volumes.c.id == volume_id))
    return row
