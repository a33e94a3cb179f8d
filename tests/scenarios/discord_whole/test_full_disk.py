"""A disk that fills up while Discord is answered, or before: everybody is told, and nothing is left behind after it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.lasting_posts import LastingPosts
from bot.storage.posts import SqlPosts
from bot.storage.tables import posted_answers, posts
from bot.storage.units import Where
from tests.fakes.databases import PostgresServer
from tests.fakes.deployment import Deployment, deployment
from tests.fakes.discord.house import House
from tests.fakes.discord.server import FakeDiscord
from tests.fakes.full import full
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual


@asynccontextmanager
async def potluck(folder: Path, clock: VirtualClock, where: Where) -> AsyncIterator[tuple[House, Deployment]]:
    env = {"database_url": f"sqlite+aiosqlite:///{where}" if isinstance(where, Path) else where}
    async with FakeDiscord(clock) as discord, deployment(folder, clock, env=env) as whole:
        home = House(discord, whole.running.database, clock)
        home.store = LastingPosts(SqlPosts(whole.running.database, clock), whole.running.backlog)  # type: ignore[assignment]
        await home.start(whole.running.conversations, registry=whole.running.registry)
        try:
            yield home, whole
        finally:
            await home.stop()


async def stages(whole: Deployment) -> list[str]:
    return list(await whole.running.database.read(lambda core: core.scalars(select(posted_answers.c.stage)).all()))


async def test_what_is_asked_while_it_is_full_ends_in_words(
    postgres: PostgresServer, tmp_path: Path, clock: VirtualClock
) -> None:
    """Over PostgreSQL: a message of Discord's is short enough for the room there is in the pages of a file."""
    with postgres.database() as where:
        async with potluck(tmp_path, clock, where) as (home, whole):
            await _asked_while_full(home, whole)


async def _asked_while_full(home: House, whole: Deployment) -> None:
    async with full(whole.running.database):
        home.ann.mention(home.channel, "is there room?")
        await home.until(lambda: home.reads())
        assert "cannot write anything down" in home.reads()[0]
        assert whole.sandbox.log == []
    home.ann.mention(home.channel, "is there room?")
    await home.until(lambda: len(home.reads()) == 2 and "used" in home.reads()[1])
    await whole.quiet()


async def test_an_answer_under_way_stands_there_whole_and_is_over_when_there_is_room(
    where: Where, tmp_path: Path, clock: VirtualClock
) -> None:
    async with potluck(tmp_path, clock, where) as (home, whole):
        home.ann.mention(home.channel, "something long, please")
        await home.until(lambda: whole.sandbox.log)
        async with full(whole.running.database):
            await home.until(lambda: home.reads() and "used" in home.reads()[-1], seconds=400)
        await home.until(lambda: not len(whole.running.backlog))
        turns = await whole.running.conversations.turns(
            await whole.running.database.read(lambda core: core.scalars(select(posted_answers.c.conversation)).one())
        )
        assert turns[0].whole
        assert await stages(whole) == ["over"]
        kept = await whole.running.database.read(lambda core: core.scalars(select(posts.c.post)).all())
        assert set(kept) == {message["id"] for message in home.ann.sees(home.channel)}
        await whole.quiet()
