"""The minute: never too many in any window, and never fewer than there could be."""

from __future__ import annotations

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from bot.clock import Instant
from bot.messages import Member
from bot.quota.ledger import WINDOW
from bot.quota.window import Window
from tests.fakes.deployment import most_in_any

ANN = Member("web", "ann")
rpms = st.integers(1, 8)
gaps = st.lists(st.floats(0, 90), max_size=60)


def times(gaps: list[float]) -> list[Instant]:
    now, moments = 1000.0, []
    for gap in gaps:
        now += gap
        moments.append(Instant(now))
    return moments


@given(rpms, gaps)
def test_starts_that_it_allows_never_exceed_the_cap_in_any_window(rpm: int, gaps: list[float]) -> None:
    window, started = Window(rpm), []
    for now in times(gaps):
        if window.used(now) < rpm:
            window.start(now, ANN)
            started.append(now)
    assert most_in_any(WINDOW, started) <= rpm


def test_a_window_that_counts_clock_minutes_only_would_let_twice_as_many_through() -> None:
    """The control: the rule most limiters have breaks the property above."""
    started, counts = [], dict[int, int]()
    for now in [119.0] * 5 + [121.0] * 5:
        minute = int(now // 60)
        if counts.get(minute, 0) < 5:
            counts[minute] = counts.get(minute, 0) + 1
            started.append(now)
    assert most_in_any(WINDOW, started) == 10


@given(rpms, gaps, st.integers(1, 30))
def test_the_openings_are_exactly_when_greedy_starts_happen(rpm: int, gaps: list[float], ahead: int) -> None:
    window = Window(rpm)
    for moment in times(gaps):
        if window.used(moment) < rpm:
            window.start(moment, ANN)
    now = Instant(times([*gaps, 1.0])[-1])
    promised = list(islice(window.openings(now), ahead))
    for opening in promised:
        assert window.used(Instant(opening + 1e-6)) < rpm
        window.start(opening, ANN)
    assert promised == sorted(promised)


@given(rpms, st.lists(st.floats(900, 1100), min_size=1, max_size=12))
def test_a_lowered_cap_holds_back_until_enough_have_left(rpm: int, starts: list[float]) -> None:
    window = Window(rpm, [(Instant(start), ANN) for start in sorted(starts)])
    now = Instant(1100.0)
    first = next(window.openings(now))
    if first > now:
        assert window.used(Instant(first - 1e-3)) >= rpm
    assert window.used(Instant(first + 1e-6)) < rpm


def test_a_dropped_start_never_counted() -> None:
    window = Window(1)
    window.start(Instant(100), ANN)
    window.drop(Instant(100), ANN)
    window.drop(Instant(100), ANN)
    assert window.used(Instant(100)) == 0
