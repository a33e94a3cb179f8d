"""Which account a community's key is of: its pool; and which pool has counted a held question as asked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("own_keys", sa.Column("pool", sa.Text()))
    op.add_column("held_questions", sa.Column("pool", sa.Text()))
    op.create_index(
        "ix_own_keys_pool",
        "own_keys",
        ["pool"],
        sqlite_where=sa.text("pool IS NOT NULL"),
        postgresql_where=sa.text("pool IS NOT NULL"),
    )
