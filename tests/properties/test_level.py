"""What always holds of the level, watched from within the real scheduler: before and after everything that happens.

`tests/unit/level` has the day by itself, on logs of its own; here the events are those a scheduler makes of
questions, failures, second attempts, crashes and what the account and the admins say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from bot.clock import Instant
from bot.messages import Member
from bot.quota.day import FairDay
from bot.quota.demand import Standing
from bot.quota.events import DayEvent, EventKind
from bot.quota.level import HOLDING, Caution
from bot.quota.past import Past
from bot.quota.ruled import RuledDays
from bot.quota.rules import FixedShare
from bot.quota.sharing import Days, FairDays, FairSharing
from bot.quota.terms import MemberTerms, Reserve, Terms
from tests.properties.steps import (
    MEMBERS,
    TODAY,
    Asks,
    Crashes,
    LaysDown,
    Step,
    account,
    community_of,
    crashes,
    past_days,
    runs,
)
from tests.properties.world import Setting, World, play
from tests.unit.level.wrong import Envious, Forgetting

SPAN = 7000.0
EVEN = 1e-9
NOBODY = Standing(member="test:nobody yet")
PAST = past_days(24)
USES = (EventKind.LET_THROUGH, EventKind.SENT, EventKind.RETRIED)


class Sink(AssertionError):
    """The level moved as it never may."""


class Watched(FairSharing):
    """Looks at the levels before and after each event and each word of the account."""

    def __init__(self, fair: FairDay) -> None:
        super().__init__(fair)
        self._last: tuple[Instant, tuple[float, float]] | None = None

    def levels(self, moment: Instant) -> tuple[float, float]:
        """For a first unit, and for more, of someone who has not been here."""
        self._fair.left(moment)
        self._fair._expire(moment)
        levels = self._fair._levels(NOBODY, moment, "")
        return levels.first, levels.more

    def apply(self, event: DayEvent) -> None:
        before = self.levels(event.at)
        if self._last is not None:
            since, then = self._last
            if any(now < level - 0.05 for now, level in zip(before, then, strict=True)):
                raise Sink(f"time alone: {then} at {since}, {before} at {event.at}")
        super().apply(event)
        after = self.levels(event.at)
        if event.kind in USES and any(now > level + EVEN for now, level in zip(after, before, strict=True)):
            raise Sink(f"others' use raised it: {event.kind}: {before}, {after}")
        self._last = event.at, after

    def recount(self, *, elsewhere: int, rpd: int) -> None:
        moment = self._last[0] if self._last else Instant(self._fair._begins)
        left, before = self._fair.left_in_all(), self.levels(moment)
        super().recount(elsewhere=elsewhere, rpd=rpd)
        after = self.levels(moment)
        if self._fair.left_in_all() >= left and any(now < was - EVEN for now, was in zip(after, before, strict=True)):
            raise Sink(f"more left lowered it: {before}, {after}")
        self._last = moment, after

    def lay_down(self, terms: Terms) -> None:
        super().lay_down(terms)
        self._last = None


class Made(FairDays):
    """Watched days of any make."""

    def __init__(
        self, make: Callable[..., FairDay] = FairDay, *, promise_units: int = 0, caution: Caution = HOLDING
    ) -> None:
        super().__init__(promise_units=promise_units, caution=caution)
        self._make = make

    def begin(self, day: int, rpd: int) -> FairSharing:
        first = day - 28
        past = Past(day, [table for table in self._everyone if table.day >= first], {})
        return Watched(self._make(day, rpd=rpd, past=past, caution=self._caution, promise_units=self._promise_units))


weights = st.sampled_from([1.0, 1.0, 0.5, 2.0])
terms = st.builds(
    Terms,
    members=st.dictionaries(
        st.sampled_from([member.key for member in MEMBERS]),
        st.builds(MemberTerms, weight=weights, every_day=st.integers(0, 3)),
        max_size=4,
    ),
    reserves=st.lists(
        st.builds(
            Reserve,
            units=st.integers(0, 8),
            until=st.floats(36_000, 42_000).map(lambda second: Instant(TODAY * 86_400 + second)),
        ),
        max_size=1,
    ).map(tuple),
)
laid_down: st.SearchStrategy[Step] = st.builds(LaysDown, at=st.floats(0, SPAN), terms=terms)


@given(runs(SPAN, crashes(SPAN), account(SPAN), laid_down), st.integers(3, 60), st.integers(0, 1))
def test_the_level_sinks_neither_by_time_nor_by_more_left_and_others_use_never_raises_it(
    steps: list[Step], rpd: int, promised: int
) -> None:
    play(Setting(rpd=rpd, history=PAST, days=partial(Made, promise_units=promised)), steps)


class Unsteady(FairDay):
    """A day of them."""

    def __init__(self, day: int, *, rpd: int, past: Past, caution: Caution, promise_units: int) -> None:
        super().__init__(day, rpd=rpd, past=past, caution=caution, promise_units=promise_units)
        self._rooms = Forgetting(past, caution=caution, between_communities=False)


def in_turn(every: float, number: int) -> list[Step]:
    return [Asks(at=every * at, member=at % 8, answer=1) for at in range(number)]


def sinks(make: Callable[..., FairDay], steps: Sequence[Step], rpd: int) -> str:
    """How the level moved as it never may; empty: it did not."""
    try:
        play(Setting(rpd=rpd, history=past_days(60), days=partial(Made, make), begins=20_000.0), steps)
    except Sink as sink:
        return str(sink)
    return ""


def test_controls_a_level_that_forgets_or_envies_moves_as_it_never_may() -> None:
    log = in_turn(1500.0, 10)
    assert sinks(FairDay, log, 20) == ""
    assert "time alone" in sinks(Unsteady, log, 20)
    assert "others' use" in sinks(Envious, log, 20)


# --- nobody refused while all fits, nobody envied -----------------------------------------------------------


def surely_enough(seen: int, asks: int) -> int:
    """More than any day of that history would take from now on, however it is scaled and whoever comes back."""
    busiest = max(len(day) for day in PAST.values())
    most_of_one = max(max(Counter(ask.member for ask in day).values()) for day in PAST.values())
    return 4 * busiest + seen * (max(most_of_one, asks) + 2)


@given(runs(SPAN, crashes(SPAN)), st.integers(0, 30))
def test_nobody_is_refused_where_all_demand_fits_under_every_day(steps: list[Step], spare: int) -> None:
    asks = sum(isinstance(step, Asks) for step in steps)
    # Failures cost the pool a second attempt and raise what an answer is thought to cost: at most to this.
    cost = (2 * asks + 20) / 20
    rpd = 2 * asks + int(cost * surely_enough(len(MEMBERS), asks)) + 1 + spare
    world = play(Setting(rpd=rpd, history=PAST), steps)
    assert not any(end == "daily_share_spent" for ends in world.ends.values() for end in ends)


def refused(days: Callable[[], Days]) -> bool:
    steps = [Asks(at=10.0 * number, member=0, answer=1) for number in range(80)]
    rpd = 80 + surely_enough(1, 80)
    world = play(Setting(rpd=rpd, history=PAST, days=days), steps)
    return any("daily_share_spent" in ends for ends in world.ends.values())


def test_control_a_fixed_share_refuses_one_although_all_demand_fits() -> None:
    assert not refused(FairDays)
    assert refused(partial(RuledDays, FixedShare))


class Envy(AssertionError):
    """Someone may go while a member of equal weight with fewer units may not."""


def nobody_is_envied(world: World) -> None:
    for scheduler in world.schedulers:
        standing: list[tuple[int, float, bool, Member]] = []
        for number, member in enumerate(MEMBERS):
            own = world.terms.member(member.key)
            decision = scheduler.decision(member, community_of(number))
            assert decision is not None
            if not own.every_day:
                standing.append((decision.taken, own.weight, decision.admitted, member))
        for taken, weight, admitted, member in standing:
            for fewer, same, let, other in standing:
                if admitted and taken >= 1 and fewer < taken and same == weight and not let:
                    raise Envy(f"{member.user} with {taken} may go, {other.user} with {fewer} may not")


@given(runs(SPAN, crashes(SPAN), account(SPAN), laid_down), st.integers(3, 60))
def test_at_no_instant_is_one_with_fewer_units_refused_where_one_with_more_may_go(steps: list[Step], rpd: int) -> None:
    play(Setting(rpd=rpd, history=PAST), steps, nobody_is_envied)


def envied(caution: Caution) -> bool:
    try:
        for rpd in (5, 8, 20):
            days = partial(FairDays, caution=caution)
            play(Setting(rpd=rpd, history=PAST, days=days), in_turn(400.0, 16), nobody_is_envied)
    except Envy:
        return True
    return False


def test_control_generosity_to_those_who_have_is_envied() -> None:
    assert not envied(HOLDING)
    assert envied(Caution(first=0.05, more=0.99, scarce=0.99))


def test_the_watched_world_meets_what_it_is_to_judge() -> None:
    """Second attempts, crashes, refusals: the rules above are not true for want of an occasion."""
    steps: list[Step] = [
        *(Asks(at=60.0 * at, member=at % 8, course="failed" if at % 3 else "answered") for at in range(40)),
        Crashes(at=1000),
    ]
    world = play(Setting(rpd=30, history=PAST, days=Made), steps)
    ends = [end for own in world.ends.values() for end in own]
    assert {"answered", "daily_share_spent"} <= set(ends)
    assert len(world.sends) > ends.count("answered") + ends.count("failed")
