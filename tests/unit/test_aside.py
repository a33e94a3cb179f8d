"""Beside the pool: one question of a member at a time, so many in all, and nobody waits for ever."""

from __future__ import annotations

import asyncio

import pytest

from bot.errors import Refused
from bot.messages import Member
from bot.quota.aside import Aside

pytestmark = pytest.mark.virtual

ANN, BEN = Member("web", "ann"), Member("web", "ben")


class Counted:
    """Work that counts how much of it is under way."""

    def __init__(self, aside: Aside) -> None:
        self._aside, self.now, self.most, self.done = aside, 0, 0, 0

    async def work(self, member: Member, seconds: float = 10) -> None:
        async with self._aside.slot(member):
            self.now += 1
            self.most = max(self.most, self.now)
            try:
                await asyncio.sleep(seconds)
            finally:
                self.now -= 1
            self.done += 1


async def test_a_member_has_one_at_a_time_and_all_have_so_many() -> None:
    alone, together = Counted(Aside(most=9, max_wait=900)), Counted(Aside(most=9, max_wait=900))
    await asyncio.gather(*(alone.work(ANN) for _ in range(5)))
    assert (alone.most, alone.done) == (1, 5)
    await asyncio.gather(*(together.work(Member("web", str(n))) for n in range(40)))
    assert (together.most, together.done) == (9, 40)


async def test_who_waits_too_long_is_told_and_holds_nothing() -> None:
    counted = Counted(Aside(most=1, max_wait=15))
    working = asyncio.gather(counted.work(ANN, 100), counted.work(BEN), return_exceptions=True)
    _, waited = await working
    assert isinstance(waited, Refused)
    assert (waited.code, waited.limit) == ("wait_too_long", 15)
    await counted.work(BEN)
    assert counted.done == 2


async def test_too_many_of_one_member_are_refused_at_once() -> None:
    counted = Counted(Aside(most=9, max_wait=900))
    came = await asyncio.gather(*(counted.work(ANN) for _ in range(12)), return_exceptions=True)
    assert sum(isinstance(one, Refused) and one.code == "line_full" for one in came) == 2
    await counted.work(ANN)
    assert counted.done == 11


async def test_who_goes_away_leaves_the_place_to_the_next() -> None:
    counted = Counted(Aside(most=1, max_wait=900))
    first, waiting = asyncio.create_task(counted.work(ANN, 1000)), asyncio.create_task(counted.work(ANN))
    await asyncio.sleep(1)
    waiting.cancel()
    first.cancel()
    await asyncio.wait([first, waiting])
    await counted.work(ANN)
    await counted.work(BEN)
    assert counted.done == 2
