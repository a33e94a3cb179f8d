"""Which messages of a chat show which answer, and what adapters note for themselves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "posted_answers",
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("conversation", sa.Text(), nullable=False),
        sa.Column("member", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("reply_to", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("ticket", sa.Text(), nullable=True),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("question", name=op.f("pk_posted_answers")),
    )
    op.create_index(
        "ix_posted_answers_unfinished",
        "posted_answers",
        ["platform", "asked_at"],
        sqlite_where=sa.text("stage != 'over'"),
        postgresql_where=sa.text("stage != 'over'"),
    )
    op.create_table(
        "posts",
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("post", sa.Text(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("platform", "post", name=op.f("pk_posts")),
    )
    op.create_index("ix_posts_question", "posts", ["question"])
    op.create_table(
        "adapter_notes",
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("noted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("platform", "key", name=op.f("pk_adapter_notes")),
    )
