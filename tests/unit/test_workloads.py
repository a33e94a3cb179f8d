"""Made traffic: seeded, in order, and each kind with the trouble it is named for."""

from __future__ import annotations

from collections import Counter

import pytest

from bot.clock import DAY
from bot.quota.history import Ask
from bot.quota.workloads import FIRST_DAY, KINDS, Kind, make


def mean_members(days: list[list[Ask]]) -> float:
    return sum(len({ask.member for ask in asks}) for asks in days) / len(days)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_seeded_in_order_and_overloads_the_pool(kind: Kind) -> None:
    traffic = make(kind, days=36, seed=3)
    assert traffic == make(kind, days=36, seed=3)
    assert traffic != make(kind, days=36, seed=4)
    assert list(traffic) == list(range(FIRST_DAY, FIRST_DAY + 36))
    for asks in traffic.values():
        assert list(asks) == sorted(asks)
        assert all(0 <= ask.second < DAY for ask in asks)
    assert sum(map(len, traffic.values())) / len(traffic) > (40 if kind == "regime3x" else 60)


def test_a_member_belongs_to_one_community() -> None:
    homes = {(ask.member, ask.community) for asks in make("regime3x").values() for ask in asks}
    assert len(homes) == len({member for member, _ in homes})


def test_the_flooder_floods_and_the_new_one_only_after_the_warm_up() -> None:
    cases: list[tuple[Kind, int]] = [("flooder", 2000), ("flooder_new", 0)]
    for kind, before in cases:
        traffic = list(make(kind).values())
        assert Counter(ask.member for ask in traffic[0])["flooder"] == before
        assert Counter(ask.member for ask in traffic[40])["flooder"] == 2000


def test_the_late_wave_comes_in_the_evening_and_the_new_one_on_some_days() -> None:
    evening = [sum(ask.second > DAY * 0.75 for ask in asks) / len(asks) for asks in make("latewave").values()]
    assert sum(evening) / len(evening) > 0.6
    guests = [sum(ask.member.startswith("guest") for ask in asks) for asks in make("latewave_new").values()]
    assert not any(guests[:28])
    assert 5 < sum(count > 0 for count in guests[28:]) < 25


def test_the_members_become_three_times_as_many_and_stay() -> None:
    days = list(make("regime3x").values())
    assert 2.5 < mean_members(days[38:]) / mean_members(days[:38]) < 3.5


def test_volatile_days_differ_far_more_than_flat_ones() -> None:
    def spread(kind: Kind) -> float:
        counts = [len(asks) for asks in make(kind).values()]
        return max(counts) / min(counts)

    assert spread("volatile") > 2 * spread("poisson")


def test_a_burst_is_more_than_three_minutes_let_through() -> None:
    for asks in make("burst").values():
        assert sum(20 * 3600 <= ask.second < 20 * 3600 + 600 for ask in asks) > 60
