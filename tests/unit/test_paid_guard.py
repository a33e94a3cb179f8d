"""Nothing leaves for money but what the money was set aside for."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from bot.chat_model import ChatRequest, ModelMessage
from bot.messages import ModelId
from bot.openrouter import wire
from bot.routing.guard import guard, guard_paid
from bot.routing.offer import NOTHING_KNOWN
from bot.routing.prices import Rates, max_price

MODEL = ModelId("maker/model")
PRICES = max_price(Rates.per_million(Decimal(3), Decimal(15)))


def body(**changes: Any) -> dict[str, Any]:
    """What the client sends, changed; a change to None takes the field out."""
    request = ChatRequest(
        model=MODEL,
        messages=[ModelMessage(role="user", content="Hi")],
        user="member",
        session="conversation",
        attempt="1",
        max_completion_tokens=4000,
        max_price=PRICES,
    )
    sent: dict[str, Any] = json.loads(wire.encoded(wire.chat_document(request)))
    return {name: value for name, value in (sent | changes).items() if value is not None}


def fault(sent: dict[str, Any]) -> object:
    return guard_paid(sent, model=MODEL, completion_tokens=4000, max_price=PRICES)


def test_what_the_client_sends_passes() -> None:
    assert fault(body()) is None
    assert body()["provider"] == {"max_price": {"prompt": "3", "completion": "15", "request": "0"}}
    assert body()["max_completion_tokens"] == 4000


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "maker/other"},
        {"model": "maker/model:online"},
        {"model": None},
        {"models": ["maker/dear"]},
        {"models": []},
        {"max_completion_tokens": 4001},
        {"max_completion_tokens": None},
        {"max_tokens": 100_000},
        {"provider": None},
        {"provider": {}},
        {"provider": {"max_price": dict(PRICES) | {"completion": "16"}}},
        {"provider": {"max_price": dict(PRICES), "order": ["Dear"]}},
        {"plugins": [{"id": "web"}]},
        {"tools": [{"type": "openrouter:web_search"}]},
        {"preset": "x"},
        {"web_search_options": {}},
        {"service_tier": "priority"},
        {"messages": [{"role": "user", "content": [{"type": "file"}]}]},
    ],
    ids=str,
)
def test_what_was_not_paid_for_is_found(changes: dict[str, Any]) -> None:
    assert fault(body(**changes)) is not None


def test_the_free_lane_lets_none_of_it_pass() -> None:
    assert guard(body(), NOTHING_KNOWN) is not None
    found = guard(body(model="openrouter/free"), NOTHING_KNOWN)
    assert found is not None
    assert (found.kind, found.what) == ("field", "provider")


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        *(
            ({name: value}, name)
            for name, value in [("model", "x/y"), ("max_completion_tokens", 4001), ("provider", {})]
        ),
        *(({name: [1]}, name) for name in ("models", "max_tokens", "tools")),
        ({"tools": []}, "tools"),
    ],
)
def test_what_was_not_paid_for_is_named(changes: dict[str, Any], what: str) -> None:
    sent = body(**changes)
    found = guard_paid(sent, model=MODEL, completion_tokens=4000, max_price=PRICES)
    assert found is not None
    assert (found.kind, found.what, found.trips) == ("unpaid", what, True)
