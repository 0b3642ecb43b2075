"""which machine a service is and whether it is degraded."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("services", schema=None) as batch_op:
        batch_op.add_column(sa.Column("host_id", sa.String(length=36), nullable=True))
        batch_op.add_column(sa.Column("degraded", sa.String(length=255), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("services", schema=None) as batch_op:
        batch_op.drop_column("degraded")
        batch_op.drop_column("host_id")
