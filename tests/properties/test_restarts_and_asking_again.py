"""The same log gives the same decisions, across a restart too; and asking again gains nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from bot.clock import DAY, Instant
from bot.errors import RefusalCode, Refused
from bot.messages import CommunityId, Member
from bot.quota.events import DayEvent, EventKind
from bot.quota.ledger import Lease, Outcome, PoolId
from bot.quota.memory import MemoryLedger
from bot.quota.sharing import FairDays, FirstComeDays, FirstComeSharing, Sharing
from bot.quota.terms import MemberTerms, Terms
from tests.properties.steps import MEMBERS, Asks, Crashes, LaysDown, Step, community_of, crashes, past_days, runs
from tests.properties.test_level import laid_down
from tests.properties.world import Setting, World, claim, played

SPAN = 7000.0
PAST = past_days(24)
PROMISING = Setting(rpd=30, history=PAST, days=partial(FairDays, promise_units=1))


def decisions(world: World) -> list[object]:
    """What each member would be told now, and why."""
    found: list[object] = [world.scheduler.used, world.scheduler.resets_at]
    for number, member in enumerate(MEMBERS):
        decision = world.scheduler.decision(member, community_of(number))
        assert decision is not None
        found.append((decision.verdict, decision.level, decision.taken, decision.left, decision.held_back_for_others))
        found.append([(answer.day, answer.level) for answer in decision.days])
        found.append(world.scheduler.share(member, community_of(number)))
    return found


async def before_and_after_a_restart(world: World) -> tuple[list[object], list[object]]:
    await world.close()
    before = decisions(world)
    await world.restart()
    return before, decisions(world)


@given(runs(SPAN, crashes(SPAN), laid_down), st.integers(3, 60), st.booleans())
def test_a_restart_decides_as_if_there_had_been_none(steps: list[Step], rpd: int, between: bool) -> None:
    days = partial(FairDays, promise_units=1, between_communities=between)
    _, (before, after) = played(replace(PROMISING, rpd=rpd, days=days), steps, before_and_after_a_restart)
    assert after == before


@given(runs(SPAN, crashes(SPAN)), st.integers(3, 60))
def test_the_same_steps_take_the_same_course(steps: list[Step], rpd: int) -> None:
    first, again = (played(replace(PROMISING, rpd=rpd), steps, _decided) for _ in range(2))
    assert (first[0].ends, first[0].sends, first[1]) == (again[0].ends, again[0].sends, again[1])


async def _decided(world: World) -> list[object]:
    return decisions(world)


class Forgets(MemoryLedger):
    """A ledger that does not keep who was refused."""

    async def note(self, pool: PoolId, events: Sequence[DayEvent]) -> None:
        await super().note(pool, [event for event in events if event.kind is not EventKind.REFUSED])


MANY_FOR_FEW = [Asks(at=60.0 * number, member=number % 8, answer=1) for number in range(24)]


def test_control_a_ledger_that_forgets_refusals_decides_otherwise_after_a_restart() -> None:
    _, (before, after) = played(replace(PROMISING, rpd=8), MANY_FOR_FEW, before_and_after_a_restart)
    assert after == before
    forgetting = replace(PROMISING, rpd=8, ledger=Forgets)
    _, (before, after) = played(forgetting, MANY_FOR_FEW, before_and_after_a_restart)
    assert after != before


def test_who_goes_away_as_the_day_turns_is_of_the_day_that_was() -> None:
    """At 00:00:00 sharp, before anything else has told the scheduler of the new day."""
    begins = DAY - 60.0
    steps: list[Step] = [Asks(at=0, member=0), Asks(at=1, member=1, gone_after=59), Crashes(at=61)]
    world, (before, after) = played(replace(PROMISING, rpm=1, begins=begins), steps, before_and_after_a_restart)
    assert after == before
    assert world.ends[1] == ["gone"]


# --- asking again ------------------------------------------------------------------------------------------


async def asks_again(world: World) -> int:
    """Every member whose question is refused asks it again and again in the same breath; how often that helped.

    The first time is what waiting brings, too: a held question is looked at again, and from its refusal on it is known
    where on the level its next unit lies.
    """
    helped = 0
    for number, member in enumerate(MEMBERS):
        community = community_of(number)
        if await _refused(world, member, community, f"{number}/first") != "daily_share_spent":
            continue
        if await _refused(world, member, community, f"{number}/waits", again=True) is None:
            continue
        for time in range(10):
            helped += await _refused(world, member, community, f"{number}/{time}", again=True) is None
    return helped


async def _refused(
    world: World, member: Member, community: CommunityId, name: str, *, again: bool = False
) -> str | None:
    admitting = world.scheduler.admit(member, community, lambda: claim(member, community, name), again=again)
    try:
        async for step in admitting:
            if isinstance(step, Lease):
                world.scheduler.sent(step)
                await world.scheduler.settle(step, Outcome(result="answered"))
    except Refused as refusal:
        return refusal.code
    return None


@given(runs(SPAN), st.integers(3, 40))
def test_asking_the_same_again_at_once_never_helps(steps: list[Step], rpd: int) -> None:
    assert played(replace(PROMISING, rpd=rpd), steps, asks_again)[1] == 0


class Coin(FirstComeSharing):
    """Every fourth question may go, whoever asks it."""

    def __init__(self, day: int, rpd: int) -> None:
        super().__init__(day, rpd)
        self._random = Random(day)

    def refusal(self, member: Member, community: CommunityId, moment: Instant) -> RefusalCode | None:
        return "daily_share_spent" if self._random.random() < 0.75 else super().refusal(member, community, moment)


class Lottery(FirstComeDays):
    """Days of it."""

    def begin(self, day: int, rpd: int) -> Sharing:
        return Coin(day, rpd)


def test_control_a_coin_for_each_question_is_worth_asking_again() -> None:
    assert played(replace(PROMISING, days=Lottery), MANY_FOR_FEW, asks_again)[1] > 0


def test_terms_count_after_a_restart_too() -> None:
    heavy = Terms(members={MEMBERS[0].key: MemberTerms(weight=2.0, every_day=2)})
    steps: list[Step] = [*MANY_FOR_FEW, LaysDown(at=700, terms=heavy)]
    _, (before, after) = played(PROMISING, steps, before_and_after_a_restart)
    assert after == before
