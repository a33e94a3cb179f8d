"""What accounts have said of themselves, so that every process holds to it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pools", sa.Column("told", sa.BigInteger(), nullable=False, server_default=sa.text("0")))
    op.add_column("pools", sa.Column("paused_until", sa.BigInteger()))
    for name in ("rpm", "rpm_under", "rpd"):
        op.add_column("pools", sa.Column(name, sa.Integer()))
    for name in ("shut_for", "shut_by"):
        op.add_column("pools", sa.Column(name, sa.Text()))
    op.add_column("pool_days", sa.Column("spent_at", sa.Integer()))
    op.add_column("pool_days", sa.Column("begun", sa.Boolean()))
