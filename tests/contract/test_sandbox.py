"""The sandbox speaks OpenRouter's shapes, read by a plain client that knows nothing of either."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

import aiohttp
import pytest

from bot.clock import day_of, day_start
from bot.openrouter.sandbox import Sandbox, SandboxSettings
from tests.fakes.files import png
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

Json = dict[str, Any]
KEY = {"Authorization": "Bearer sk-or-v1-test"}
AT_ONCE = {"first_token_seconds": 0.0, "seconds_per_chunk": 0.0}


@dataclass(frozen=True, slots=True)
class Heard:
    """One response, whole."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return value

    @property
    def error(self) -> Json:
        error = self.json["error"]
        assert isinstance(error, dict)
        return error

    @property
    def events(self) -> list[Json]:
        lines = self.body.decode().split("\n\n")
        return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]

    @property
    def text(self) -> str:
        return "".join(event["choices"][0]["delta"]["content"] for event in self.events)


class Client:
    """Asks one sandbox."""

    def __init__(self, base: str, session: aiohttp.ClientSession) -> None:
        self.base, self._session = base, session

    async def ask(self, text: str = "Hello there", *, headers: dict[str, str] | None = None, **body: Any) -> Heard:
        asked = {"model": "openrouter/free", "messages": [{"role": "user", "content": text}]} | body
        async with self._session.post(self.base + "/chat/completions", json=asked, headers=KEY | (headers or {})) as r:
            return Heard(r.status, dict(r.headers), await r.read())

    async def stream(self, text: str = "Hello there", **body: Any) -> Heard:
        return await self.ask(text, stream=True, **body)

    async def get(self, path: str, headers: dict[str, str] | None = None) -> Heard:
        async with self._session.get(self.base + path, headers=KEY if headers is None else headers) as r:
            return Heard(r.status, dict(r.headers), await r.read())

    async def open(self, text: str = "Hello there", **body: Any) -> aiohttp.ClientResponse:
        """A stream that is still under way."""
        asked = {"model": "openrouter/free", "stream": True, "messages": [{"role": "user", "content": text}]} | body
        return await self._session.post(self.base + "/chat/completions", json=asked, headers=KEY)


Opened = tuple[Sandbox, Client]
Open = Callable[..., Awaitable[Opened]]


@pytest.fixture
async def open_sandbox(clock: VirtualClock) -> AsyncIterator[Open]:
    """Starts sandboxes, with no waiting inside an answer unless asked for."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=600)) as session:
        sandboxes: list[Sandbox] = []

        async def start(**settings: Any) -> Opened:
            sandbox = Sandbox(SandboxSettings(**AT_ONCE | settings), clock)
            sandboxes.append(sandbox)
            return sandbox, Client(await sandbox.start(), session)

        yield start
        for sandbox in sandboxes:
            await sandbox.close()


async def until_minute(clock: VirtualClock, second: float = 0.0) -> None:
    """Wait for a second of the next clock minute."""
    await asyncio.sleep(60 - clock.now() % 60 + second)


# --- limits ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shapes", [2025, 2026])
async def test_the_minute_limit_holds_from_one_clock_minute_to_the_next(
    open_sandbox: Open, clock: VirtualClock, shapes: int
) -> None:
    sandbox, client = await open_sandbox(rpm=3, shapes=shapes)
    await until_minute(clock, 50)
    assert [(await client.ask()).status for _ in range(4)] == [200, 200, 200, 429]
    refused = await client.ask()
    resets_at = (clock.now() // 60 + 1) * 60
    headers = {"X-RateLimit-Limit": "3", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(resets_at * 1000))}
    assert headers.items() <= refused.headers.items()
    assert "Retry-After" not in refused.headers
    metadata = refused.error["metadata"]
    assert refused.error["message"] == "Rate limit exceeded: free-models-per-min. "
    assert (metadata["headers"], metadata["provider_name"]) == (headers, None)
    assert metadata.get("limit_source") == ("openrouter_free_tier_per_minute" if shapes == 2026 else None)
    await asyncio.sleep(9.9)
    assert (await client.ask()).status == 429, "still the same clock minute"
    await asyncio.sleep(0.1)
    assert (await client.ask()).status == 200, "ten seconds later, but another minute"
    assert sandbox.used_today == len(sandbox.log) == 7, "refused requests count towards the day"


@pytest.mark.parametrize(
    ("credits", "shapes", "says"),
    [
        ("0", 2026, "free-models-per-day. Add 10 credits to unlock 1000 free model requests per day"),
        ("10", 2026, "free-models-per-day-high-balance. "),
        ("0", 2025, "free-models-per-day. Add 10 credits to unlock 1000 free model requests per day"),
    ],
)
async def test_the_day_limit_holds_until_midnight_utc(
    open_sandbox: Open, clock: VirtualClock, credits: str, shapes: int, says: str
) -> None:
    sandbox, client = await open_sandbox(rpd=2, credits=Decimal(credits), shapes=shapes)
    assert [(await client.ask()).status for _ in range(3)] == [200, 200, 429]
    midnight = day_start(day_of(clock.now()) + 1)
    refused = await client.ask(model="sandbox/harbor-24b:free")
    assert refused.headers["X-RateLimit-Reset"] == str(int(midnight * 1000))
    assert refused.headers["X-RateLimit-Limit"] == "2"
    assert refused.error["message"] == f"Rate limit exceeded: {says}"
    assert ("limit_source" in refused.error["metadata"]) == (shapes == 2026)
    assert sandbox.used_today == 4, "used passes the limit"
    await asyncio.sleep(midnight - clock.now() - 1)
    assert (await client.ask()).status == 429
    await asyncio.sleep(1)
    assert (await client.ask()).status == 200
    assert sandbox.used_today == 1


async def test_the_keys_of_one_account_share_its_limits_and_another_account_has_its_own(open_sandbox: Open) -> None:
    _, client = await open_sandbox(rpd=1)
    assert (await client.ask(headers={"Authorization": "Bearer one"})).status == 200
    assert (await client.ask(headers={"Authorization": "Bearer two"})).status == 429
    assert (await client.ask(headers={"Authorization": "Bearer two@ann"})).status == 200


@pytest.mark.parametrize(("stale", "seen"), [(60.0, [0, 0, 2]), (0.0, [0, 2, 2])])
async def test_key_reports_the_day_as_late_as_it_is_told_to(open_sandbox: Open, stale: float, seen: list[int]) -> None:
    _, client = await open_sandbox(rpd=7, key_stale_seconds=stale)

    async def reported() -> Json:
        counts = (await client.get("/key")).json["data"]["free_model_daily_requests"]
        assert isinstance(counts, dict)
        return counts

    used = [(await reported())["used"]]
    await client.ask()
    await client.ask()
    used.append((await reported())["used"])
    await asyncio.sleep(60)
    last = await reported()
    assert [*used, last["used"]] == seen
    assert last == {"limit": 7, "used": 2, "remaining": 5}


# --- money -------------------------------------------------------------------------------------------------


async def test_a_paid_model_is_billed_by_its_prices_and_leaves_the_free_day_alone(open_sandbox: Open) -> None:
    sandbox, client = await open_sandbox(credits=Decimal(10))
    usage = (await client.ask(model="sandbox/summit-120b")).json["usage"]
    cost = usage["prompt_tokens"] * Decimal("0.000003") + usage["completion_tokens"] * Decimal("0.000015")
    assert usage["cost"] == pytest.approx(float(cost))
    assert sandbox.log[0].cost == cost > 0
    assert (sandbox.log[0].counted, sandbox.used_today) == (False, 0)
    balance = (await client.get("/credits")).json["data"]
    assert balance == {"total_credits": 10.0, "total_usage": float(cost)}


@pytest.mark.parametrize(
    ("credits", "spent", "model", "status"),
    [
        ("0", "0", "sandbox/summit-120b", 402),
        ("0", "0", "sandbox/harbor-24b:free", 200),
        ("5", "5.01", "sandbox/harbor-24b:free", 402),
        ("5", "4.99", "sandbox/summit-120b", 200),
    ],
)
async def test_no_money_stops_paid_models_and_debt_stops_all(
    open_sandbox: Open, credits: str, spent: str, model: str, status: int
) -> None:
    _, client = await open_sandbox(credits=Decimal(credits), spent=Decimal(spent))
    heard = await client.ask(model=model)
    assert heard.status == status
    if status == 402:
        assert heard.error["metadata"] == {"limit_source": "openrouter_credits"}


async def test_a_cut_stream_of_a_paid_model_is_billed_for_what_was_written(open_sandbox: Open) -> None:
    sandbox, client = await open_sandbox(credits=Decimal(10), seconds_per_chunk=1.0)
    response = await client.open(model="sandbox/prism-12b")
    await asyncio.sleep(10)
    response.close()
    await asyncio.sleep(5)
    cut = sandbox.log[0]
    assert 0 < cut.completion_tokens <= 10
    assert cut.cost == cut.prompt_tokens * Decimal("0.0000001") + cut.completion_tokens * Decimal("0.0000004")


# --- catalogue and account ---------------------------------------------------------------------------------


async def test_the_catalogue_has_openrouters_shape_and_no_real_model_but_its_routers(open_sandbox: Open) -> None:
    _, client = await open_sandbox()
    models = (await client.get("/models", headers={})).json
    entries = {entry["id"]: entry for entry in models["data"]}
    assert models["total_count"] == len(entries) == len(models["data"])
    assert {model for model in entries if not model.startswith("sandbox/")} == {"openrouter/free", "openrouter/auto"}
    for model, entry in entries.items():
        prices = {name: Decimal(price) for name, price in entry["pricing"].items()}
        assert all(isinstance(price, str) for price in entry["pricing"].values())
        assert {"prompt", "completion"} <= prices.keys()
        if model.endswith(":free") or model == "openrouter/free":
            assert not any(prices.values())
        assert isinstance(entry["context_length"], int)
        assert "text" in entry["architecture"]["input_modalities"]
    assert entries["openrouter/auto"]["pricing"]["prompt"] == "-1"
    assert any("image" in e["architecture"]["input_modalities"] for m, e in entries.items() if m.endswith(":free"))
    assert len({e["context_length"] for m, e in entries.items() if m.endswith(":free")}) >= 5
    assert (await client.get("/models/user")).json == models


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ({}, "No cookie auth credentials found"),
        ({"Authorization": "Bearer "}, "No cookie auth credentials found"),
        ({"Authorization": "Bearer a-bad-key"}, "User not found."),
    ],
)
async def test_a_key_is_needed_everywhere_but_for_the_catalogue(
    open_sandbox: Open, header: dict[str, str], says: str
) -> None:
    sandbox, client = await open_sandbox()
    for path in ("/key", "/credits", "/models/user", "/generation?id=x"):
        heard = await client.get(path, header)
        assert (heard.status, heard.error["message"]) == (401, says)
    asked = await client.ask(headers={"Authorization": ""} | header)
    assert (asked.status, asked.error["message"]) == (401, says)
    assert (await client.get("/models", header)).status == 200
    assert [(a.outcome, a.counted) for a in sandbox.log] == [("rejected", False)]


async def test_a_generation_is_known_a_while_after_its_end(open_sandbox: Open) -> None:
    _, client = await open_sandbox(generation_delay_seconds=60.0)
    heard = await client.stream()
    path = f"/generation?id={heard.headers['X-Generation-Id']}"
    assert heard.headers["X-Generation-Id"] == heard.events[0]["id"]
    await asyncio.sleep(59)
    assert (await client.get(path)).status == 404
    await asyncio.sleep(1)
    found = (await client.get(path)).json["data"]
    assert (found["id"], found["model"]) == (heard.events[0]["id"], heard.events[0]["model"])
    assert found["cancelled"] is False
    assert (await client.get(path, {"Authorization": "Bearer k@other"})).status == 404


# --- answers -----------------------------------------------------------------------------------------------


async def test_a_stream_has_comments_then_text_then_two_finishes_usage_and_done(open_sandbox: Open) -> None:
    _, client = await open_sandbox()
    heard = await client.stream(model="sandbox/harbor-24b:free")
    assert heard.headers["Content-Type"] == "text/event-stream"
    assert heard.body.startswith(b": OPENROUTER PROCESSING\n\n")
    assert heard.body.endswith(b"data: [DONE]\n\n")
    events = heard.events
    assert {(e["id"], e["object"], e["model"]) for e in events} == {
        (events[0]["id"], "chat.completion.chunk", "sandbox/harbor-24b:free")
    }
    assert all(e["choices"][0]["delta"]["role"] == "assistant" for e in events)
    finishes = [e["choices"][0]["finish_reason"] for e in events]
    assert (finishes[-2:], set(finishes[:-2])) == (["stop", "stop"], {None})
    assert ["usage" in e for e in events[-2:]] == [False, True]
    usage = events[-1]["usage"]
    assert usage["cost"] == 0
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


async def test_the_same_question_gets_the_same_text_in_either_form_and_another_seed_another(open_sandbox: Open) -> None:
    questions = [f"Question {number}" for number in range(12)]
    (_, one), (_, same), (_, other) = [await open_sandbox(seed=seed) for seed in (1, 1, 2)]
    streamed = [(await one.stream(question)).text for question in questions]
    whole = [(await same.ask(question)).json["choices"][0]["message"]["content"] for question in questions]
    assert streamed == whole
    assert len(set(streamed)) == len(questions)
    assert streamed != [(await other.stream(question)).text for question in questions]


async def test_text_comes_at_a_human_pace(open_sandbox: Open, clock: VirtualClock) -> None:
    _, client = await open_sandbox(first_token_seconds=0.6, seconds_per_chunk=0.04)
    began, arrivals = clock.now(), []
    response = await client.open(model="sandbox/harbor-24b:free")
    async for line in response.content:
        if b'"content":"' in line and b'"content":""' not in line:
            arrivals.append(clock.now())
    response.release()
    assert arrivals[0] - began == pytest.approx(0.64, abs=0.001)
    assert all(later - sooner == pytest.approx(0.04, abs=0.001) for sooner, later in pairwise(arrivals))
    assert len(arrivals) > 20


async def test_reasoning_comes_before_text_where_the_model_reasons(open_sandbox: Open) -> None:
    _, client = await open_sandbox()
    heard = await client.stream(model="sandbox/summit-120b:free")
    kinds = ["reasoning" if "reasoning" in e["choices"][0]["delta"] else "text" for e in heard.events]
    assert kinds == sorted(kinds)
    assert kinds.count("reasoning") == heard.events[-1]["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0
    for unwanted in ({"effort": "none"}, {"exclude": True}):
        quiet = await client.stream(model="sandbox/lantern-70b:free", reasoning=unwanted)
        assert b'"reasoning"' not in quiet.body


async def test_max_tokens_cuts_the_answer_reasoning_first(open_sandbox: Open) -> None:
    _, client = await open_sandbox()
    for model in ("sandbox/harbor-24b:free", "sandbox/summit-120b:free"):
        heard = await client.stream(model=model, max_tokens=5)
        assert heard.events[-1]["choices"][0]["finish_reason"] == "length"
        assert heard.events[-1]["usage"]["completion_tokens"] == 5
        assert bool(heard.text) == (model == "sandbox/harbor-24b:free")


async def test_the_free_router_names_a_free_model_that_can_answer(open_sandbox: Open) -> None:
    _, client = await open_sandbox(rpm=100, rpd=100)
    picked = {(await client.ask(f"Question {number}")).json["model"] for number in range(40)}
    assert len(picked) >= 3
    assert all(model.startswith("sandbox/") and model.endswith(":free") for model in picked)
    assert not picked & {"sandbox/gatekeeper-4b:free", "sandbox/ember-3b:free"}
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{b64encode(png(6, 4)).decode()}"}}
    seen = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, image]}]
    shown = await client.ask(messages=seen)
    assert shown.json["model"] == "sandbox/prism-12b:free"
    assert "a PNG of 6 × 4 pixels" in shown.json["choices"][0]["message"]["content"]
    torn = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    answer = await client.ask(messages=[{"role": "user", "content": [torn]}])
    assert (answer.status, answer.error["message"]) == (400, "Image could not be read")
    assert (await client.ask(messages=seen, model="sandbox/harbor-24b:free")).status == 404


async def test_echo_shows_what_was_sent_and_nothing_else(open_sandbox: Open) -> None:
    _, client = await open_sandbox()
    await client.ask("a secret of somebody else")
    context = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "My ```fence``` is green."},
        {"role": "assistant", "content": "Noted."},
        {"role": "user", "content": "sandbox:echo"},
    ]
    text = (await client.stream(messages=context)).text
    assert [f"{m['role']}: {m['content']}" for m in context] == text.split("\n")[1:-1]
    assert text.split("\n")[0] == "````"


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"messages": None}, 400, 'Input required: specify "prompt" or "messages"'),
        ({"messages": []}, 400, 'Input required: specify "prompt" or "messages"'),
        ({"messages": [{"role": "robot", "content": "x"}]}, 400, "Invalid input: messages.0.role"),
        ({"messages": [{"role": "user"}]}, 400, "Invalid input: messages.0.content"),
        ({"model": "sandbox/none:free"}, 400, "sandbox/none:free is not a valid model ID"),
        ({"model": None}, 400, "No models provided"),
        ({"models": ["a", "b", "c", "d"]}, 400, "'models' array must have 3 items or fewer."),
        ({"model": "sandbox/ember-3b:free"}, 404, "No endpoints found for sandbox/ember-3b:free."),
        ({"provider": {"data_collection": "deny"}}, 404, "No endpoints found matching your data policy"),
        (
            {"model": "sandbox/summit-120b:free", "reasoning": {"effort": "none"}},
            400,
            "Reasoning is mandatory for this endpoint and cannot be disabled.",
        ),
        (
            {"model": "sandbox/meadow-8b:free", "messages": [{"role": "user", "content": "word " * 9_000}]},
            400,
            "This endpoint's maximum context length is 8192 tokens.",
        ),
    ],
)
async def test_a_body_openrouter_would_refuse_is_refused(
    open_sandbox: Open, body: Json, status: int, says: str
) -> None:
    sandbox, client = await open_sandbox()
    heard = await client.ask(**body)
    assert (heard.status, heard.error["code"]) == (status, status)
    assert heard.error["message"].startswith(says)
    assert sandbox.log[0].outcome == "rejected"
