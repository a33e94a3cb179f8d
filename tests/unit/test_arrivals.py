"""Who is expected to join the line."""

from __future__ import annotations

import pytest

from bot.clock import Instant
from bot.messages import Member
from bot.quota.arrivals import MOST, REMEMBERED, Arrivals


def member(number: int) -> Member:
    return Member("web", str(number))


def came(*moments: float) -> Arrivals:
    """Somebody else each time."""
    arrivals = Arrivals()
    for number, at in enumerate(moments):
        arrivals.came(Instant(at), member(number))
    return arrivals


def expected(arrivals: Arrivals, now: float, within: float) -> int:
    return sum(one.at <= now + within for one in arrivals.expected(Instant(now)))


def test_nobody_is_expected_where_nobody_came() -> None:
    assert list(Arrivals().expected(Instant(0))) == []


def test_an_even_pace_is_expected_to_go_on() -> None:
    evenly = came(*range(0, 600, 6))
    assert expected(evenly, 600, 60) == pytest.approx(10, abs=1)
    assert expected(evenly, 600, 300) == pytest.approx(50, abs=2)
    assert expected(evenly, 600, 900) == pytest.approx(150, abs=5), "what has lasted so long goes on for longer"


def test_a_rush_is_expected_to_go_on_for_as_long_as_it_lasted_and_no_longer() -> None:
    rush = came(*(number / 2 for number in range(20)))
    assert expected(rush, 10, 10) == pytest.approx(20, abs=3)
    assert expected(rush, 10, 600) <= 20


def test_a_rush_that_has_ebbed_is_not_expected_again() -> None:
    rush = came(*(number / 2 for number in range(20)))
    assert expected(rush, 10, 600) > 15, "the control: while it lasts"
    assert expected(rush, 30, 600) < 8
    assert expected(rush, 60, 600) < 8


def test_who_was_here_before_is_expected_as_themselves_and_others_as_somebody_new() -> None:
    arrivals = came(0, 10)
    for at in (20, 40, 60):
        arrivals.came(Instant(at), member(0))
    kinds = {(one.member, one.new) for one in arrivals.expected(Instant(61))}
    assert kinds >= {(member(0), False), (member(1), True)}
    assert (member(1), False) not in kinds


def test_questions_brought_at_once_are_one_visit() -> None:
    arrivals = Arrivals()
    for at in (0, 0.5, 1, 1.5):
        arrivals.came(Instant(at), member(0))
    coming = list(arrivals.expected(Instant(2)))
    assert len(coming) == 4
    assert len({one.at for one in coming}) == 1


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
    assert expected(arrivals, 12, 1e6) <= MOST
    arrivals.came(Instant(13 + REMEMBERED), member(0))
    assert {one.member for one in arrivals.expected(Instant(14 + REMEMBERED))} == {member(0)}
