"""Every fault of the sandbox's registry, as bytes on the wire and as what Potluck's client makes of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import aiohttp
import pytest

from bot.chat_model import ChatRequest, ModelEnd, ModelMessage, ModelText
from bot.errors import FailureKind, UpstreamFailure
from bot.messages import ModelId
from bot.openrouter.client import OpenRouter
from bot.openrouter.sandbox import FAULTS, FaultRule, Faults, Sandbox, SandboxSettings
from bot.openrouter.sandbox.fault import Place, Refuses
from bot.openrouter.sandbox.faults import by_kind, faults_of
from bot.openrouter.sandbox.log import Outcome
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

MODEL = "sandbox/harbor-24b:free"
DONE = b"data: [DONE]\n\n"
REFUSALS = sorted(name for name, fault in FAULTS.items() if isinstance(fault.act, Refuses))


@pytest.fixture
async def sandbox(clock: VirtualClock) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(SandboxSettings(first_token_seconds=0, seconds_per_chunk=0, rpm=1_000, rpd=1_000), clock)
    yield sandbox
    await sandbox.close()


@dataclass(slots=True)
class Heard:
    """A response as far as it came."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    broke: BaseException | None = None

    @property
    def finishes(self) -> list[str | None]:
        lines = [line[6:] for line in self.body.split(b"\n\n") if line.startswith(b"data: {") and line.endswith(b"}")]
        return [json.loads(line)["choices"][0]["finish_reason"] for line in lines]


async def listen(
    base: str, fault: str | None, *, patience: float = 30.0, enough: int = 1 << 20, rest: float = 1.0
) -> Heard:
    """Ask once with a plain client; it gives up after `patience` seconds or `enough` bytes, and rests afterwards."""
    heard = Heard()
    headers = {"Authorization": "Bearer k"} | ({"X-Sandbox-Fault": fault} if fault else {})
    body = {"model": MODEL, "stream": True, "messages": [{"role": "user", "content": "Hello there"}]}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=patience)) as session:
        try:
            async with session.post(f"{base}/chat/completions", json=body, headers=headers) as response:
                heard.status, heard.headers = response.status, dict(response.headers)
                async for piece in response.content.iter_any():
                    heard.body += piece
                    if len(heard.body) >= enough:
                        break
        except (aiohttp.ClientError, TimeoutError) as error:
            heard.broke = error
    await asyncio.sleep(rest)
    return heard


REFUSED: frozenset[Place] = frozenset({"status", "body", "first", "in_stream"})
K = FailureKind
WHERE: Mapping[FailureKind, frozenset[Place]] = {
    **dict.fromkeys(
        (K.ACCOUNT_DAILY, K.ACCOUNT_MINUTE, K.NEGATIVE_BALANCE, K.KEY_LIMIT, K.IN_FLIGHT_BUDGET, K.UPSTREAM_MODEL),
        REFUSED,
    ),
    **dict.fromkeys((K.MODERATION, K.GUARDRAIL, K.NO_ENDPOINTS, K.TOO_LARGE, K.BAD_REQUEST, K.BAD_IMAGE), REFUSED),
    K.TIMEOUT: REFUSED | {"wire"},
    K.PROVIDER_DOWN: REFUSED | {"wire"},
    # Under status 200 the same words speak of the provider's key and the provider's limit.
    K.BAD_KEY: frozenset({"status"}),
    K.PLATFORM_UNKNOWN: frozenset({"status", "wire"}),
    K.EDGE_HTML: frozenset({"wire"}),
    K.EMPTY_ANSWER: frozenset({"answer", "wire"}),
    K.REASONING_ONLY: frozenset({"answer"}),
    K.CONTENT_FILTER: frozenset({"answer"}),
    K.LENGTH: frozenset({"answer", "in_stream"}),
    K.ERROR_IN_STREAM: frozenset({"answer", "in_stream", "wire"}),
    K.CUT_OFF: frozenset({"wire"}),
    K.ENDLESS: frozenset({"wire"}),
}
"""Each kind and every place it can stand in. Whatever is received has been sent: UNREACHABLE stands nowhere."""


def test_every_kind_of_failure_has_a_fault_of_its_name() -> None:
    for kind in set(FailureKind) - {FailureKind.UNREACHABLE}:
        assert FAULTS[kind.value].means is kind
    assert all(name == fault.name for name, fault in FAULTS.items())


def test_every_kind_has_a_fault_in_each_place_it_can_stand_in() -> None:
    assert set(WHERE) == set(FailureKind) - {FailureKind.UNREACHABLE}
    for kind, places in WHERE.items():
        assert {fault.place for fault in FAULTS.values() if fault.means is kind} == places, kind


NEVER_WHOLE = {"stall", "silent", "no_body", "comments_for_ever", "endless", "endless_line"}


async def test_the_header_and_the_script_give_the_same_bytes_and_the_log_names_the_fault(clock: VirtualClock) -> None:
    names = sorted(set(FAULTS) - NEVER_WHOLE)
    at_once = SandboxSettings(first_token_seconds=0, seconds_per_chunk=0, rpm=10_000, rpd=10_000, seed=5)
    rules = tuple(FaultRule(fault=name, at=(number,)) for number, name in enumerate(names, 1))
    asked, scripted = Sandbox(at_once, clock), Sandbox(replace(at_once, faults=Faults(rules=rules)), clock)
    bases = [await asked.start(), await scripted.start()]
    try:
        for name in names:
            one, two = await listen(bases[0], name, rest=0), await listen(bases[1], None, rest=0)
            assert (one.status, one.body, type(one.broke)) == (two.status, two.body, type(two.broke)), name
            place = FAULTS[name].place
            if one.status is not None:
                assert (one.status >= 400) == (place == "status") or place == "wire", name
        assert [attempt.fault for attempt in asked.log] == [attempt.fault for attempt in scripted.log] == names
        assert all(attempt.ended_at is not None for attempt in asked.log)
        assert [a.bytes_sent for a in asked.log] == [a.bytes_sent for a in scripted.log]
    finally:
        await asked.close()
        await scripted.close()


async def test_a_seeded_script_repeats_and_another_seed_is_another_day(clock: VirtualClock) -> None:
    mix = dict.fromkeys(("class:upstream_model", "class:provider_down", "class:length"), 1.0)

    async def day(seed: int) -> list[str | None]:
        faults = Faults(rules=(FaultRule(mix=mix, probability=0.4),))
        settings = SandboxSettings(
            first_token_seconds=0, seconds_per_chunk=0, rpm=1_000, rpd=1_000, seed=seed, faults=faults
        )
        sandbox = Sandbox(settings, clock)
        base = await sandbox.start()
        for _ in range(60):
            await listen(base, None, rest=0)
        await sandbox.close()
        return [attempt.fault for attempt in sandbox.log]

    first, again, other = await day(1), await day(1), await day(2)
    assert first == again != other
    assert 10 < sum(fault is not None for fault in first) < 40


@pytest.mark.parametrize("kind", [*by_kind()])
async def test_the_client_makes_of_a_fault_what_the_registry_says(
    sandbox: Sandbox, clock: VirtualClock, kind: str
) -> None:
    client = OpenRouter(base_url=await sandbox.start(), api_key="sk-or-v1-test", clock=clock)
    for name in faults_of(kind):
        text, failed, ended = "", None, None
        request = ChatRequest(
            model=ModelId(MODEL),
            messages=[ModelMessage(role="user", content=f"Hello there, sandbox:{name}")],
            user="u",
            session="s",
            attempt=name,
        )
        try:
            async with aclosing(client.stream(request, on_sent=lambda: None)) as events:
                async for event in events:
                    if isinstance(event, ModelText):
                        text += event.text
                    elif isinstance(event, ModelEnd):
                        ended = event
        except UpstreamFailure as failure:
            failed = failure
        assert (failed.kind if failed else None) is FAULTS[name].means, name
        assert (ended is None) == (failed is not None), name
        assert bool(text) >= (failed is None), name
    await client.close()
    assert [(a.attempt, a.fault, a.units) for a in sandbox.log] == [(name, name, 1) for name in faults_of(kind)]


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_refusal_is_openrouters_envelope(sandbox: Sandbox, name: str) -> None:
    heard = await listen(await sandbox.start(), name)
    body = json.loads(heard.body)
    error = body["error"]
    assert heard.headers["Content-Type"] == "application/json"
    assert isinstance(error["message"], str)
    if "name" in error:
        assert (body["success"], error["name"]) == (False, "ZodError"), "the newer routes' own envelope"
    else:
        assert body["user_id"] == "user_sandbox"
        coded = isinstance(error["code"], str) or error["code"] == heard.status
        assert coded or (heard.status == 200 and name.endswith("_body"))
    inner = error.get("metadata", {}).get("headers", {})
    if heard.status != 200:
        assert inner.items() <= heard.headers.items(), "what the metadata repeats is on the response"
    assert sandbox.log[0].outcome == ("failed" if heard.status == 200 else "rejected")


async def test_upstream_hints_are_whole_seconds_beside_the_raw_number(sandbox: Sandbox) -> None:
    base = await sandbox.start()
    hinted, silent = await listen(base, "upstream_model_hint"), await listen(base, "upstream_model")
    metadata = json.loads(hinted.body)["error"]["metadata"]
    assert (metadata["retry_after_seconds"], metadata["retry_after_seconds_raw"]) == (11, 10.918)
    assert hinted.headers["Retry-After"] == "11"
    assert "Retry-After" not in silent.headers
    assert metadata["limit_source"] == "upstream_provider_shared_pool"


@pytest.mark.parametrize(
    ("name", "broke", "outcome"),
    [
        ("cut_off", None, "failed"),
        ("closed_early", aiohttp.ClientPayloadError, "failed"),
        ("reset_midway", aiohttp.ClientError, "failed"),
        ("reset_at_once", aiohttp.ClientError, "failed"),
        ("stall", TimeoutError, "cut_by_client"),
        ("no_body", TimeoutError, "cut_by_client"),
        ("silent", TimeoutError, "cut_by_client"),
        ("comments_for_ever", TimeoutError, "cut_by_client"),
        ("endless", None, "cut_by_client"),
        ("endless_line", None, "cut_by_client"),
    ],
)
async def test_a_broken_stream_breaks_as_it_says(
    sandbox: Sandbox, name: str, broke: type[BaseException] | None, outcome: Outcome
) -> None:
    heard = await listen(await sandbox.start(), name, enough=100_000)
    assert isinstance(heard.broke, broke) if broke else heard.broke is None
    assert DONE not in heard.body
    assert set(heard.finishes if name != "endless_line" else []) <= {None}
    assert (heard.status is None) == (name in ("reset_at_once", "silent"))
    begun = {"cut_off", "closed_early", "reset_midway", "stall", "endless"}
    assert (b'"content":"You' in heard.body or b'"content":" ' in heard.body) == (name in begun)
    if name == "comments_for_ever":
        assert heard.body.count(b": OPENROUTER PROCESSING\n\n") >= 25
    assert sandbox.log[0].outcome == outcome


async def test_slices_are_the_whole_answer_with_other_line_ends(sandbox: Sandbox) -> None:
    base = await sandbox.start()
    plain, sliced = await listen(base, None), await listen(base, "slices")
    first, second = sandbox.log

    def known(body: bytes, generation: str) -> bytes:
        return body.replace(generation.encode(), b"id").replace(str(int(first.at)).encode(), b"t")

    expected = known(plain.body, first.generation).replace(b"\n", b"\r\n")
    assert known(sliced.body, second.generation).replace(str(int(second.at)).encode(), b"t") == expected
    assert any(byte > 127 for byte in sliced.body), "there are characters to split"


async def test_the_two_shapes_of_an_error_midway(sandbox: Sandbox) -> None:
    base = await sandbox.start()
    heard = [await listen(base, name) for name in ("provider_down_in_stream", "length_in_stream_2025")]
    assert [answer.body.endswith(DONE) for answer in heard] == [False, True]
    assert [answer.finishes[-1] for answer in heard] == ["error", None]
    assert all(b'"error":{' in answer.body for answer in heard)
    first = await listen(base, "provider_down_first")
    assert (first.status, first.finishes) == (200, ["error"])


async def test_a_wrong_cost_and_a_classifier_are_told_as_they_would_be(sandbox: Sandbox) -> None:
    base = await sandbox.start()
    billed, classified = await listen(base, "wrong_cost"), await listen(base, "classifier")
    assert b'"cost":0.0042' in billed.body
    assert b'"cost":0.0042' not in (await listen(base, None)).body
    assert sandbox.log[0].cost == 0, "it was only said"
    assert b'"content":"safe"' in classified.body
    assert b"gatekeeper" in classified.body


async def test_the_edge_answers_in_html(sandbox: Sandbox) -> None:
    base = await sandbox.start()
    for name, status in (("edge_html", 503), ("edge_html_200", 200)):
        heard = await listen(base, name)
        assert (heard.status, heard.headers["Content-Type"]) == (status, "text/html")
        assert heard.body.startswith(b"<!DOCTYPE html>")


async def test_an_unknown_fault_in_the_header_is_refused_and_in_a_message_ignored(sandbox: Sandbox) -> None:
    base = await sandbox.start()
    heard = await listen(base, "no_such_fault")
    assert heard.status == 400
    assert "no_such_fault" in json.loads(heard.body)["error"]["message"]
    body = {"model": MODEL, "messages": [{"role": "user", "content": "sandbox:no_such_fault"}]}
    headers = {"Authorization": "Bearer k"}
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.post(f"{base}/chat/completions", json=body) as response:
            assert response.status == 200
        async with session.get(f"{base}/key", headers={"X-Sandbox-Fault": "no_such_fault"}) as response:
            assert response.status == 400


async def test_a_script_picks_requests_by_number_model_and_path(clock: VirtualClock) -> None:
    rules = (
        FaultRule(fault="timeout", first=2, last=4, every=2),
        FaultRule(fault="overloaded", model="sandbox/meadow-8b:free"),
        FaultRule(fault="edge_html", path="/key", last=1),
    )
    sandbox = Sandbox(SandboxSettings(first_token_seconds=0, seconds_per_chunk=0, faults=Faults(rules=rules)), clock)
    base = await sandbox.start()
    try:
        assert [(await listen(base, None)).status for _ in range(5)] == [200, 408, 200, 408, 200]
        async with aiohttp.ClientSession(headers={"Authorization": "Bearer k"}) as session:
            body = {"model": "sandbox/meadow-8b:free", "messages": [{"role": "user", "content": "x"}]}
            async with session.post(f"{base}/chat/completions", json=body) as response:
                assert response.status == 529
            statuses = []
            for _ in range(2):
                async with session.get(f"{base}/key") as response:
                    statuses.append(response.status)
        assert statuses == [503, 200]
        assert [attempt.fault for attempt in sandbox.log] == [None, "timeout", None, "timeout", None, "overloaded"]
    finally:
        await sandbox.close()


@pytest.mark.parametrize(
    ("name", "reset"), [("reset_at_once", True), ("reset_midway", True), ("closed_early", False), ("cut_off", False)]
)
async def test_a_reset_is_a_reset_and_a_close_a_close(sandbox: Sandbox, name: str, reset: bool) -> None:
    port = int((await sandbox.start()).split(":")[2].split("/")[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps({"model": MODEL, "stream": True, "messages": [{"role": "user", "content": f"sandbox:{name}"}]})
    head = "POST /api/v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\nConnection: close\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
    came = b""
    try:
        while piece := await reader.read(1024):
            came += piece
        was_reset = False
    except ConnectionResetError:
        was_reset = True
    assert was_reset == reset
    assert came.endswith(b"0\r\n\r\n") == (name == "cut_off"), "only a body that ends properly says that it ends"
    assert came.startswith(b"HTTP/1.1 200") == (name != "reset_at_once")
    writer.close()
