"""The catalogue: what is free, by every way of not being it; what a model can do; which models only judge."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.clock import Instant
from bot.messages import ModelId
from bot.openrouter import wire
from bot.routing.catalogue import FREE_ROUTER, Catalogue, ModelInfo, is_free_id
from bot.routing.judges import judges

NOW = Instant(1_790_000_000.0)
"""2026-09-21 14:13:20 UTC."""
PLAIN: dict[str, Any] = {
    "id": "acme/small:free",
    "canonical_slug": "acme/small-2026-01-02",
    "name": "Acme: Small (free)",
    "description": "A small model. It went through a content safety classifier.",
    "context_length": 131_072,
    "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
    "pricing": {"prompt": "0", "completion": "0.000", "web_search": "0.01", "discount": 1},
    "top_provider": {"context_length": 65_536, "max_completion_tokens": 8_192},
    "supported_parameters": ["max_tokens", "tools", "structured_outputs"],
    "expiration_date": None,
}
"""An entry of `GET /models` that is free; every test differs from it in one thing."""


def read(**changes: Any) -> ModelInfo:
    """The entry as it is read, with members changed, or taken out by `...`."""
    entry = {name: value for name, value in (PLAIN | changes).items() if value is not ...}
    (model,) = wire.model_list({"data": [entry]})
    return model


def catalogue(*models: ModelInfo) -> Catalogue:
    return Catalogue.of(models, fetched_at=NOW, personal=True)


def free(model: ModelInfo) -> bool:
    return catalogue(model).free(model.id, NOW)


def prices(**changes: Any) -> dict[str, Any]:
    return {"prompt": "0", "completion": "0"} | changes


def test_an_entry_is_read_whole() -> None:
    model = read()
    assert (model.id, model.canonical_slug) == ("acme/small:free", "acme/small-2026-01-02")
    assert (model.context_length, model.provider_context, model.window) == (131_072, 65_536, 65_536)
    assert model.max_completion_tokens == 8_192
    assert (model.accepts_images, model.supports_tools, model.supports_structured) == (True, True, True)
    assert (model.alias_of, model.expires_at, model.surcharges, model.judges) == (None, None, (), False)
    assert free(model)


def test_an_entry_with_nothing_in_it_is_read_and_not_free() -> None:
    (model,) = wire.model_list({"data": [{"id": "acme/small:free"}]})
    assert (model.window, model.max_completion_tokens, model.supported_parameters) == (None, None, ())
    assert not free(model)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"pricing": prices(prompt="0.0000001")}, id="prompt"),
        pytest.param({"pricing": prices(completion=1e-9)}, id="completion, as a number"),
        pytest.param({"pricing": prices(prompt="-1", completion="-1")}, id="a router's minus one"),
        pytest.param({"pricing": prices(request="0.001")}, id="request"),
        pytest.param({"pricing": prices(image="0.001")}, id="image"),
        pytest.param({"pricing": prices(image="?")}, id="image, unreadable"),
        pytest.param({"pricing": prices(internal_reasoning="0.000001")}, id="reasoning"),
        pytest.param({"pricing": prices(input_cache_read="1e-12")}, id="cache"),
        pytest.param({"pricing": prices(something_new="0.1")}, id="a price of tomorrow"),
        pytest.param({"pricing": prices(something_new={"per": "0"})}, id="a price of tomorrow's shape"),
        pytest.param({"pricing": prices(overrides=[{"min_prompt_tokens": 9, "prompt": "0.1"}])}, id="override"),
        pytest.param({"pricing": prices(overrides=[{"prompt": "0"}, {"completion": "x"}])}, id="override, unreadable"),
        pytest.param({"pricing": prices(overrides="later")}, id="overrides, unreadable"),
        pytest.param({"pricing": {"prompt": "0"}}, id="no completion price"),
        pytest.param({"pricing": prices(prompt="NaN")}, id="no number"),
        pytest.param({"pricing": prices(prompt=False)}, id="no price but false"),
        pytest.param({"pricing": ...}, id="no prices"),
        pytest.param({"expiration_date": "2026-09-21"}, id="expired today"),
        pytest.param({"alias_target": "acme/small"}, id="an alias"),
        pytest.param({"alias_target": {"id": 7}}, id="an alias, unreadable"),
        pytest.param({"architecture": {"output_modalities": ["image", "text"]}}, id="paints, too"),
        pytest.param({"architecture": {"output_modalities": ["embeddings"]}}, id="no text"),
        pytest.param({"architecture": ...}, id="puts out nothing known"),
        pytest.param({"name": "Acme: Small Guard (free)"}, id="a judge by name"),
        pytest.param({"description": "A content safety classifier. It says safe or unsafe."}, id="a judge by trade"),
    ],
)
def test_what_differs_in_one_thing_is_not_free(changes: dict[str, Any]) -> None:
    assert not free(read(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"pricing": prices(request="0", image=0, image_output="0.0", audio=None)}, id="zeros"),
        pytest.param({"pricing": prices(prompt="-0", completion="0e-9")}, id="odd zeros"),
        pytest.param({"pricing": prices(overrides=[{"min_prompt_tokens": 200_000, "prompt": "0"}])}, id="override"),
        pytest.param({"pricing": prices(overrides=[])}, id="no overrides"),
        pytest.param({"expiration_date": "2026-09-22"}, id="expires tomorrow"),
        pytest.param({"expiration_date": "some day"}, id="expires nobody knows when"),
        pytest.param({"alias_target": None}, id="no alias"),
    ],
)
def test_what_differs_and_is_free(changes: dict[str, Any]) -> None:
    assert free(read(**changes))


TRICKS = [
    *("acme/small", "acme/small:online", "acme/small:floor", "acme/small:nitro", "acme/small:free:online"),
    *("acme/small:online:free", "~acme/small:free", "@preset/small:free", "acme/@small:free", "acme/small:free@preset"),
    *("Acme/small:free", "acme/small:FREE", " acme/small:free", "acme/small:free ", "acme/small:free\n"),
    *("acme/sm\u0430ll:free", "acme/small\uff1afree", "acme/small:fr\u200bee", "\uff41cme/small:free"),
    *("acme/small/large:free", "small:free", "acme/:free", "/small:free", ":free", "", "acme/small:free,acme/large"),
    *("openrouter/free:free:nitro", "openrouter/free:online", "openrouter/auto", "OpenRouter/free", "openrouter/free "),
]


@pytest.mark.parametrize("model", TRICKS, ids=ascii)
def test_a_trick_is_refused_even_where_the_catalogue_lists_it_for_nothing(model: str) -> None:
    entry = replace(read(), id=ModelId(model))
    assert not is_free_id(model)
    assert not catalogue(entry, read()).free(entry.id, NOW)


def test_an_id_is_free_only_if_it_is_listed() -> None:
    assert not catalogue(read()).free(ModelId("acme/other:free"), NOW)


def test_the_router_passes_unlisted_and_at_no_price_but_not_at_one() -> None:
    router = read(id=FREE_ROUTER, architecture=...)
    assert catalogue(read()).free(FREE_ROUTER, NOW)
    assert catalogue(router).free(FREE_ROUTER, NOW)
    assert not catalogue(replace(router, prompt_price=Decimal(-1))).free(FREE_ROUTER, NOW)
    assert not catalogue(replace(router, expires_at=NOW)).free(FREE_ROUTER, NOW)


@pytest.mark.parametrize("order", [1, -1])
def test_an_id_listed_twice_costs_what_one_of_them_costs(order: int) -> None:
    both = [read(), read(pricing=prices(prompt="0.1"))]
    assert not catalogue(*both[::order]).free(read().id, NOW)
    assert catalogue(read(), read()).free(read().id, NOW)


amounts = st.sampled_from(["0", "0.0", "-0", "0E+3", "0.00000001", "1e-30", "-1", "nope", "inf", 0, 0.0, 1e-9, True])
names = st.sampled_from(["request", "image", "audio", "image_output", "internal_reasoning", "input_cache_write_1h"])


def is_zero(price: object) -> bool:
    """The rule once more, by another way: a sign, zeros, and nothing but zeros."""
    return price is not True and str(price).lstrip("-").partition("E")[0].replace(".", "").strip("0") == ""


@given(pricing=st.dictionaries(names, amounts), prompt=amounts, completion=amounts)
def test_free_means_that_every_price_is_zero(pricing: dict[str, Any], prompt: Any, completion: Any) -> None:
    told = pricing | {"prompt": prompt, "completion": completion}
    assert free(read(pricing=told)) == all(is_zero(price) for price in told.values())


def test_the_routers_abilities_are_those_of_the_free_models_behind_it() -> None:
    blind = read(id="acme/blind:free", architecture={"output_modalities": ["text"]}, supported_parameters=[])
    dear = read(pricing=prices(prompt="1"))
    router = read(id=FREE_ROUTER, architecture=..., supported_parameters=["tools"])
    for others, able in (((blind,), False), ((blind, dear), False), ((blind, read()), True)):
        listed = catalogue(router, *others)
        asked = (listed.accepts_images, listed.supports_tools, listed.supports_structured)
        assert [ability(FREE_ROUTER, NOW) for ability in asked] == [able] * 3
        assert [ability(blind.id, NOW) for ability in asked] == [False] * 3
        assert [ability(ModelId("acme/unlisted:free"), NOW) for ability in asked] == [False] * 3


def test_the_window_is_the_smaller_one() -> None:
    assert read(context_length=None).window == 65_536
    assert read(top_provider={"context_length": 262_144}).window == 131_072
    assert read(top_provider=None, context_length=0).window is None


def test_what_is_taken_out_is_not_on_offer() -> None:
    listed = catalogue(read(), read(id="acme/other:free"))
    left = listed.without({read().id})
    assert [model.id for model in left.free_models(NOW)] == ["acme/other:free"]
    assert not left.free(read().id, NOW)
    assert listed.without({ModelId("acme/unlisted:free")}) is listed


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("meta-llama/llama-guard-4-12b:free", "Meta: Llama Guard 4 12B (free)"),
        ("qwen/qwen3guard-gen-8b:free", "Qwen: Qwen3Guard Gen 8B (free)"),
        ("openai/gpt-oss-safeguard-20b:free", "OpenAI: gpt-oss-safeguard-20b (free)"),
        ("nvidia/nemotron-3.5-content-safety:free", "NVIDIA: Nemotron 3.5 Content Safety (free)"),
        ("google/shieldgemma-9b:free", "Google: ShieldGemma 9B (free)"),
        ("ibm-granite/granite-guardian-3.3-8b:free", "IBM: Granite Guardian 3.3 8B (free)"),
        ("openai/gpt-6-luna-decisions:free", "OpenAI: GPT-6 Luna Decisions (free)"),
        ("upstage/solar-decide:free", "Upstage: Solar Decide (free)"),
        ("acme/plain:free", "Acme: Moderation"),
    ],
)
def test_judges_by_name(model: str, name: str) -> None:
    assert judges(model, name, "")


@pytest.mark.parametrize(
    "description",
    [
        "A content safety classifier: whatever it is told, it says whether that is safe.",
        "gpt-oss-safeguard-20b is a safety reasoning model from OpenAI built upon gpt-oss-20b. This open-weight",
        "Llama Guard 3 is a Llama-3.1-8B pretrained model, fine-tuned for content safety classification. Similar to",
        "It is a 4B-parameter multimodal content safety model.",
        "A decision model reads state and answers with probabilities.",
    ],
)
def test_judges_by_what_they_say_they_are(description: str) -> None:
    assert judges("acme/plain:free", "Acme: Plain", description)


@pytest.mark.parametrize(
    ("model", "name", "description"),
    [
        ("guardian-ai/story-7b:free", "Guardian AI: Story 7B", "A chat model by a maker with such a name."),
        ("acme/vanguard-7b:free", "Acme: Vanguard 7B", ""),
        (
            "acme/small:free",
            "Acme: Small",
            "An instruct model with a focus on safety. Use it with a safety classifier.",
        ),
        ("acme/small:free", "Acme: Small", "A chat model whose output passed moderation."),
        ("acme/small:free", "Small", "Makes decisions quickly."),
    ],
)
def test_control_chat_models_are_no_judges(model: str, name: str, description: str) -> None:
    assert not judges(model, name, description)
