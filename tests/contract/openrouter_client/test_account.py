"""The account and the models, and the key that must not get out."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from bot.clock import Instant
from bot.errors import FailureKind, UpstreamFailure
from bot.messages import Usage
from tests.contract.asking import (
    KEY,
    collect,
    serving,
)
from tests.fakes.upstream import (
    CHUNKED,
    Peer,
    Script,
    event,
    head,
    piece,
    says,
    then_closes,
    then_waits,
    whole,
)

KEY_ANSWER = {
    "data": {
        "label": "sk-or-v1-012...def",
        "limit": 100,
        "limit_remaining": 74.5,
        "is_free_tier": False,
        "free_model_daily_requests": {"limit": 50, "remaining": 38, "used": 12},
    }
}


async def test_the_key() -> None:
    async with serving(says(whole(200, KEY_ANSWER))) as (client, upstream):
        info = await client.key()
    assert (info.free_used, info.free_limit, info.free_remaining) == (12, 50, 38)
    assert (info.limit_usd, info.limit_remaining_usd, info.is_free_tier) == (Decimal(100), Decimal("74.5"), False)
    assert upstream.requests[0].path == "/api/v1/key"
    assert upstream.requests[0].headers["authorization"] == f"Bearer {KEY}"


async def test_a_key_that_says_less() -> None:
    async with serving(says(whole(200, {"data": {"limit": None, "free_model_daily_requests": None}}))) as (client, _):
        info = await client.key()
    assert {getattr(info, name) for name in info.__slots__} == {None}


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        pytest.param(says(whole(200, {"data": 7})), FailureKind.EMPTY_ANSWER, id="another shape"),
        pytest.param(says(whole(200, b"[]")), FailureKind.PROVIDER_DOWN, id="no object"),
        pytest.param(says(whole(200, b"<html>", "text/html")), FailureKind.EDGE_HTML, id="HTML"),
        pytest.param(says(whole(200, b"\x1f\x8b", content_encoding="gzip")), FailureKind.PROVIDER_DOWN, id="gzip"),
        pytest.param(says(whole(401, {"error": {"code": 401}})), FailureKind.BAD_KEY, id="401"),
        pytest.param(
            then_closes(head(200, "application/json", content_length="9"), b"{"), FailureKind.UNREACHABLE, id="cut"
        ),
        pytest.param(then_closes(), FailureKind.UNREACHABLE, id="closed"),
    ],
)
async def test_an_account_that_cannot_be_read(script: Script, kind: FailureKind) -> None:
    async with serving(script) as (client, _):
        for ask in (client.key, client.models):
            with pytest.raises(UpstreamFailure) as failed:
                await ask()
            assert failed.value.kind is kind


@pytest.mark.virtual
async def test_an_account_that_does_not_answer() -> None:
    async with serving(then_waits()) as (client, _):
        with pytest.raises(UpstreamFailure) as failed:
            await client.key()
        assert failed.value.kind is FailureKind.TIMEOUT


async def test_a_catalogue_without_end() -> None:
    async def script(peer: Peer) -> None:
        with suppress(ConnectionError):
            await peer.send(head(200, "application/json", transfer_encoding="chunked"))
            while True:
                await peer.send(piece(b" " * 2**20))

    async with serving(script) as (client, _):
        with pytest.raises(UpstreamFailure) as failed:
            await client.models()
        assert failed.value.kind is FailureKind.ENDLESS


async def test_the_models() -> None:
    entries = [
        {
            "id": "acme/small:free",
            "name": "Acme: Small",
            "context_length": 8192,
            "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
            "pricing": {"prompt": "0", "completion": "0.000", "request": "0", "web_search": "0.01"},
            "expiration_date": "2026-09-22",
        },
        {"id": "acme/large", "pricing": {"prompt": "0.000003", "completion": "0.000015"}, "expiration_date": None},
        {"id": "openrouter/auto", "pricing": {"prompt": "-1", "completion": "-1"}},
        {"id": "acme/silent", "pricing": {"prompt": "0"}},
        {"id": "acme/odd", "pricing": {"prompt": "0", "completion": "0", "image": "?"}, "context_length": None},
        {"name": "no id"},
        None,
    ]
    async with serving(says(whole(200, {"data": entries}))) as (client, upstream):
        small, large, auto, silent, odd = await client.models()
    assert upstream.requests[0].path == "/api/v1/models"
    assert (small.name, small.context_length, small.expires_at) == ("Acme: Small", 8192, Instant(1_790_035_200.0))
    assert (small.input_modalities, small.output_modalities) == (("text", "image"), ("text",))
    assert (large.name, large.prompt_price, large.completion_price) == ("acme/large", Decimal("3e-6"), Decimal("15e-6"))
    assert [model.costs_nothing for model in (small, large, auto, silent, odd)] == [True, False, False, False, False]


async def test_an_echoed_key_reaches_neither_error_nor_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    echo = {"error": {"code": 400, "message": f"bad header Authorization: Bearer {KEY}"}}
    for script in (says(whole(400, echo)), says(CHUNKED, piece(event(echo))), then_closes(KEY.encode() + b"\r\n\r\n")):
        async with serving(script) as (client, _):
            with pytest.raises(UpstreamFailure) as failed:
                await collect(client)
            for said in (str(failed.value), repr(failed.value), failed.value.detail, caplog.text, repr(client)):
                assert KEY not in said
    assert "bad header" not in caplog.text


# --- what an answer cost, the balance, the account's models -----------------------------------------------

GENERATION = {
    "data": {
        "id": "gen-1",
        "model": "acme/large",
        "cancelled": True,
        "finish_reason": None,
        "tokens_prompt": 43,
        "tokens_completion": 10,
        "native_tokens_reasoning": 4,
        "total_cost": 0.00021,
        "usage": 0.00021,
    }
}


async def test_what_an_answer_cost() -> None:
    async with serving(says(whole(200, GENERATION))) as (client, upstream):
        found = await client.generation("gen-1/?&#\u2615")
    assert found is not None
    assert found.usage == Usage(prompt_tokens=43, completion_tokens=10, reasoning_tokens=4, cost_usd=Decimal("0.00021"))
    assert (found.model, found.cancelled, found.finish_reason) == ("acme/large", True, "")
    assert upstream.requests[0].path == "/api/v1/generation?id=gen-1/?%26%23%E2%98%95"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"error": {"message": "Generation gen-1 not found", "code": 404}}, id="2026"),
        pytest.param({"error": {"message": "?", "code": "404"}, "user_id": None}, id="code as a string"),
        pytest.param(b"", id="nothing"),
    ],
)
async def test_an_answer_that_is_not_known_yet(body: Any) -> None:
    async with serving(says(whole(404, body))) as (client, _):
        assert await client.generation("gen-1") is None


async def test_an_answer_whose_cost_is_told_elsewhere_or_as_a_string() -> None:
    for data in ({"usage": "0.5"}, {"total_cost": None, "usage": 0.5}, {"total_cost": "0.5", "usage": 7}):
        async with serving(says(whole(200, {"data": data}))) as (client, _):
            found = await client.generation("gen-1")
        assert found is not None
        assert found.usage.cost_usd == Decimal("0.5")
        assert (found.model, found.cancelled) == ("", None)


async def test_the_balance_of_an_account_that_owes() -> None:
    async with serving(says(whole(200, {"data": {"total_credits": "5", "total_usage": 5.25}}))) as (client, upstream):
        assert await client.balance() == Decimal("-0.25")
    assert upstream.requests[0].path == "/api/v1/credits"


async def test_a_key_that_may_not_ask_for_the_balance() -> None:
    refusal = {"error": {"message": "Only management keys can perform this operation", "code": 403}}
    async with serving(says(whole(403, refusal))) as (client, _):
        with pytest.raises(UpstreamFailure) as failed:
            await client.balance()
    assert (failed.value.kind, failed.value.status) == (FailureKind.GUARDRAIL, 403)


async def test_the_models_of_the_account() -> None:
    async with serving(says(whole(200, {"data": [{"id": "acme/small:free"}]}))) as (client, upstream):
        (model,) = await client.user_models()
    assert (model.id, model.costs_nothing) == ("acme/small:free", False)
    assert upstream.requests[0].path == "/api/v1/models/user"


ODD: list[Any] = [None, True, 0, -1, 1e300, "", "x", "1e999999999", "-9e99999", [], [None], [[]], {}, {"data": 1}]
FIELDS = ("id", "pricing", "prompt", "limit", "used", "total_credits", "total_usage", "total_cost", "usage", "model")


async def test_nothing_an_account_says_raises_anything_but_an_upstream_failure() -> None:
    dice = random.Random(1)

    def odd(depth: int) -> Any:
        if depth == 0 or dice.random() < 0.3:
            return dice.choice(ODD)
        if dice.random() < 0.3:
            return [odd(depth - 1) for _ in range(dice.randrange(3))]
        names = [*FIELDS, "data", "free_model_daily_requests", "error", "architecture", "expiration_date"]
        return {dice.choice(names): odd(depth - 1) for _ in range(dice.randrange(5))}

    read = 0
    async with serving(says(b"")) as (client, upstream):
        generation = partial(client.generation, "gen-1")
        asks: list[Callable[[], Awaitable[object]]]
        asks = [client.key, client.balance, client.models, client.user_models, generation]
        for number in range(600):
            said = {"data": odd(3)} if number % 4 else odd(3)
            said = json.dumps(said).encode() if number % 9 else dice.randbytes(40) + b"<html>"
            upstream.script = says(whole(dice.choice([200, 200, 200, 404, 500]), said))
            with suppress(UpstreamFailure):
                repr(await asks[number % len(asks)]())
                read += 1
    assert read > 60, "some of it can be read"
