"""Choices of models as they are kept: over a restart, one for each, and forgotten with what they were made for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bot.choices import Choice
from bot.clock import DAY, Instant
from bot.messages import ChosenFor, ConversationId, InConversation, Member, ModelId
from bot.storage.choices import SqlChoices
from bot.storage.units import Where
from tests.fakes.databases import opened
from tests.fakes.virtual import VirtualClock, VirtualLoop

pytestmark = pytest.mark.virtual

ANN, BEN = Member("slack", "U1", "T1"), Member("web", "ben")
ONE, OTHER = ModelId("acme/one"), ModelId("acme/other:free")
EVERYWHERE: list[ChosenFor] = [ANN, InConversation(ConversationId("slack:T1/C1/1.2"))]


@asynccontextmanager
async def kept(where: Where, clock: VirtualClock, loop: VirtualLoop) -> AsyncIterator[SqlChoices]:
    async with opened(where, clock, loop) as database:
        yield SqlChoices(database, clock)


@pytest.mark.parametrize("whom", EVERYWHERE)
async def test_what_was_chosen_last_outlives_a_restart(
    where: Where, clock: VirtualClock, loop: VirtualLoop, whom: ChosenFor
) -> None:
    async with kept(where, clock, loop) as choices:
        await choices.put(whom, Choice(model=ONE, by=ANN))
        await choices.put(whom, Choice(model=OTHER, by=BEN))
    async with kept(where, clock, loop) as choices:
        assert await choices.load() == {whom: Choice(model=OTHER, by=BEN)}
        await choices.put(whom, None)
        await choices.put(whom, None)
        assert await choices.load() == {}


async def test_each_has_its_own(where: Where, clock: VirtualClock, loop: VirtualLoop) -> None:
    same = "web:x"
    mine: list[ChosenFor] = [Member.parse(same), InConversation(ConversationId(same))]
    async with kept(where, clock, loop) as choices:
        for number, whom in enumerate(mine):
            await choices.put(whom, Choice(model=ModelId(f"acme/{number}"), by=ANN))
        await choices.put(mine[1], None)
        assert {whom: choice.model for whom, choice in (await choices.load()).items()} == {
            mine[0]: "acme/0",
        }


async def test_only_what_was_chosen_for_a_conversation_ages(
    where: Where, clock: VirtualClock, loop: VirtualLoop
) -> None:
    async with kept(where, clock, loop) as choices:
        for whom in EVERYWHERE:
            await choices.put(whom, Choice(model=ONE, by=ANN))
        assert await choices.prune(before=Instant(clock.now() - DAY)) == 0
        assert await choices.prune(before=Instant(clock.now() + DAY)) == 1
        assert set(await choices.load()) == {EVERYWHERE[0]}
