"""access addresses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("instances", schema=None) as batch_op:
        batch_op.add_column(sa.Column("access_ip_v4", sa.String(length=46), nullable=True))
        batch_op.add_column(sa.Column("access_ip_v6", sa.String(length=46), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("instances", schema=None) as batch_op:
        batch_op.drop_column("access_ip_v6")
        batch_op.drop_column("access_ip_v4")
