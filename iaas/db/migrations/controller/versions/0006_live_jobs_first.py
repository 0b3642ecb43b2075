"""live jobs first: they are counted every second, and those that ended are kept."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_jobs_project", table_name="jobs")
    op.create_index("ix_jobs_live", "jobs", ["state", "project_id"])


def downgrade() -> None:
    op.drop_index("ix_jobs_live", table_name="jobs")
    op.create_index("ix_jobs_project", "jobs", ["project_id", "state"])
