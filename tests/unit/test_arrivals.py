"""Who is expected to join the line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.clock import Instant
from bot.messages import Member
from bot.quota.arrivals import MOST, REMEMBERED, Arrivals, Coming


def member(number: int) -> Member:
    return Member("web", str(number))


def came(*moments: float, to: type[Arrivals] = Arrivals) -> Arrivals:
    """Somebody else each time."""
    arrivals = to()
    for number, at in enumerate(moments):
        arrivals.came(Instant(at), member(number))
    return arrivals


def expected(arrivals: Arrivals, now: float, within: float) -> int:
    return sum(one.at <= now + within for one in arrivals.expected(Instant(now)))


def test_nobody_is_expected_where_nobody_came() -> None:
    assert list(Arrivals().expected(Instant(0))) == []


def test_an_even_pace_is_expected_to_go_on() -> None:
    evenly = came(*range(0, 600, 6))
    assert expected(evenly, 600, 60) == pytest.approx(10, rel=0.3)
    assert expected(evenly, 600, 300) == pytest.approx(50, rel=0.3)
    assert expected(evenly, 600, 900) == pytest.approx(150, rel=0.3), "what has lasted so long goes on for longer"


def test_no_more_are_expected_than_came_within_as_long_a_time_and_the_next_one() -> None:
    assert not too_many(Arrivals)


def too_many(make: type[Arrivals]) -> bool:
    """After a rush of ten seconds, at once and later."""
    rush = came(*(number / 2 for number in range(20)), to=make)
    return any(
        expected(rush, now, within) > 1 + sum(number / 2 >= now - within for number in range(20))
        for now in (10, 15, 60)
        for within in (5, 10, 30, 100)
    )


class Hopeful(Arrivals):
    """Expects the pace of the last visits to go on for good."""

    def expected(self, now: Instant) -> Iterator[Coming]:
        pace = (now - self._visits[0].at) / len(self._visits)
        return (Coming(Instant(now + pace * number), member(0), new=True) for number in range(1000))


def test_control_a_pace_that_goes_on_for_good_brings_more_than_came() -> None:
    assert too_many(Hopeful)


def test_less_is_expected_the_longer_nobody_comes() -> None:
    steady = [number * 6.0 for number in range(100)]
    pace = [expected(came(*steady), now, 120) for now in (600, 630, 660, 720)]
    assert pace[0] > 15, "the control: at once"
    assert pace == sorted(pace, reverse=True)
    assert pace[-1] < pace[0] / 2


def test_who_was_here_before_is_expected_as_themselves_and_others_as_somebody_new() -> None:
    arrivals = came(0, 10)
    for at in (20, 40, 60, 80, 100):
        arrivals.came(Instant(at), member(0))
        arrivals.came(Instant(at + 10), member(at))
    kinds = {(one.member, one.new) for one in arrivals.expected(Instant(111))}
    assert kinds >= {(member(0), False), (member(100), True)}
    assert (member(100), False) not in kinds


def test_questions_brought_at_once_are_one_visit() -> None:
    alone, several = came(*range(0, 600, 10)), Arrivals()
    for at in range(0, 600, 10):
        for more in (0, 0.5, 1, 1.5):
            several.came(Instant(at + more), member(at))
    coming = list(several.expected(Instant(600)))
    assert len({one.at for one in coming}) == len(list(alone.expected(Instant(600))))
    assert len(coming) == 4 * len({one.at for one in coming})


def test_they_come_in_order_and_none_in_the_past() -> None:
    arrivals = came(0, 1, 1, 1, 5, 80, 81, 300, 301, 302)
    moments = [one.at for one in arrivals.expected(Instant(303))]
    assert moments == sorted(moments)
    assert all(at >= 303 for at in moments)


def test_a_rush_rises_at_its_beginning_only() -> None:
    assert came(*(number / 2 for number in range(10))).rise(Instant(5))
    assert not came(*(number / 2 for number in range(120))).rise(Instant(60)), "it has gone on like this for a minute"
    assert not came(*range(0, 600, 6)).rise(Instant(600))
    assert not came(0, 1).rise(Instant(2)), "two are no rush"


def test_what_is_remembered_is_bounded() -> None:
    arrivals = came(*(number / 100 for number in range(3 * MOST)))
    assert expected(arrivals, 12, 1e6) <= 2 * MOST
    for number in range(10):
        arrivals.came(Instant(13 + REMEMBERED + 5 * number), member(-number))
    late = {one.member.user for one in arrivals.expected(Instant(60 + REMEMBERED))}
    assert late
    assert all(int(user) <= 0 for user in late)
