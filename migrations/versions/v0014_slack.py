"""What the Slack adapter keeps: what it has seen, the threads it was called into, verdicts on answers, workspaces."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "slack_seen",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_slack_seen")),
    )
    op.create_index("ix_slack_seen_seen_at", "slack_seen", ["seen_at"])
    op.create_table(
        "slack_threads",
        sa.Column("thread", sa.Text(), nullable=False),
        sa.Column("muted", sa.Boolean(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("thread", name=op.f("pk_slack_threads")),
    )
    op.create_table(
        "slack_verdicts",
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("member", sa.Text(), nullable=False),
        sa.Column("good", sa.Boolean(), nullable=False),
        sa.Column("given_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("answer", "member", name=op.f("pk_slack_verdicts")),
    )
    op.create_table(
        "slack_installations",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("installed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", name=op.f("pk_slack_installations")),
    )
