"""The sandbox's log tells the truth of what was received and how it ended, and nothing outlives a sandbox."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.openrouter.sandbox import (
    AccountSettings,
    FaultRule,
    Faults,
    Sandbox,
    SandboxAttempt,
    SandboxSettings,
    read_log,
)
from bot.openrouter.sandbox.keys import digest
from bot.openrouter.sandbox.server import MAX_BODY
from tests.fakes.virtual import VirtualClock, VirtualLoop

pytestmark = pytest.mark.virtual

HEADERS = {"Authorization": "Bearer k"}
Make = Callable[[SandboxSettings], Sandbox]
BODY = {
    "model": "sandbox/harbor-24b:free",
    "stream": True,
    "messages": [{"role": "user", "content": "Hello there"}],
    "user": "u-hash",
    "session_id": "s-hash",
    "metadata": {"attempt": "a1"},
}


@pytest.fixture
async def http(loop: VirtualLoop) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers=HEADERS) as session:
        yield session


@pytest.fixture
async def make(clock: VirtualClock) -> AsyncIterator[Callable[[SandboxSettings], Sandbox]]:
    """Makes sandboxes and closes them, whatever became of the test."""
    made: list[Sandbox] = []

    def sandbox(settings: SandboxSettings) -> Sandbox:
        made.append(Sandbox(settings, clock))
        return made[-1]

    yield sandbox
    for one in made:
        await one.close()


async def finish(http: aiohttp.ClientSession, base: str, **body: Any) -> int:
    async with http.post(f"{base}/chat/completions", json=BODY | body) as response:
        await response.read()
        return response.status


async def test_an_attempt_is_on_record_while_it_runs_and_afterwards(
    http: aiohttp.ClientSession, make: Make, clock: VirtualClock
) -> None:
    sandbox = make(SandboxSettings())
    base, began = await sandbox.start(), clock.now()
    response = await http.post(f"{base}/chat/completions", json=BODY)
    (running,) = sandbox.log
    assert (running.outcome, running.ended_at, running.counted) == (None, None, True)
    body = await response.read()
    (ended,) = sandbox.log
    assert ended == SandboxAttempt(
        number=1,
        at=began,
        account="",
        key=digest("k"),
        attempt="a1",
        user="u-hash",
        session="s-hash",
        streamed=True,
        model_asked="sandbox/harbor-24b:free",
        model_used="sandbox/harbor-24b:free",
        fault=None,
        units=1,
        generation=response.headers["X-Generation-Id"],
        status=200,
        outcome="finished",
        ended_at=clock.now(),
        bytes_sent=len(body),
        prompt_tokens=ended.prompt_tokens,
        completion_tokens=body.count(b'"finish_reason":null'),
        cost=Decimal(0),
    )


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("after", [0.0, 0.3, 2.0])
async def test_a_client_that_leaves_is_noticed_when_it_leaves_and_has_been_counted(
    http: aiohttp.ClientSession, make: Make, clock: VirtualClock, stream: bool, after: float
) -> None:
    sandbox = make(SandboxSettings())
    base = await sandbox.start()
    asking = asyncio.create_task(finish(http, base, stream=stream))
    await asyncio.sleep(0.01 + after)
    asking.cancel()
    left = clock.now()
    await asyncio.sleep(5)
    (cut,) = sandbox.log
    assert (cut.outcome, cut.counted, sandbox.used_today) == ("cut_by_client", True, 1)
    assert cut.ended_at == pytest.approx(left, abs=0.05)
    assert (cut.bytes_sent > 0) == (stream and after > 0)


async def test_a_client_that_leaves_after_done_has_had_its_answer(http: aiohttp.ClientSession, make: Make) -> None:
    sandbox = make(SandboxSettings())
    response = await http.post(f"{await sandbox.start()}/chat/completions", json=BODY)
    async for line in response.content:
        if b"[DONE]" in line:
            break
    response.close()
    await asyncio.sleep(1)
    assert [attempt.outcome for attempt in sandbox.log] == ["finished"]


async def test_what_is_refused_is_on_record_with_whether_it_counted(http: aiohttp.ClientSession, make: Make) -> None:
    sandbox = make(SandboxSettings(first_token_seconds=0, seconds_per_chunk=0, rpm=2))
    base = await sandbox.start()
    statuses = [
        await finish(http, base, model="sandbox/none"),
        await finish(http, base, messages=[]),
        await finish(http, base),
        await finish(http, base),
        await finish(http, base, model="sandbox/summit-120b"),
    ]
    async with http.post(f"{base}/chat/completions", data=b"no json") as response:
        statuses.append(response.status)
    async with http.post(f"{base}/chat/completions", data=BytesIO(b" " * (MAX_BODY + 1))) as response:
        statuses.append(response.status)
    assert statuses == [400, 400, 200, 429, 402, 400, 413]
    assert [attempt.status for attempt in sandbox.log] == statuses
    assert [attempt.counted for attempt in sandbox.log] == [False, True, True, True, False, False, False]
    assert sandbox.used_today == 3


async def test_half_a_character_in_a_message_does_no_harm(http: aiohttp.ClientSession, make: Make) -> None:
    sandbox = make(SandboxSettings(first_token_seconds=0, seconds_per_chunk=0))
    raw = json.dumps(BODY | {"messages": [{"role": "user", "content": "sandbox:echo \ud83c"}], "user": "\ud83c"})
    async with http.post(f"{await sandbox.start()}/chat/completions", data=raw) as response:
        assert (response.status, "\ufffd" in await response.text()) == (200, True)


async def test_a_file_keeps_the_count_across_restarts_and_crashes(
    http: aiohttp.ClientSession, make: Make, tmp_path: Path
) -> None:
    file = tmp_path / "sandbox.jsonl"
    settings = SandboxSettings(
        first_token_seconds=0, seconds_per_chunk=0, rpd=3, credits=Decimal(1), log_file=file, rpm=100
    )
    first = make(settings)
    base = await first.start()
    await finish(http, base)
    await finish(http, base, model="sandbox/summit-120b")
    running = asyncio.create_task(finish(http, base, messages=[{"role": "user", "content": "sandbox:silent"}]))
    await asyncio.sleep(1)
    assert read_log(file) == first.log, "every line is in the file at once"
    with file.open("a") as torn:
        torn.write('{"number": 4, "at": 17')  # as a crash would leave it

    second = make(settings)
    base = await second.start()
    assert [attempt.outcome for attempt in second.log] == ["finished", "finished", None]
    assert second.used_today == 2
    assert [await finish(http, base), await finish(http, base)] == [200, 429]
    assert [attempt.number for attempt in read_log(file)] == [1, 2, 3, 4, 5]
    assert len({attempt.generation for attempt in second.log}) == 5
    async with http.get(f"{base}/credits") as response:
        usage = (await response.json())["data"]["total_usage"]
    assert usage == float(second.log[1].cost) > 0
    await first.close()
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await running
    forgetful = make(SandboxSettings(rpd=3))
    assert (forgetful.used_today, forgetful.log) == (0, [])


async def test_a_script_and_the_money_go_on_after_a_restart_with_the_same_file(
    http: aiohttp.ClientSession, make: Make, tmp_path: Path
) -> None:
    settings = SandboxSettings(
        first_token_seconds=0,
        seconds_per_chunk=0,
        log_file=tmp_path / "log",
        faults=Faults(rules=(FaultRule(fault="overloaded", at=(3,)),)),
        accounts={"ann": AccountSettings(credits=Decimal(1), key_limit=Decimal(1))},
    )
    key = {"Authorization": "Bearer k@ann"}
    first = make(settings)
    base = await first.start()
    for _ in range(2):
        async with http.post(f"{base}/chat/completions", json=BODY | {"model": "sandbox/summit-120b"}, headers=key):
            pass
    await first.close()
    second = make(settings)
    base = await second.start()
    assert await finish(http, base) == 529, "the third, over both"
    assert second.billed("ann") == first.billed("ann") == sum(attempt.cost for attempt in read_log(tmp_path / "log"))
    async with http.get(f"{base}/key", headers=key) as response:
        told = (await response.json())["data"]
    assert told["usage_daily"] == float(second.billed("ann")) > 0
    assert told["limit_remaining"] == pytest.approx(1 - told["usage_daily"])


@pytest.mark.parametrize("fault", ["", "stall", "silent", "no_body", "comments_for_ever", "endless"])
async def test_closing_cuts_what_streams_and_leaves_nothing(
    http: aiohttp.ClientSession, make: Make, clock: VirtualClock, tmp_path: Path, fault: str
) -> None:
    before = asyncio.all_tasks()
    file = tmp_path / "sandbox.jsonl"
    sandbox = make(SandboxSettings(log_file=file))
    base = await sandbox.start()
    text = f"sandbox:{fault}" if fault else "Hello there"
    asking = asyncio.create_task(finish(http, base, messages=[{"role": "user", "content": text}]))
    await asyncio.sleep(1)
    assert [attempt.outcome for attempt in sandbox.log] == [None]
    began = clock.monotonic()
    await sandbox.close()
    assert clock.monotonic() - began < 1
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await asking
    assert [attempt.outcome for attempt in sandbox.log] == ["cut_by_shutdown"]
    assert read_log(file) == sandbox.log
    assert asyncio.all_tasks() == before
    port = int(base.split(":")[2].split("/")[0])
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", port))
    open_files = {os.readlink(f"/proc/self/fd/{fd}") for fd in _descriptors()}
    assert str(file) not in open_files


def _descriptors() -> list[str]:
    return [fd for fd in os.listdir("/proc/self/fd") if os.path.islink(f"/proc/self/fd/{fd}")]


async def test_a_taken_port_is_an_error_and_leaves_nothing(make: Make) -> None:
    before = asyncio.all_tasks()
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="address already in use"):
        await make(SandboxSettings()).start(port=taken.getsockname()[1])
    assert asyncio.all_tasks() == before
