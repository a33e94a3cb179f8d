"""Which communities have asked, as far as the turns that are kept tell."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import case, func, select

from bot.clock import Clock, day_of, day_start
from bot.messages import CommunityId
from bot.office.house_rules import Community
from bot.storage.database import Database
from bot.storage.moments import instant, microseconds
from bot.storage.tables import turns


async def communities(database: Database, clock: Clock) -> Sequence[Community]:
    """Each with its members, by name."""
    today = microseconds(day_start(day_of(clock.now())))
    wanted = (
        select(
            turns.c.community,
            func.count(turns.c.member.distinct()),
            func.sum(case((turns.c.asked_at >= today, 1), else_=0)),
            func.max(turns.c.asked_at),
        )
        .group_by(turns.c.community)
        .order_by(turns.c.community)
    )
    return await database.read(
        lambda connection: [
            Community(community=CommunityId(name), members=members, today=asked, newest=instant(newest))
            for name, members, asked, newest in connection.execute(wanted)
        ]
    )
