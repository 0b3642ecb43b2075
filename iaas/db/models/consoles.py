"""Console tokens: one row for each console URL that was given out."""

from __future__ import annotations

import sqlalchemy as sa

from iaas.db.models import base

console_tokens = base.table(
    base.CONTROLLER,
    "console_tokens",
    base.ident("id", primary_key=True),  # SHA-256 of the token in hexadecimal; the token itself is kept nowhere
    base.uuid("instance_id", nullable=False),
    base.ident("project_id", nullable=False),
    base.ident("host", nullable=False),
    base.ident("kind", nullable=False),  # vnc, serial
    base.flag("used"),
    base.time("created_at", nullable=False),
    base.time("expires_at", nullable=False),
)
sa.Index("ix_console_tokens_instance", console_tokens.c.instance_id)
sa.Index("ix_console_tokens_expires", console_tokens.c.expires_at)
