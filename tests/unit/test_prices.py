"""What a request costs at most: never less than any way OpenRouter could charge it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.messages import ModelId
from bot.openrouter import wire
from bot.routing.catalogue import ExtraPrice, ModelInfo
from bot.routing.prices import (
    Priced,
    Rates,
    Size,
    Unpriced,
    Variable,
    max_price,
    most_cost,
    plain,
    price,
    prompt_tokens,
    shown,
)

SONNET = {
    "id": "maker/sonnet",
    "pricing": {
        "prompt": "0.000003",
        "completion": "0.000015",
        "web_search": "0.01",
        "input_cache_read": "0.0000003",
        "input_cache_write": "0.00000375",
        "overrides": [{"min_prompt_tokens": 200000, "prompt": "0.000006", "completion": "0.0000225"}],
    },
}
_prices = st.decimals(min_value=0, max_value=1, places=12)
_sizes = st.builds(
    Size,
    prompt_tokens=st.integers(0, 10**7),
    completion_tokens=st.integers(0, 10**6),
    images=st.integers(0, 9),
)


def model(pricing: dict[str, object]) -> ModelInfo:
    return wire.model_list({"data": [{"id": "maker/model", "pricing": pricing}]})[0]


def priced(entry: ModelInfo, size: Size) -> Priced:
    found = price(entry, size)
    assert isinstance(found, Priced), found
    return found


def test_a_long_prompt_is_priced_by_its_tier_and_a_kept_one_by_its_dearest_kind() -> None:
    entry = wire.model_list({"data": [SONNET]})[0]
    short = priced(entry, Size(prompt_tokens=199_999, completion_tokens=1))
    long = priced(entry, Size(prompt_tokens=200_000, completion_tokens=1))
    assert short.listed == Rates.per_million(Decimal(3), Decimal(15))
    assert short.most == Rates.per_million(Decimal("3.75"), Decimal(15))
    assert long.listed == long.most == Rates.per_million(Decimal(6), Decimal("22.5"))
    assert max_price(short.listed) == {"prompt": "3", "completion": "15", "request": "0"}


@given(prompt=_prices, completion=_prices, request=_prices, image=_prices, size=_sizes)
def test_the_most_is_the_exact_sum(
    prompt: Decimal, completion: Decimal, request: Decimal, image: Decimal, size: Size
) -> None:
    stated = {"prompt": prompt, "completion": completion, "request": request, "image": image}
    entry = model({name: format(value, "f") for name, value in stated.items()})
    scale = 10**12
    exact = sum(
        int(value * scale) * count
        for value, count in zip(
            stated.values(), (size.prompt_tokens, size.completion_tokens, 1, size.images), strict=True
        )
    )
    assert most_cost(priced(entry, size).most, size) * scale == exact


@given(base=_prices, tier=_prices, since=st.integers(0, 10**6), tokens=st.integers(0, 10**6))
def test_a_price_is_never_below_the_one_that_holds(base: Decimal, tier: Decimal, since: int, tokens: int) -> None:
    terms = {"min_prompt_tokens": since, "prompt": format(tier, "f")}
    entry = model({"prompt": format(base, "f"), "completion": "0", "overrides": [terms]})
    found = priced(entry, Size(prompt_tokens=tokens, completion_tokens=1))
    assert found.most.prompt >= found.listed.prompt >= (tier if tokens >= since else base)


def test_an_override_on_another_condition_may_always_hold() -> None:
    terms = {"min_prompt_tokens": 1000, "max_hour": 7, "prompt": "0.9"}
    entry = model({"prompt": "0.1", "completion": "0", "overrides": [terms]})
    assert priced(entry, Size(prompt_tokens=1, completion_tokens=1)).most.prompt == Decimal("0.9")


def test_what_is_not_known_is_not_guessed() -> None:
    size = Size(prompt_tokens=1, completion_tokens=1)
    unreadable: list[dict[str, object]] = [
        {"completion": "0.1"},
        {"prompt": "much", "completion": "0.1"},
        {"prompt": "0.1", "completion": "0.1", "request": "some"},
        {"prompt": "0.1", "completion": "0.1", "moonlight": "0.1"},
        {"prompt": "0.1", "completion": "0.1", "overrides": "dearer"},
        {"prompt": "0.1", "completion": "0.1", "overrides": [{"prompt": "-1"}]},
    ]
    for pricing in unreadable:
        assert isinstance(price(model(pricing), size), Unpriced), pricing
    kept_before = ModelInfo(
        id=ModelId("m/m"),
        name="m",
        prompt_price=Decimal(1),
        completion_price=Decimal(1),
        surcharges=("overrides.prompt",),
    )
    assert price(kept_before, size) == Unpriced(names=("prompt",))


def test_a_router_has_no_price_and_images_cost_only_where_there_are_some() -> None:
    size = Size(prompt_tokens=1, completion_tokens=1)
    assert price(model({"prompt": "-1", "completion": "-1"}), size) == Variable()
    entry = model({"prompt": "0.1", "completion": "0.1", "image": "0.5", "image_token": "0.7"})
    assert priced(entry, size).most == Rates(prompt=Decimal("0.1"), completion=Decimal("0.1"))
    seen = priced(entry, Size(prompt_tokens=1, completion_tokens=1, images=2))
    assert (seen.most.prompt, seen.most.image) == (Decimal("0.7"), Decimal("0.5"))
    assert max_price(seen.listed)["image"] == "0.5"


@given(st.lists(st.text(), max_size=5))
def test_a_text_has_no_more_tokens_than_bytes(texts: list[str]) -> None:
    assert prompt_tokens(texts) >= sum(len(text.encode(errors="replace")) for text in texts)


def test_prices_as_people_read_them() -> None:
    rates = (Decimal("0.000003"), Decimal("0.0000000125"), Decimal(0), Decimal("0.000000000001"))
    assert [shown(rate) for rate in rates] == ["3.00", "0.0125", "0.00", "0.0001"]


def test_the_extra_prices_are_kept_in_the_order_they_came() -> None:
    assert wire.model_list({"data": [SONNET]})[0].extra_prices[-1] == ExtraPrice(
        name="completion", price=Decimal("0.0000225"), min_prompt_tokens=200_000
    )


def test_what_goes_along_with_a_message_is_counted() -> None:
    assert prompt_tokens([]) == 256
    assert prompt_tokens(["héllo", ""], images=2) == 256 + 2 * 16 + 6 + 2 * 49_152


ENTRY = ModelInfo(
    id=ModelId("maker/gpt"),
    name="GPT",
    prompt_price=Decimal(1),
    completion_price=Decimal(2),
    input_modalities=("text",),
    output_modalities=("text",),
)


def test_a_price_for_each_request_or_image_can_have_a_tier() -> None:
    size = Size(prompt_tokens=10, completion_tokens=1, images=1)
    for name, other in (("request", "image"), ("image", "request")):
        extra = ExtraPrice(name=name, price=Decimal("0.5"))
        found = price(replace(ENTRY, extra_prices=(extra,), surcharges=(f"overrides.{name}",)), size)
        assert isinstance(found, Priced), found
        assert getattr(found.listed, name) == getattr(found.most, name) == Decimal("0.5")
        assert getattr(found.listed, other) == 0


def test_without_images_their_price_is_not_met_and_keeps_no_one_out() -> None:
    extra = ExtraPrice(name="image", price=Decimal("0.5"))
    found = price(
        replace(ENTRY, extra_prices=(extra,), surcharges=("overrides.image",)),
        Size(prompt_tokens=1, completion_tokens=1),
    )
    assert isinstance(found, Priced)
    assert (found.listed.image, found.most.image) == (Decimal(0), Decimal(0))


@pytest.mark.parametrize(("value", "unpriced"), [("0", False), ("-1", True), (None, True)])
def test_an_extra_price_is_none_below_zero(value: str | None, unpriced: bool) -> None:
    extra = ExtraPrice(name="prompt", price=None if value is None else Decimal(value))
    found = price(
        replace(ENTRY, extra_prices=(extra,), surcharges=("prompt",)), Size(prompt_tokens=1, completion_tokens=1)
    )
    assert isinstance(found, Unpriced) is unpriced


@given(st.decimals(min_value=0, max_value=10**9, places=12))
def test_a_price_is_written_out_exactly(value: Decimal) -> None:
    text = plain(value)
    assert Decimal(text) == value
    assert "e" not in text.lower()
    assert not (("." in text) and text.endswith(("0", ".")))


@pytest.mark.parametrize(
    ("per_million", "text"),
    [
        ("0.1", "0.10"),
        ("0.0999", "0.0999"),
        ("0", "0.00"),
        ("3", "3.00"),
        ("0.00001", "0.0001"),
        ("12000000", "12000000.00"),
    ],
)
def test_a_price_is_shown_with_two_places_or_as_many_as_a_small_one_needs(per_million: str, text: str) -> None:
    assert shown(Decimal(per_million) / 1_000_000) == text


_PROMPT_KINDS = ("prompt", "input_cache_read", "input_cache_write", "input_cache_write_1h")
_ANSWER_KINDS = ("completion", "internal_reasoning")


@pytest.mark.parametrize("name", [*_PROMPT_KINDS, *_ANSWER_KINDS])
def test_each_kind_a_token_can_be_charged_as_counts(name: str) -> None:
    dear = Decimal(9)
    entry = replace(ENTRY, extra_prices=(ExtraPrice(name=name, price=dear),), surcharges=(name,))
    found = price(entry, Size(prompt_tokens=0, completion_tokens=0))  # an extra price holds from the first token on
    assert isinstance(found, Priced), found
    assert (found.most.prompt == dear, found.most.completion == dear) == (
        name in _PROMPT_KINDS,
        name in _ANSWER_KINDS,
    )


@pytest.mark.parametrize(
    "name", ["web_search", "audio", "audio_output", "input_audio_cache", "image_output", "discount"]
)
def test_what_is_never_sent_or_asked_for_changes_no_price(name: str) -> None:
    size = Size(prompt_tokens=1, completion_tokens=1)
    entry = replace(ENTRY, extra_prices=(ExtraPrice(name=name, price=Decimal(9)),), surcharges=(name,))
    assert price(entry, size) == price(ENTRY, size)
    assert price(replace(entry, extra_prices=()), size) == price(ENTRY, size), "nor where its price was not kept"
