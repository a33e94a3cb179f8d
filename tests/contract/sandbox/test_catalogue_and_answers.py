"""The sandbox has a catalogue of OpenRouter's shape, and answers in either form as OpenRouter would."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from decimal import Decimal
from itertools import pairwise

import pytest

from tests.contract.sandbox.asking import Json, Open
from tests.fakes.files import png
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual


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
