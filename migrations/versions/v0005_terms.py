"""What admins lay down for a pool; how many units an event is about, and how many were used elsewhere."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pool_terms",
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("pool", name=op.f("pk_pool_terms")),
    )
    op.add_column("day_events", sa.Column("units", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("pool_days", sa.Column("elsewhere", sa.Integer(), nullable=False, server_default=sa.text("0")))
