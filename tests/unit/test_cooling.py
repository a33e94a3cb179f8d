"""Models that just had no room are left alone: as long as they say, else longer each time; the router hardly at all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.clock import Instant
from bot.messages import ModelId
from bot.routing.catalogue import FREE_ROUTER
from bot.routing.cooling import FIRST, FORGOTTEN, LONGEST, ROUTER, Cooling

NOW = Instant(1_790_000_000.0)
MODEL, OTHER = ModelId("acme/small:free"), ModelId("acme/other:free")


def test_it_rests_as_long_as_it_says() -> None:
    cooling = Cooling()
    assert cooling.cool(MODEL, NOW, Instant(NOW + 7)) == NOW + 7
    assert set(cooling.cooling(Instant(NOW + 6.9))) == {MODEL}
    assert cooling.cooling(Instant(NOW + 7)) == {}


def test_without_a_hint_it_rests_longer_each_time() -> None:
    cooling, now, rests = Cooling(), NOW, []
    for _ in range(8):
        until = cooling.cool(MODEL, now)
        rests.append(until - now)
        now = until
    assert rests == [min(FIRST * 2**number, LONGEST) for number in range(8)]
    cooling.succeeded(MODEL)
    assert cooling.cool(MODEL, now) == now + FIRST, "an answer ends it"


def test_failures_of_questions_sent_together_are_one_trouble() -> None:
    cooling = Cooling()
    for number in range(5):
        at = Instant(NOW + number)
        assert cooling.cool(MODEL, at) == at + FIRST


def test_one_models_trouble_is_not_anothers() -> None:
    cooling = Cooling()
    cooling.cool(MODEL, NOW)
    assert OTHER not in cooling.cooling(NOW)


@given(hint=st.none() | st.integers(-100, 1_000_000), times=st.integers(1, 20))
def test_the_router_rests_two_seconds_at_most_and_only_where_it_was_asked(hint: float | None, times: int) -> None:
    cooling = Cooling()
    for _ in range(times):
        until = cooling.cool(FREE_ROUTER, NOW, None if hint is None else Instant(NOW + hint))
        assert until - NOW <= ROUTER
        assert (until == NOW) == (hint is None or hint <= 0)


@given(hints=st.lists(st.none() | st.floats(0.001, 1e7), max_size=30))
def test_no_rest_is_longer_than_an_hour_and_none_is_for_ever(hints: list[float | None]) -> None:
    cooling = Cooling()
    for hint in hints:
        cooling.cool(MODEL, NOW, None if hint is None else Instant(NOW + hint))
    assert cooling.cooling(Instant(NOW + FORGOTTEN)) == {}
