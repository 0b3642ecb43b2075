"""Volumes and their types."""

from __future__ import annotations

import sqlalchemy as sa

from iaas.db.models import base

volumes = base.table(
    base.CONTROLLER,
    "volumes",
    base.uuid(),
    base.ident("project_id", nullable=False),
    base.ident("user_id", nullable=False),
    base.text("name"),
    base.text("description"),
    base.count("size_gb"),
    base.ident("status", nullable=False),
    base.ident("host"),
    base.ident("zone", nullable=False),
    base.ident("type_id"),
    base.text("type_name"),
    base.json("metadata", nullable=False),
    base.flag("bootable"),
    base.flag("multiattach"),
    base.json("fault"),
    base.time("created_at", nullable=False),
    base.time("updated_at", nullable=False),
)
sa.Index("ix_volumes_project", volumes.c.project_id, volumes.c.created_at, volumes.c.id)

volume_types = base.table(
    base.CONTROLLER,
    "volume_types",
    base.uuid(),
    base.text("name", nullable=False, unique=True),
    base.text("description"),
    base.flag("is_public", default=True),
    base.flag("is_default"),
    base.json("extra_specs", nullable=False),
    base.time("created_at", nullable=False),
)
