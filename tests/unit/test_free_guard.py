"""Nothing leaves on the free lane that could cost: whatever the router, a member or the catalogue came up with."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from bot.chat_model import ChatRequest, ModelMessage
from bot.clock import Instant
from bot.errors import AnswerFailed, Refused
from bot.messages import ModelId, Usage
from bot.openrouter import wire
from bot.routing.catalogue import FREE_ROUTER, Catalogue
from bot.routing.chain import Chain
from bot.routing.guard import FaultKind, costs, guard
from bot.routing.offer import NOTHING_KNOWN, Offer
from bot.routing.router import Needs, choose
from tests.unit.test_catalogue import NOW, TRICKS, catalogue, prices, read

MODEL = "acme/small:free"
OFFER = Offer(catalogue=catalogue(read(), read(id="acme/dear", pricing=prices(prompt="1"))), now=NOW)


def body(**changes: Any) -> dict[str, Any]:
    """What the client sends, changed."""
    request = ChatRequest(
        model=ModelId(MODEL),
        messages=[ModelMessage(role="user", content="Hi")],
        user="member",
        session="conversation",
        attempt="1",
    )
    sent: dict[str, Any] = json.loads(wire.encoded(wire.chat_document(request)))
    return sent | changes


def test_what_the_client_sends_passes() -> None:
    assert guard(body(), OFFER) is None
    assert guard(body(model=FREE_ROUTER), OFFER) is None
    assert guard(body(model=MODEL, models=[FREE_ROUTER]), OFFER) is None
    assert guard(body(model=FREE_ROUTER), NOTHING_KNOWN) is None


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        *(pytest.param({"model": trick}, "not_free", id=ascii(trick)) for trick in TRICKS),
        pytest.param({"model": 7}, "not_free", id="no text"),
        pytest.param({"model": "acme/dear"}, "not_free", id="a listed model that costs"),
        pytest.param({"models": [FREE_ROUTER, "acme/dear"]}, "not_free", id="the last of the list"),
        pytest.param({"model": "acme/gone:free", "models": ["acme/dear"]}, "not_free", id="one gone, one dear"),
        pytest.param({"model": "acme/gone:free"}, "model_gone", id="gone"),
        pytest.param({"model": None}, "no_model", id="the account's default"),
        pytest.param({"model": None, "models": []}, "no_model", id="an empty list"),
        pytest.param({"models": [MODEL, MODEL, FREE_ROUTER]}, "too_many_models", id="four"),
        pytest.param({"models": "acme/dear"}, "field", id="a list that is none"),
        pytest.param({"preset": "mine"}, "field", id="preset"),
        pytest.param({"web_search_options": {}}, "field", id="web search"),
        pytest.param({"service_tier": "priority"}, "field", id="service tier"),
        pytest.param({"provider": {"sort": "throughput"}}, "field", id="provider"),
        pytest.param({"something_new": None}, "field", id="a field of tomorrow"),
        pytest.param({"plugins": [{"id": "web"}]}, "plugin", id="the web plugin"),
        pytest.param({"plugins": [{"id": "context-compression", "enabled": 0}]}, "plugin", id="switched off, nearly"),
        pytest.param({"plugins": [{"id": "context-compression"}]}, "plugin", id="switched on"),
        pytest.param({"plugins": {"id": "web"}}, "plugin", id="plugins that are no list"),
        pytest.param({"plugins": ["web"]}, "plugin", id="a plugin by name"),
        pytest.param({"tools": [{"type": "openrouter:web_search"}]}, "tool", id="a tool that OpenRouter runs"),
        pytest.param({"tools": "web"}, "tool", id="tools that are no list"),
        pytest.param({"messages": [{"role": "user", "content": [{"type": "file"}]}]}, "part", id="a file"),
        pytest.param({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "part", id="audio"),
        pytest.param({"messages": [{"role": "user", "content": {"type": "file"}}]}, "part", id="a part for a list"),
        pytest.param({"messages": "Hi"}, "part", id="messages that are no list"),
    ],
)
def test_what_could_cost_is_found(changes: dict[str, Any], kind: FaultKind) -> None:
    fault = guard(body(**changes), OFFER)
    assert fault is not None
    assert (fault.kind, fault.trips) == (kind, kind != "model_gone")
    assert len(fault.what) <= 100


def test_what_costs_nothing_beside_text_passes() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}
    said = [
        {"role": "user", "content": [{"type": "text", "text": "What is this?"}, picture]},
        {"role": "assistant", "content": None, "tool_calls": []},
    ]
    tools = [{"type": "function", "function": {"name": "look"}}]
    assert guard(body(messages=said, tools=tools, response_format={"type": "json_schema"}), OFFER) is None


def test_without_a_catalogue_the_router_passes_and_what_the_deployment_prefers() -> None:
    offer = Offer(chain=Chain.of(["acme/mine:free"]), now=NOW)
    assert guard(body(model="acme/mine:free", models=[FREE_ROUTER]), offer) is None
    fault = guard(body(model="acme/yours:free"), offer)
    assert fault is not None
    assert fault.kind == "model_gone"


def test_an_answer_that_cost_something_is_a_fault() -> None:
    assert costs(Usage(prompt_tokens=7, cost_usd=Decimal("0.000"))) is None
    assert costs(Usage(upstream_usd=Decimal(0))) is None, "by a provider's own key, which charged nothing"
    assert costs(Usage(upstream_usd=Decimal("1e-12"))) is not None
    fault = costs(Usage(cost_usd=Decimal("1e-12")))
    assert fault is not None
    assert fault.trips
    assert fault.kind == "cost"


# --- for all catalogues, ids and wishes ------------------------------------------------------------------

parts = st.sampled_from(
    ["acme/small", "acme/large", "openrouter/free", "openrouter/auto", "~acme/latest", "Acme/Small"]
)
suffixes = st.sampled_from(["", ":free", ":online", ":floor", ":nitro", ":thinking", ":free:online", ":online:free"])
ids = st.builds(lambda part, suffix: ModelId(part + suffix), parts, suffixes)
amounts = st.sampled_from(["0", "0", "0", "0.0", "0.000001", "-1", "?"])
entries = st.builds(
    lambda model, pricing, expires, alias: read(id=model, pricing=pricing, expiration_date=expires, alias_target=alias),
    ids,
    st.dictionaries(st.sampled_from(["prompt", "completion", "request", "image", "audio"]), amounts),
    st.sampled_from([None, None, "2026-09-21", "2026-12-31"]),
    st.sampled_from([None, None, None, "acme/dear"]),
)
complete = entries.map(
    lambda one: (
        one
        if one.prompt_price is not None and one.completion_price is not None
        else replace(one, prompt_price=Decimal(0), completion_price=Decimal(0))
    )
)
offers = st.builds(
    lambda listed, known: Offer(
        catalogue=Catalogue.of(listed, fetched_at=NOW, personal=False) if known else None, now=NOW
    ),
    st.lists(complete, max_size=12),
    st.booleans(),
)


SEARCH = settings(max_examples=2000, phases=[Phase.generate])
"""That there is one counts here, not how small it can be made."""


def bill(model: str, offer: Offer) -> bool:
    """An upstream that charges for all it is not told to give away, told apart from what is under test: it looks the
    id up, drops each suffix it knows, and charges for whatever is listed with a price or is not listed."""
    if model == FREE_ROUTER:
        entry = offer.catalogue.models.get(FREE_ROUTER) if offer.catalogue else None
        return entry is not None and not (entry.costs_nothing and entry.expires_at != Instant(1_789_948_800.0))
    name, _, variant = model.partition(":")
    if variant != "free" or not name.islower() or not name.isascii() or name.startswith("~") or not offer.catalogue:
        return True
    entry = offer.catalogue.models.get(ModelId(model))
    if entry is None or entry.alias_of is not None or entry.expires_at == Instant(1_789_948_800.0):
        return True
    listed = (entry.prompt_price, entry.completion_price, entry.request_price, entry.image_price)
    return any(price is None or price != 0 for price in listed) or "audio" in entry.surcharges


@given(offer=offers, models=st.lists(ids, min_size=1, max_size=3))
def test_nothing_that_would_be_billed_passes_the_guard(offer: Offer, models: list[ModelId]) -> None:
    fault = guard(body(model=models[0], models=models[1:]), offer)
    assert (fault is None) == (not any(bill(model, offer) for model in models))


@given(offer=offers, wish=st.none() | ids, chain=st.lists(ids, max_size=2), images=st.booleans())
def test_whatever_is_chosen_passes_the_guard(
    offer: Offer, wish: ModelId | None, chain: list[ModelId], images: bool
) -> None:
    try:
        offer = replace(offer, chain=Chain.of(chain))
    except ValueError:
        return
    try:
        route = choose(wish, Needs(images=images), offer)
    except (Refused, AnswerFailed):
        return
    assert 1 <= len(route.models) <= 3
    assert guard(body(model=route.models[0], models=list(route.models[1:])), offer) is None


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(lambda model, offer: model.endswith(":free"), id="the suffix"),
        pytest.param(lambda model, offer: bool(offer.catalogue and model in offer.catalogue.models), id="being listed"),
        pytest.param(
            lambda model, offer: bool(
                offer.catalogue
                and (entry := offer.catalogue.models.get(model))
                and entry.prompt_price == 0
                and entry.completion_price == 0
            ),
            id="zero for prompt and completion",
        ),
    ],
)
def test_control_a_simpler_rule_would_be_billed(rule: Any) -> None:
    cases = st.tuples(ids, offers)
    assert find(cases, lambda case: rule(*case) and bill(*case), settings=SEARCH) is not None


def test_control_the_rule_itself_is_never_billed() -> None:
    with pytest.raises(NoSuchExample):
        find(
            st.tuples(ids, offers),
            lambda case: guard(body(model=case[0]), case[1]) is None and bill(*case),
            settings=settings(SEARCH, max_examples=100),
        )


_SAMPLING = {
    **dict.fromkeys(
        ("max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "min_p", "seed", "stop"), 1
    ),
    **dict.fromkeys(("frequency_penalty", "presence_penalty", "repetition_penalty"), 1),
    "reasoning": {"effort": "low"},
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "response_format": {},
    "tools": [{"type": "function"}],
    "user": "u",
    "session_id": "s",
    "metadata": {},
    "stream": True,
}


def free_body(**changes: object) -> dict[str, object]:
    return {"model": FREE_ROUTER, "messages": [{"role": "user", "content": "hi"}], **changes}


@pytest.mark.parametrize("name", sorted(_SAMPLING))
def test_what_costs_nothing_may_stand_in_a_body(name: str) -> None:
    assert guard(free_body(**{name: _SAMPLING[name]}), NOTHING_KNOWN) is None
    assert guard({"model": FREE_ROUTER}, NOTHING_KNOWN) is None


@pytest.mark.parametrize(
    ("changes", "kind", "what"),
    [
        ({"models": "acme/small"}, "field", "models"),
        ({"model": None}, "no_model", ""),
        ({"models": [FREE_ROUTER] * 3}, "too_many_models", "4"),
        ({"model": "acme/dear"}, "not_free", "acme/dear"),
        ({"models": ["acme/dear"]}, "not_free", "acme/dear"),
        ({"model": "acme/gone:free"}, "model_gone", "acme/gone:free"),
        ({"model": "acme/gone:free", "models": ["acme/left:free"]}, "model_gone", "acme/gone:free"),
        ({"preset": "x"}, "field", "preset"),
        ({"plugins": [{"id": "web"}]}, "plugin", "[{'id': 'web'}]"),
        ({"plugins": None}, "plugin", "None"),
        ({"tools": [{"type": "web"}]}, "tool", ""),
        ({"messages": [{"content": "fine"}, {"content": [{"type": "file"}]}]}, "part", "file"),
        ({"messages": {"content": [{"type": "file"}]}}, "part", "file"),
        ({"messages": [{"content": {"type": "file"}}]}, "part", "file"),
        ({"messages": [{"content": ["file"]}]}, "part", ""),
        ({"messages": [{"content": 7}]}, "part", ""),
        ({"messages": ["file"]}, "part", ""),
        ({"x" * 200: 1}, "field", "x" * 100),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_free_body_is_named(changes: dict[str, object], kind: str, what: str) -> None:
    found = guard(free_body(**changes), NOTHING_KNOWN)
    assert found is not None
    assert (found.kind, found.what, found.trips) == (kind, what, kind != "model_gone")


def test_what_a_free_answer_cost_is_told() -> None:
    found = costs(Usage(cost_usd=Decimal("0.25")))
    assert found is not None
    assert (found.kind, found.what) == ("cost", "0.25")
