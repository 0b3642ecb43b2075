"""tombstones of images: when bytes that were given up were removed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("blob_gc", schema=None) as batch_op:
        batch_op.add_column(sa.Column("removed_at", sa.Double(), nullable=True))
        batch_op.create_index("ix_blob_gc_removed", ["removed_at", "created_at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("blob_gc", schema=None) as batch_op:
        batch_op.drop_index("ix_blob_gc_removed")
        batch_op.drop_column("removed_at")
