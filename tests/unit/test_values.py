"""What is typed becomes a value within its bounds, or one sentence: never anything else, and never a surprise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.rendering.saying import Speech
from bot.clock import DAY, Instant
from bot.commands import values
from bot.commands.command import BadInput, Call, Caller, Checked, Everyone, Given, InGroup, InRole, Kind, Parameter
from bot.commands.saying import say
from bot.messages import CommunityId, Member

NOW = Instant(1_790_000_000.0)
ANN = Member("web", "ann")


class _Clock:
    def now(self) -> Instant:
        return NOW

    def monotonic(self) -> float:
        return 0.0


@dataclass
class _Desk:
    """As much of a desk as a value needs."""

    clock: _Clock

    def find_member(self, text: str, caller: Caller) -> Member | None:
        return ANN if text == "ann" else None

    def now(self) -> Instant:
        return NOW


def call() -> Call:
    caller = Caller(member=ANN, name="ann", community=CommunityId("web"))
    desk: Any = _Desk(_Clock())
    return Call(caller=caller, desk=desk, community=caller.community, rank="admin")


def parameter(kind: Kind, **more: Any) -> Parameter:
    return Parameter(name="value", kind=kind, about=say("A value"), **more)


def check(kind: Kind, given: Given, **more: Any) -> Checked:
    return values.check(parameter(kind, **more), given, call())


def refused(kind: Kind, given: Given, **more: Any) -> str:
    with pytest.raises(BadInput) as caught:
        check(kind, given, **more)
    return Speech(clock=_Clock()).say(caught.value.said)


KNOTTY = (
    *("1e9", "nan", "NaN", "inf", "-inf", "-1", "0", "3", "1,000", "1_000", "٣", "3.5", "$2.50", "1e-3", "0x10", ""),
    *("6h", "3d", "0d", "99999w", "18:00", "25:00", "2026-12-24", "2020-01-01", "9999-99-99", "0001-01-01", " "),
    *("everyone", "role:7", "ann", "discord:1", "2.50 USD"),
)
typed = st.text(max_size=40) | st.sampled_from(KNOTTY)
anything = typed | st.integers() | st.floats() | st.booleans()


@pytest.mark.parametrize("kind", get_args(Kind))
@given(given=anything, least=st.none() | st.integers(-5, 5), most=st.none() | st.integers(6, 500))
def test_whatever_is_typed_is_a_value_or_one_sentence(
    kind: Kind, given: Given, least: int | None, most: int | None
) -> None:
    try:
        value = check(kind, given, least=least, most=most)
    except BadInput as bad:
        said = Speech(clock=_Clock()).say(bad.said)
        assert said.endswith(".")
        assert "\n" not in said.replace(str(given), "")
        assert "{" not in said.replace(str(given), "")
        return
    match kind:
        case "whole":
            assert isinstance(value, int)
        case "number":
            assert isinstance(value, float)
            assert math.isfinite(value)
        case "usd":
            assert isinstance(value, Decimal)
            assert value.is_finite()
            assert int(value.as_tuple().exponent) >= -12, "no price has more places"
        case "moment":
            assert isinstance(value, float)
            assert value > NOW
        case "flag":
            assert isinstance(value, bool)
        case "member":
            assert isinstance(value, Member)
        case _:
            return
    if kind in ("whole", "number", "usd"):
        assert isinstance(value, int | float | Decimal)
        assert least is None or value >= least
        assert most is None or value <= most


@given(st.integers(0, 999_999_999_999))
def test_a_whole_number_is_read_as_it_was_written(number: int) -> None:
    assert check("whole", f"{number}") == check("whole", f"{number:,}") == check("whole", number) == number


@given(st.decimals(0, 1_000_000, places=6, allow_nan=False))
def test_an_amount_is_exact(amount: Decimal) -> None:
    for written in (f"{amount:f}", f"${amount:f}", f"{amount:f} USD"):
        assert check("usd", written) == amount


@pytest.mark.parametrize("given", ["1e9", "nan", "inf", "-1", "0", "3.5", "three", "", "9999999999999", True])
def test_no_number_of_units(given: Given) -> None:
    assert "value is" in refused("whole", given, least=1, most=100_000)


@pytest.mark.parametrize("given", ["nan", "NaN", "inf", "-inf", "1e9", "0", "-2", "lots", True])
def test_no_weight(given: Given) -> None:
    assert "value is" in refused("number", given, least=0.01, most=100)


@pytest.mark.parametrize("given", ["nan", "1e3", "-1", "ten", "1.0000000000001", "2000000", "$"])
def test_no_amount(given: Given) -> None:
    assert "value is" in refused("usd", given, least=0, most=1_000_000)


@pytest.mark.parametrize("given", ["2020-01-01", "2026-09-21 14:13", "0m", "0001-01-01", "yesterday", "31-12-2026"])
def test_a_time_is_one_to_come(given: str) -> None:
    assert "value is" in refused("moment", given)


@pytest.mark.parametrize(
    ("given", "later"),
    [("90m", 5400), ("6h", 21_600), ("3d", 3 * DAY), ("2w", 14 * DAY), ("14:14", 40), ("14:13", DAY - 20)],
)
def test_a_time_is_read(given: str, later: float) -> None:
    """It is 14:13:20 UTC."""
    assert check("moment", given) == NOW + later


def test_who_is_meant() -> None:
    assert check("member", "ann") == ANN
    assert check("grantee", "everyone") == Everyone()
    assert check("grantee", "role:7") == InRole("7")
    assert check("grantee", "group:S1") == InGroup("S1")
    assert "nobody" in refused("member", "nobody").lower()
    assert "web:ann" in refused("member", "nobody"), "with the fix"


def test_few_choices_are_named() -> None:
    assert check("text", " TODAY ", choices=("today", "every day")) == "today"
    assert "today, every day" in refused("text", "tomorrow", choices=("today", "every day"))
