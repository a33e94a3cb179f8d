"""A code for a key: sent without the pool's key, and whatever comes back is a key or one failure that names none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import SecretStr

from bot.errors import FailureKind, UpstreamFailure
from tests.contract.asking import KEY, collect, serving
from tests.fakes.upstream import says, then_closes, whole

MINTED = "sk-or-v1-" + "fedcba9876543210" * 4


async def test_what_is_sent_and_what_comes_back() -> None:
    async with serving(says(whole(200, {"key": MINTED, "user_id": "user_1"}))) as (client, upstream):
        assert (await client.exchange_code("code-1", "verifier-1")).get_secret_value() == MINTED
    (request,) = upstream.requests
    assert (request.method, request.path.endswith("/auth/keys")) == ("POST", True)
    assert json.loads(request.body) == {
        "code": "code-1",
        "code_verifier": "verifier-1",
        "code_challenge_method": "S256",
    }
    assert "authorization" not in request.headers
    assert KEY not in repr(request)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, {"error": {"code": 403, "message": "Invalid code or code_verifier"}}),
        (400, {"success": False, "error": {"name": "ZodError", "message": "[]"}}),
        (400, {"success": False, "error": "Invalid code"}),
        (400, b"no JSON"),
        (404, b""),
    ],
)
async def test_a_code_that_is_refused_in_whatever_shape(status: int, body: bytes | dict[str, Any]) -> None:
    async with serving(says(whole(status, body))) as (client, _):
        with pytest.raises(UpstreamFailure) as failed:
            await client.exchange_code("code-1", "verifier-1")
    assert failed.value.status == status


@pytest.mark.parametrize(
    "body", [b"[]", b"{", {}, {"key": None}, {"key": ""}, {"key": "two words"}, {"key": "x" * 513}, {"key": {"a": 1}}]
)
async def test_an_answer_without_a_key_is_a_failure(body: bytes | dict[str, Any]) -> None:
    async with serving(says(whole(200, body))) as (client, _):
        with pytest.raises(UpstreamFailure):
            await client.exchange_code("code-1", "verifier-1")


async def test_a_key_that_came_in_a_broken_answer_is_not_told() -> None:
    async with serving(says(whole(200, b'["' + MINTED.encode() + b'"]'))) as (client, _):
        with pytest.raises(UpstreamFailure) as failed:
            await client.exchange_code("code-1", "verifier-1")
    assert MINTED[9:] not in repr(vars(failed.value))


async def test_nobody_there() -> None:
    async with serving(then_closes()) as (client, _):
        with pytest.raises(UpstreamFailure) as failed:
            await client.exchange_code("code-1", "verifier-1")
    assert failed.value.kind is FailureKind.UNREACHABLE


async def test_the_same_api_by_another_key_tells_neither() -> None:
    said = {"error": {"code": 401, "message": f"{MINTED} and {KEY} are unknown"}}
    async with serving(says(whole(401, said))) as (client, upstream):
        own = client.with_key(SecretStr(MINTED))
        for one, key in ((own, MINTED), (client, KEY)):
            with pytest.raises(UpstreamFailure) as failed:
                await collect(one)
            assert failed.value.kind is FailureKind.BAD_KEY
            assert not [secret for secret in (MINTED, KEY) if secret[9:] in repr(vars(failed.value))]
            assert upstream.requests[-1].headers["authorization"] == f"Bearer {key}"
        with pytest.raises(ValueError, match="one word"):
            client.with_key(SecretStr("two words"))
