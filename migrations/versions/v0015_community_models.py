"""What model a community prefers is laid down by its admins, with an audit; it was a choice as a member's before."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    choices = sa.table("model_choices", sa.column("kind"), sa.column("key"), sa.column("model"))
    laid_down = sa.table(
        "laid_down", sa.column("kind"), sa.column("community"), sa.column("key"), sa.column("value", sa.Text())
    )
    connection = op.get_bind()
    ruled = set(connection.scalars(sa.select(laid_down.c.community).where(laid_down.c.kind == "models")))
    for row in connection.execute(sa.select(choices).where(choices.c.kind == "community")).all():
        if row.key not in ruled:
            value = json.dumps({"default": row.model}, separators=(",", ":"))
            connection.execute(sa.insert(laid_down).values(kind="models", community=row.key, key="models", value=value))
    connection.execute(sa.delete(choices).where(choices.c.kind == "community"))
