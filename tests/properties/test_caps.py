"""Never more than the day's and the minute's requests, however many processes send them and however they end."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bot.clock import DAY, Instant, day_of
from bot.quota.ledger import Caps, DaySpent, MinuteFull
from bot.quota.memory import MemoryLedger, _Pool
from bot.quota.sharing import Days, FairDays, FirstComeDays
from tests.fakes.deployment import most_in_any
from tests.properties.steps import Asks, Crashes, Limits, Step, account, crashes, runs
from tests.properties.world import Setting, World, play

SPAN = 300.0
BEFORE_MIDNIGHT = DAY - SPAN / 2


def over(world: World, *, rpm: int, rpd: int) -> str | None:
    """Which cap was broken, by what really left."""
    moments = [at for at, _ in world.sends]
    if most_in_any(62, moments) > rpm:
        return "62 seconds"
    if max(Counter(at // 60 for at in moments).values(), default=0) > rpm:
        return "clock minute"
    return "day" if max(world.days_sends().values(), default=0) > rpd else None


@given(
    runs(SPAN, crashes(SPAN), account(SPAN), processes=3, most=60),
    st.integers(1, 6),
    st.integers(1, 40),
    st.integers(1, 3),
    st.sampled_from([36_000.0, BEFORE_MIDNIGHT]),
    st.sampled_from([FairDays, FirstComeDays]),
)
def test_the_day_and_the_minute_hold_over_processes_and_crashes(
    steps: list[Step], rpm: int, rpd: int, processes: int, begins: float, days: type[Days]
) -> None:
    world = play(Setting(rpm=rpm, rpd=rpd, processes=processes, begins=begins, days=days), steps)
    most = max([rpd, *(step.rpd for step in steps if isinstance(step, Limits))])
    assert over(world, rpm=rpm, rpd=most) is None


@given(runs(SPAN, crashes(SPAN), processes=2, most=30), st.integers(1, 4))
def test_nothing_leaves_within_three_seconds_of_midnight(steps: list[Step], rpm: int) -> None:
    world = play(Setting(rpm=rpm, rpd=1000, processes=2, begins=BEFORE_MIDNIGHT), steps)
    assert all(3 <= at % DAY < DAY - 3 for at, _ in world.sends)


class NoMinute(MemoryLedger):
    """A ledger that leaves the minute to each process."""

    def _denied(self, pool: _Pool, now: Instant, caps: Caps) -> MinuteFull | DaySpent | None:
        denied = super()._denied(pool, now, caps)
        return None if isinstance(denied, MinuteFull) else denied


class NoDay(MemoryLedger):
    """A ledger that leaves the day to each process."""

    def _denied(self, pool: _Pool, now: Instant, caps: Caps) -> MinuteFull | DaySpent | None:
        denied = super()._denied(pool, now, caps)
        return None if isinstance(denied, DaySpent) else denied


class Forgetful(MemoryLedger):
    """A ledger that takes what a crash cut off for never sent."""

    async def recover(self) -> int:
        for lease, claim in list(self._open.values()):
            pool = self._pools[lease.pool]
            pool.used[day_of(lease.reserved_at)] -= 1
            pool.window.drop(lease.reserved_at, claim.member)
        return await super().recover()


SMALL = Setting(processes=2, days=FirstComeDays)
TWO_AT_ONCE = [Asks(at=0.1 * number, member=number, process=number % 2) for number in range(8)]
CRASH_IN_THE_MIDST: list[Step] = [
    *(Asks(at=0.1 * number, member=number, answer=60) for number in range(3)),
    Crashes(at=2),
    *(Asks(at=3 + 0.1 * number, member=3 + number) for number in range(3)),
]


def test_controls_without_the_ledgers_conditions_each_cap_is_broken() -> None:
    minute, day = replace(SMALL, rpm=3), replace(SMALL, rpd=3)
    assert over(play(minute, TWO_AT_ONCE), rpm=3, rpd=50) is None
    assert over(play(day, TWO_AT_ONCE), rpm=20, rpd=3) is None
    assert over(play(replace(minute, ledger=NoMinute), TWO_AT_ONCE), rpm=3, rpd=50) == "62 seconds"
    assert over(play(replace(day, ledger=NoDay), TWO_AT_ONCE), rpm=20, rpd=3) == "day"


def test_control_a_crash_whose_leases_come_back_sends_too_much() -> None:
    assert over(play(Setting(rpm=3, rpd=50), CRASH_IN_THE_MIDST), rpm=3, rpd=50) is None
    forgetful = Setting(rpm=3, rpd=50, max_wait=20, ledger=Forgetful)
    assert over(play(forgetful, CRASH_IN_THE_MIDST), rpm=3, rpd=50) == "62 seconds"
