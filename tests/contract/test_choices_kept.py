"""Choices of models as they are kept: over a restart, one for each, and forgotten with what they were made for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.choices import Choice
from bot.clock import DAY, Instant
from bot.messages import ChosenFor, ConversationId, InConversation, Member, ModelId
from bot.storage.choices import SqlChoices
from bot.storage.database import Database
from bot.storage.migration import migrate
from tests.fakes.virtual import VirtualClock, VirtualLoop

pytestmark = pytest.mark.virtual

ANN, BEN = Member("slack", "U1", "T1"), Member("web", "ben")
ONE, OTHER = ModelId("acme/one"), ModelId("acme/other:free")
EVERYWHERE: list[ChosenFor] = [ANN, InConversation(ConversationId("slack:T1/C1/1.2"))]


@asynccontextmanager
async def kept(file: Path, clock: VirtualClock, loop: VirtualLoop) -> AsyncIterator[SqlChoices]:
    migrate(file)
    database = Database(file, clock)
    loop.busy.append(lambda: database.busy)
    await database.open()
    try:
        yield SqlChoices(database, clock)
    finally:
        await database.close()


@pytest.mark.parametrize("whom", EVERYWHERE)
async def test_what_was_chosen_last_outlives_a_restart(
    tmp_path: Path, clock: VirtualClock, loop: VirtualLoop, whom: ChosenFor
) -> None:
    async with kept(tmp_path / "a.db", clock, loop) as choices:
        await choices.put(whom, Choice(model=ONE, by=ANN))
        await choices.put(whom, Choice(model=OTHER, by=BEN))
    async with kept(tmp_path / "a.db", clock, loop) as choices:
        assert await choices.load() == {whom: Choice(model=OTHER, by=BEN)}
        await choices.put(whom, None)
        await choices.put(whom, None)
        assert await choices.load() == {}


async def test_each_has_its_own(tmp_path: Path, clock: VirtualClock, loop: VirtualLoop) -> None:
    same = "web:x"
    mine: list[ChosenFor] = [Member.parse(same), InConversation(ConversationId(same))]
    async with kept(tmp_path / "a.db", clock, loop) as choices:
        for number, whom in enumerate(mine):
            await choices.put(whom, Choice(model=ModelId(f"acme/{number}"), by=ANN))
        await choices.put(mine[1], None)
        assert {whom: choice.model for whom, choice in (await choices.load()).items()} == {
            mine[0]: "acme/0",
        }


async def test_only_what_was_chosen_for_a_conversation_ages(
    tmp_path: Path, clock: VirtualClock, loop: VirtualLoop
) -> None:
    async with kept(tmp_path / "a.db", clock, loop) as choices:
        for whom in EVERYWHERE:
            await choices.put(whom, Choice(model=ONE, by=ANN))
        assert await choices.prune(before=Instant(clock.now() - DAY)) == 0
        assert await choices.prune(before=Instant(clock.now() + DAY)) == 1
        assert set(await choices.load()) == {EVERYWHERE[0]}
