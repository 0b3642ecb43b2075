"""What the EC2 API remembers on its own: instances that have been gone for less than an hour."""

from __future__ import annotations

import sqlalchemy as sa

from iaas.db.models import base

terminated = base.table(
    base.CONTROLLER,
    "terminated_instances",
    base.uuid(),
    sa.Column("ec2_id", sa.String(24), nullable=False, unique=True),
    base.ident("project_id", nullable=False),
    base.json("facts", nullable=False),  # columns of the instance, as it was when it ended
    base.time("at", nullable=False),
)
sa.Index("ix_terminated_instances_project", terminated.c.project_id, terminated.c.at)
