"""What was promised is kept, never more is promised than is left, and every question ends exactly once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from bot.clock import Instant
from bot.quota.admission import Admission
from bot.quota.day import FairDay
from bot.quota.leasing import Leasing
from bot.quota.ledger import Lease, Outcome
from bot.quota.line import Ticket
from bot.quota.past import Past
from bot.quota.scheduler import Scheduler
from bot.quota.sharing import FairDays, FairSharing
from tests.properties.steps import (
    COMMUNITIES,
    MEMBERS,
    TODAY,
    Asks,
    Crashes,
    Reports,
    Step,
    account,
    community_of,
    crashes,
    past_days,
    runs,
)
from tests.properties.world import Setting, World, play, played

SPAN = 4000.0
"""More than an hour, after which promises run out."""
PAST = past_days(24)
PROMISING = Setting(rpd=40, history=PAST, days=partial(FairDays, promise_units=2))


class Broken(AssertionError):
    """A rule was broken in the midst of a run."""


# --- promises --------------------------------------------------------------------------------------------


def never_more_than_is_left(world: World) -> None:
    """What all members have for sure together, as each is told it, can be sent to all of them."""
    if not world.schedulers or world.lowered:
        return
    scheduler = world.scheduler
    shares = [scheduler.share(member, community_of(number)) for number, member in enumerate(MEMBERS)]
    sure = sum(share.left_sure for share in shares)
    if sure > world.rpd - world.days_sends()[TODAY]:
        raise Broken(f"{sure} units are promised")


@given(runs(SPAN, crashes(SPAN)), st.integers(1, 40), st.integers(1, 2))
def test_promises_are_kept_and_never_more_than_what_is_left(steps: list[Step], rpd: int, units: int) -> None:
    setting = replace(PROMISING, rpd=rpd, days=partial(FairDays, promise_units=units))
    assert play(setting, steps, never_more_than_is_left).broken == []


@given(runs(SPAN, crashes(SPAN), account(SPAN)), st.integers(1, 40))
def test_no_more_is_promised_than_is_left_also_when_the_account_takes_something_away(
    steps: list[Step], rpd: int
) -> None:
    def look(world: World) -> None:
        for scheduler in world.schedulers:
            if scheduler.used >= scheduler.caps.rpd:
                shares = [scheduler.share(member, community_of(number)) for number, member in enumerate(MEMBERS)]
                assert all(share.left_sure == share.left_now == 0 for share in shares), "nothing is sure of nothing"

    play(replace(PROMISING, rpd=rpd), steps, look)


class Kind(FairDays):
    """Fair days of another make."""

    def __init__(self, make: type[FairDay]) -> None:
        super().__init__(promise_units=2)
        self._make = make

    def begin(self, day: int, rpd: int) -> FairSharing:
        return FairSharing(self._make(day, rpd=rpd, past=Past(day, list(self._everyone), {}), promise_units=2))


class Heedless(FairDay):
    """Lets others have what was promised."""

    def left(self, moment: Instant) -> int:
        return self.left_in_all()


class Lavish(FairDay):
    """Promises without a look at what is left."""

    def promisable(self, member: str, moment: Instant) -> int:
        return 2


EACH_ONE_AND_THE_FIRST_AGAIN = [
    *(Asks(at=30.0 * number, member=number % 8, answer=1) for number in range(32)),
    *(Asks(at=1000.0 + number, member=number, answer=1) for number in range(8)),
]


def broken(days: Callable[[], FairDays], rpd: int) -> bool:
    """A promise is broken, or too many are given."""
    evening = replace(PROMISING, rpd=rpd, begins=80_000.0, days=days)
    try:
        return bool(play(evening, EACH_ONE_AND_THE_FIRST_AGAIN, never_more_than_is_left).broken)
    except Broken:
        return True


def test_controls_a_day_that_is_heedless_of_its_promises_or_lavish_with_them_breaks_them() -> None:
    assert not any(broken(partial(Kind, FairDay), rpd) for rpd in range(4, 20))
    assert any(broken(partial(Kind, Heedless), rpd) for rpd in range(4, 20))
    assert any(broken(partial(Kind, Lavish), rpd) for rpd in range(4, 20))


# --- endings ---------------------------------------------------------------------------------------------


def wrong_ends(world: World, steps: Sequence[Step], open_leases: int) -> str | None:
    """What did not end, or ended twice."""
    asked = sum(isinstance(step, Asks) for step in steps)
    if len(world.ends) != asked or any(len(ends) != 1 for ends in world.ends.values()):
        return "a question"
    if any(scheduler.waiting or scheduler.answering for scheduler in world.schedulers):
        return "a ticket"
    closings = Counter(lease for wire in world.wires for lease in wire.closed)
    return "a lease" if open_leases or any(times != 1 for times in closings.values()) else None


async def still_open(world: World) -> int:
    """Leases nobody closed, once all that was under way has reached the ledger."""
    await world.close()
    return await world.ledger.recover()


@given(
    runs(SPAN, crashes(SPAN), account(SPAN), processes=2),
    st.integers(1, 6),
    st.integers(1, 40),
    st.sampled_from([5.0, 900.0]),
    st.sampled_from([0.0, 0.004, 3.0]),
)
def test_every_question_ends_exactly_once(
    steps: list[Step], rpm: int, rpd: int, max_wait: float, latency: float
) -> None:
    setting = replace(PROMISING, rpm=rpm, rpd=rpd, max_wait=max_wait, latency=latency, processes=2)
    world, leases = played(setting, steps, still_open)
    assert wrong_ends(world, steps, leases) is None


@given(runs(600.0, most=30), st.integers(1, 40))
def test_what_is_charged_in_the_end_is_what_left(steps: list[Step], rpd: int) -> None:
    """A member is charged once for a question that left, and not at all for any other; the pool for each request."""
    world = play(replace(PROMISING, rpd=rpd, latency=0.0), steps)
    ends = {number: ends[0] for number, ends in world.ends.items()}
    assert world.scheduler.used_here == len(world.sends)
    by_number = dict(enumerate(sorted(steps, key=lambda step: step.at)))
    for place, member in enumerate(MEMBERS):
        charged = world.scheduler.share(member, community_of(place)).used
        own = Counter(ends[at] for at, step in by_number.items() if isinstance(step, Asks) and step.member == place)
        sent = own["answered"] + own["stopped"]
        # Of those that went away some were in the midst of an answer.
        assert sent <= charged <= sent + own["gone"]


class Forgetful(Admission):
    """Forgets that whoever goes away leaves a place behind."""

    def _leave(self, ticket: Ticket) -> None:
        if not len(self._line):
            super()._leave(ticket)


class Leaky(Scheduler):
    """A scheduler with it."""

    def __init__(self, **parts: object) -> None:
        super().__init__(**parts)  # type: ignore[arg-type]
        self._admission = Forgetful(
            book=self._book,
            bounds=self._bounds,
            line=self._line,
            starts=self._starts,
            leasing=self._leasing,
            others=None,
            clock=self._clock,
            max_wait=900,
        )


class Twice(Leasing):
    """Settles what a second attempt has settled already."""

    async def settle(self, lease: Lease, outcome: Outcome) -> None:
        self._undone.pop(lease.id, None)
        self._sent_at.setdefault(lease.id, lease.reserved_at)
        await super().settle(lease, outcome)


class Settling(Scheduler):
    """A scheduler with them."""

    def __init__(self, **parts: object) -> None:
        super().__init__(**parts)  # type: ignore[arg-type]
        self._leasing = self._admission._leasing = Twice(book=self._book, starts=self._starts)


GOES_AWAY = [Asks(at=0, member=0, answer=20), Asks(at=1, member=0, gone_after=5), Asks(at=2, member=0, gone_after=5)]
GOES_DURING_THE_SECOND = [Asks(at=0, member=0, answer=5, course="failed", gone_after=5.017)]


def test_control_a_place_that_is_not_left_never_ends() -> None:
    world, leases = played(Setting(), GOES_AWAY, still_open)
    assert wrong_ends(world, GOES_AWAY, leases) is None
    world, leases = played(Setting(scheduler=Leaky), GOES_AWAY, still_open)
    assert wrong_ends(world, GOES_AWAY, leases) == "a ticket"


def test_control_a_second_attempt_whose_caller_went_away_would_close_the_first_twice() -> None:
    slow = Setting(latency=0.01)
    world, leases = played(slow, GOES_DURING_THE_SECOND, still_open)
    assert wrong_ends(world, GOES_DURING_THE_SECOND, leases) is None
    assert world.wires[0].closed
    world, leases = played(replace(slow, scheduler=Settling), GOES_DURING_THE_SECOND, still_open)
    assert wrong_ends(world, GOES_DURING_THE_SECOND, leases) is not None


def test_a_crash_leaves_nothing_open_and_spends_what_it_cut() -> None:
    steps: list[Step] = [Asks(at=0, member=0, answer=60), Asks(at=0, member=1, answer=60), Crashes(at=5), Reports(9, 0)]
    world, leases = played(Setting(), steps, still_open)
    assert (leases, world.scheduler.used_here) == (0, 2)
    assert world.scheduler.share(MEMBERS[0], COMMUNITIES[0]).used == 0
