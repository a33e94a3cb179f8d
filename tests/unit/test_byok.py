"""The estimate of what providers' own keys cost at OpenRouter."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.openrouter import wire
from bot.routing.byok import ByokRule, month

RULE = ByokRule(free_usd=Decimal(25_000), fee_percent=Decimal(5))
USD = st.decimals(min_value=0, max_value=10**9, places=6)


@pytest.mark.parametrize(
    ("served", "left", "fee"),
    [("0", "25000", "0"), ("25000", "0", "0"), ("25000.01", "0", "0.0005"), ("30000", "0", "250")],
)
def test_a_fee_is_taken_for_what_is_beyond_the_allowance(served: str, left: str, fee: str) -> None:
    so_far = month(Decimal(served), RULE)
    assert (so_far.served, so_far.left, so_far.fee) == (Decimal(served), Decimal(left), Decimal(fee))
    assert so_far.rule == RULE, "with the rule that it was reckoned by"


@given(served=USD, free=USD, percent=st.decimals(min_value=0, max_value=100, places=2))
def test_there_is_an_allowance_left_or_a_fee_and_never_both(served: Decimal, free: Decimal, percent: Decimal) -> None:
    so_far = month(served, ByokRule(free_usd=free, fee_percent=percent))
    assert so_far.left >= 0
    assert so_far.fee >= 0
    assert not (so_far.left and so_far.fee)
    assert so_far.fee <= served


@pytest.mark.parametrize(
    ("usage", "upstream"),
    [
        ({"is_byok": True, "cost": 0, "cost_details": {"upstream_inference_cost": 0.25}}, Decimal("0.25")),
        ({"is_byok": True, "cost": 0, "cost_details": {"upstream_inference_cost": None}}, Decimal(0)),
        ({"is_byok": True, "cost": 0}, Decimal(0)),
        ({"is_byok": True, "cost": 0, "cost_details": {"upstream_inference_cost": -1}}, Decimal(0)),
        # A price stands there without a provider's key, too: seen in recordings of August 2026.
        ({"is_byok": False, "cost": 0.01, "cost_details": {"upstream_inference_cost": 0.01}}, None),
        ({"cost": 0.01, "cost_details": {"upstream_inference_cost": 0.01}}, None),
        ({"is_byok": "true", "cost": 0}, None),
        ({}, None),
    ],
)
def test_only_an_answer_that_says_so_was_by_a_providers_key(usage: dict[str, Any], upstream: Decimal | None) -> None:
    assert wire.usage(usage).upstream_usd == upstream
    assert wire.usage(usage).whole_usd == wire.usage(usage).cost_usd + (upstream or 0)
