"""Why nobody took a request, in every way it has been said."""

from __future__ import annotations

from typing import Any

import pytest

from bot.clock import SystemClock
from bot.errors import FailureKind, NoRoute
from bot.openrouter import wire
from bot.openrouter.errors import Failures
from bot.openrouter.no_route import no_route
from bot.openrouter.sandbox import FAULTS
from bot.openrouter.sandbox.fault import Refuses, Scene

SAID: dict[str, NoRoute] = {
    "unknown_model": "model_gone",
    "no_endpoints": "model_gone",
    "free_variant_ended": "model_gone",
    "deprecated": "model_gone",
    "data_policy": "data_policy",
    "data_policy_2025": "data_policy",
    "guardrail_policy": "data_policy",
    "privacy_restricted": "data_policy",
    "no_images": "images",
    "no_tools": "tools",
    "region_restricted": "region",
    "over_price": "price",
    "not_allowed": "other",
    "no_match": "other",
    "no_provider_503": "other",
}


@pytest.mark.parametrize("fault", SAID)
def test_every_way_it_has_been_said(fault: str) -> None:
    act = FAULTS[fault].act
    assert isinstance(act, Refuses)
    now = SystemClock().now()
    refusal = act.make(Scene(at=now, rpm=20, rpd=50, model="acme/small:free"))
    body = wire.encoded({"error": refusal.error()})
    failure = Failures(clock=SystemClock(), secret="").of_answer(refusal.code, {}, body)
    assert (failure.kind, failure.route) == (FailureKind.NO_ENDPOINTS, SAID[fault])


@pytest.mark.parametrize(
    ("availability", "route"),
    [
        ({"code": "constraint_filtered", "excluded_by": ["context_length"]}, "context"),
        ({"code": "constraint_filtered", "excluded_by": ["data_policy:zdr"]}, "data_policy"),
        ({"code": "constraint_filtered", "excluded_by": "max_price"}, "other"),
        ({"code": 7, "excluded_by": [None, 3]}, "other"),
        ({}, "other"),
    ],
)
def test_what_its_own_words_say(availability: dict[str, Any], route: NoRoute) -> None:
    assert no_route("", availability) == route
