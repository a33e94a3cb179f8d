"""Whoever is in line starts within the caps, in order, and each ticket ends once, however members ask and go away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.clock import Instant
from bot.errors import Refused
from bot.messages import Member
from bot.quota.ledger import Caps, Lease, Outcome
from bot.quota.line import FairLine, FirstCome, Ticket
from bot.quota.terms import Block, MemberTerms, Terms
from tests.fakes.deployment import most_in_any
from tests.fakes.virtual import VirtualLoop
from tests.unit.scheduler.world import ANN, POOL, WEB, Ask, World, asks, claim_of, lease_for, simulate


@given(asks, st.integers(1, 6), st.integers(1, 30))
def test_caps_hold_and_every_ticket_ends_once(asks: list[Ask], rpm: int, rpd: int) -> None:
    world = simulate(asks, Caps(rpm=rpm, rpd=rpd))
    assert most_in_any(62, [at for at, _ in world.started]) <= rpm
    assert len(world.started) <= rpd
    assert world.most_under_way <= 1, "one in flight for each member"
    assert len(world.ends) == len(asks)
    assert world.scheduler.answering == world.scheduler.waiting == 0
    assert world.scheduler.used_here == len(world.started)


@given(asks, st.integers(1, 6))
def test_nobody_is_refused_while_there_is_enough(asks: list[Ask], rpm: int) -> None:
    patient = [Ask(ask.member, ask.at, ask.answer, None) for ask in asks]
    world = simulate(patient, Caps(rpm=rpm, rpd=1000), max_wait=80_000)
    assert set(world.ends) <= {"answered"}


@given(st.integers(1, 40), st.integers(1, 7))
def test_a_burst_is_served_in_the_order_it_came_and_as_fast_as_the_minute_allows(number: int, rpm: int) -> None:
    world = simulate([Ask(member, 0, 5, None) for member in range(number)], Caps(rpm=rpm, rpd=1000), 9000)
    assert [who for _, who in world.started] == list(range(number))
    began = world.started[0][0]
    for place, (at, _) in enumerate(world.started):
        assert at - began == pytest.approx(place // rpm * 62, abs=0.5)


class _Unruly(FirstCome):
    """A line that forgets that each member has one request under way at most."""

    def next(self, may: Callable[[Member], bool]) -> Ticket | None:
        return super().next(lambda _: True)


def test_a_line_without_the_rule_runs_two_of_one_member_at_once() -> None:
    """The control: the property above is not true by itself."""
    world = simulate([Ask(0, 0, 5, None), Ask(0, 0, 5, None)], Caps(rpm=9, rpd=9), line=_Unruly())
    assert world.most_under_way == 2


@pytest.mark.virtual
async def test_a_request_that_left_late_counts_from_when_it_left(world: World) -> None:
    """A slow connection must not let one more through in the minute that OpenRouter sees."""

    async def late(number: int, connecting: float) -> None:
        member = Member("test", str(number))
        async with aclosing(world.scheduler.admit(member, WEB, lambda: claim_of(member, number))) as steps:
            lease = await anext(steps)
        assert isinstance(lease, Lease)
        await asyncio.sleep(connecting)
        world.scheduler.sent(lease)
        world.started.append((world.clock.now(), number))
        await world.scheduler.settle(lease, Outcome(result="answered"))

    await asyncio.gather(late(1, 10), late(2, 0))
    await asyncio.gather(*(world.ask(number, Ask(number, 0, 1, None)) for number in range(3, 7)))
    assert most_in_any(60, [at for at, _ in world.started]) == 2


@pytest.mark.virtual
async def test_a_pause_holds_the_line_and_keeps_its_order(world: World) -> None:
    world.scheduler.pause(Instant(world.clock.now() + 30))
    began = world.clock.now()
    await asyncio.gather(*(world.ask(number, Ask(number, number * 0.01, 1, None)) for number in range(2)))
    assert [who for _, who in world.started] == [0, 1]
    assert world.started[0][0] - began >= 30
    assert world.scheduler.paused_until is None


@pytest.mark.virtual
async def test_a_line_that_is_full_says_so_and_keeps_the_others(world: World) -> None:
    asks = [asyncio.create_task(world.ask(number, Ask(0, 0, 1, None))) for number in range(110)]
    await asyncio.gather(*asks)
    assert world.ends.count("line_full") == 110 - 101
    assert world.ends.count("answered") > 20


@pytest.mark.virtual
async def test_a_shut_pool_tells_the_line_once_and_takes_nothing(world: World) -> None:
    first = await lease_for(world, 1, ANN)
    waiting = asyncio.create_task(lease_for(world, 2, ANN))
    await asyncio.sleep(1)
    world.scheduler.shut("bad_key")
    with pytest.raises(Refused, match="pool_paused"):
        await waiting
    with pytest.raises(Refused, match="pool_paused"):
        await lease_for(world, 3, Member("test", "ben"))
    await world.scheduler.settle(first, Outcome(result="answered"))
    assert world.scheduler.used_here == world.scheduler.share(ANN, WEB).used == 1
    world.scheduler.reopen()
    await world.scheduler.settle(await lease_for(world, 4, ANN), Outcome(result="answered"))


@pytest.mark.virtual
async def test_a_blocked_member_is_told_also_in_mid_line(world: World) -> None:
    ben = Member("test", "ben")
    first = await lease_for(world, 1, ANN)
    waiting = asyncio.create_task(lease_for(world, 2, ANN))
    await asyncio.sleep(1)
    until = Instant(world.clock.now() + 60)
    world.scheduler.lay_down(Terms(members={ANN.key: MemberTerms(block=Block(until=until))}))
    with pytest.raises(Refused, match="member_blocked") as told:
        await waiting
    assert told.value.resets_at == until
    with pytest.raises(Refused, match="member_blocked"):
        await lease_for(world, 3, ANN)
    await world.scheduler.settle(await lease_for(world, 4, ben), Outcome(result="answered"))
    await world.scheduler.settle(first, Outcome(result="answered"))
    assert world.scheduler.share(ANN, WEB).used == 1
    await asyncio.sleep(61)
    await world.scheduler.settle(await lease_for(world, 5, ANN), Outcome(result="answered"))


@pytest.mark.virtual
async def test_a_weight_counts_for_those_in_line_at_once(loop: VirtualLoop) -> None:
    """Two members with many questions each, one start at a time: the heavier has more of the turns from then on."""
    world = World(loop, Caps(rpm=1, rpd=100), max_wait=1e6, line=FairLine())
    await world.ledger.add_pool(POOL)
    await world.scheduler.open()
    ben, order = Member("test", "ben"), list[str]()

    async def ask(number: int, member: Member) -> None:
        lease = await lease_for(world, number, member)
        order.append(member.user)
        await world.scheduler.settle(lease, Outcome(result="answered"))

    asking = [asyncio.create_task(ask(number, (ANN, ben)[number % 2])) for number in range(24)]
    await asyncio.sleep(4 * 62)
    assert order.count("ann") - order.count("ben") in (-1, 0, 1)
    before = len(order)
    world.scheduler.lay_down(Terms(members={ben.key: MemberTerms(weight=3)}))
    await asyncio.sleep(8 * 62)
    after = order[before:]
    assert after.count("ben") >= 2 * after.count("ann"), after
    await asyncio.gather(*asking)
    await world.scheduler.close()
