"""Who has asked, and by which names, as far as the turns that are kept tell."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from bot.messages import Member
from bot.storage.database import Database
from bot.storage.tables import turns

_WANTED = select(turns.c.member, turns.c.author_name).distinct()


async def authors(database: Database) -> Sequence[tuple[Member, str]]:
    """Each name of each member."""
    return await database.read(
        lambda connection: [(Member.parse(row.member), row.author_name) for row in connection.execute(_WANTED)]
    )
