"""Why there is no endpoint: from codes, from what excluded them, from the funnel and from words."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import NoRoute
from bot.openrouter.no_route import no_route

WORDS: list[tuple[str, NoRoute]] = [
    ("No endpoints found for acme/small:free.", "model_gone"),
    ("No endpoints found for acme/image-tool-context:free", "model_gone"),
    ("acme/none:free is not a valid model ID", "model_gone"),
    ("No endpoints found for acme/small:free that support image input", "images"),
    ("No endpoints found that support image input", "images"),
    ("No endpoints found that support tool use. To learn more, visit: https://example.org/docs", "tools"),
    ("No endpoints found matching your data policy (Free model training).", "data_policy"),
    ("No endpoints available matching your guardrail restrictions and data policy.", "data_policy"),
    ("No endpoints found that can take a context of 99999 tokens", "context"),
    ("No endpoints found under your max price", "price"),
    ("acme/small is not available in your region", "region"),
    ("No models match your request and model restrictions", "other"),
    ("No allowed providers are available for the selected model. Providers serving acme/tools: acme", "other"),
    ("There is no available model provider that meets your routing requirements", "other"),
    ("", "other"),
]


@pytest.mark.parametrize(("message", "route"), WORDS)
def test_by_words(message: str, route: NoRoute) -> None:
    assert no_route({"message": message}, message) == route


@pytest.mark.parametrize(
    ("availability", "route"),
    [
        ({"code": "free_variant_ended"}, "model_gone"),
        ({"code": "model_not_found"}, "model_gone"),
        ({"code": "model_deprecated"}, "model_gone"),
        ({"code": "model_unavailable_upstream"}, "model_gone"),
        ({"code": "region_restricted"}, "region"),
        ({"code": "privacy_restricted"}, "data_policy"),
        ({"code": "no_endpoints"}, "other"),
        ({"code": "constraint_filtered"}, "other"),
        ({"code": "constraint_filtered", "excluded_by": ["max_price"]}, "price"),
        ({"code": "constraint_filtered", "excluded_by": ["context_length"]}, "context"),
        ({"code": "constraint_filtered", "excluded_by": ["data_policy:zdr"]}, "data_policy"),
        ({"code": "no_endpoints", "excluded_by": ["quantization", "data_policy:training"]}, "data_policy"),
        ({"code": "no_endpoints", "excluded_by": ["geo"]}, "region"),
        ({"code": "no_endpoints", "excluded_by": ["data_region"]}, "region"),
        ({"code": "constraint_filtered", "constraint": {"field": "max_price", "detail": "?"}}, "price"),
        ({"code": "constraint_filtered", "constraint": {"field": "?", "detail": "no tool use"}}, "tools"),
        ({"code": "constraint_filtered", "excluded_by": ["require_parameters"]}, "other"),
        ({"code": "constraint_filtered", "excluded_by": ["allowed_providers"]}, "other"),
        ({"code": "constraint_filtered", "excluded_by": "max_price"}, "price"),
    ],
)
def test_by_availability(availability: dict[str, Any], route: NoRoute) -> None:
    assert no_route({"availability": availability}, "?") == route


def test_the_funnel_says_where_none_was_left() -> None:
    assert no_route({"metadata": {"failed_routing_step": "Filter by Data Policy"}}, "No endpoints") == "data_policy"
    assert no_route({"metadata": {"failed_routing_step": "Filter by Context Length"}}, "No endpoints") == "context"


def test_every_reason_can_be_given() -> None:
    assert {route for _, route in WORDS} == set(get_args(NoRoute))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["code", "excluded_by", "constraint", "field", "detail"]), inner)
    ),
)


@given(JSON, JSON, st.text())
def test_anything_has_a_reason(availability: Any, metadata: Any, message: str) -> None:
    assert no_route({"availability": availability, "metadata": metadata}, message) in get_args(NoRoute)
