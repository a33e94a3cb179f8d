"""Who somebody was where they asked, and in which channel: a held question is answered by it after a restart, too."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("held_questions", sa.Column("asked_as", sa.Text()))
