"""One budget a channel: turns far enough apart, each once, the endings first."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from adapters.discord.pacing import ALL, EVERY, Pacing
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual


async def test_turns_are_apart_in_one_channel_and_free_between_channels(clock: VirtualClock) -> None:
    pacing, moments = Pacing(clock), dict[int, list[float]]()

    async def writer(channel: int) -> None:
        for _ in range(10):
            await pacing.turn(channel)
            moments.setdefault(channel, []).append(clock.monotonic())

    await asyncio.gather(*(writer(channel) for channel in (1, 1, 1, 2)))
    assert all(later - earlier >= EVERY - 1e-9 for earlier, later in pairwise(moments[1]))
    assert (len(moments[1]), len(moments[2])) == (30, 10)
    assert moments[2][-1] < 10 * EVERY < moments[1][-1]


async def test_everyone_gets_a_turn_in_order_and_endings_go_first(clock: VirtualClock) -> None:
    pacing, order = Pacing(clock), list[str]()

    async def writer(name: str, *, urgent: bool = False, after: float = 0.0) -> None:
        await asyncio.sleep(after)
        await pacing.turn("channel", urgent=urgent)
        order.append(name)

    await asyncio.gather(
        writer("first"), writer("a"), writer("b"), writer("c"), writer("ending", urgent=True, after=EVERY / 2)
    )
    assert order == ["first", "ending", "a", "b", "c"]


async def test_who_goes_away_leaves_the_line_to_the_next(clock: VirtualClock) -> None:
    pacing = Pacing(clock)
    await pacing.turn("channel")
    gone = asyncio.create_task(pacing.turn("channel"))
    next_one = asyncio.create_task(pacing.turn("channel"))
    await asyncio.sleep(0.1)
    gone.cancel()
    await next_one
    assert clock.monotonic() == pytest.approx(EVERY)


async def test_many_channels_stay_under_what_discord_lets_through_in_all(clock: VirtualClock) -> None:
    """Two hundred channels that write as soon as each may would be 166 a second; Discord lets 50 through."""
    pacing, moments = Pacing(clock), list[float]()

    async def writer(channel: int) -> None:
        for _ in range(3):
            await pacing.turn(channel)
            moments.append(clock.monotonic())

    await asyncio.gather(*(writer(channel) for channel in range(200)))
    busiest = max(sum(start <= moment < start + 1 for moment in moments) for start in moments)
    assert ALL - 1 <= busiest <= ALL + 1
    assert len(moments) == 600
