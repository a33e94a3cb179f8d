"""A day of a thousand questions on which a tenth of all requests fail in every way: nothing is wasted, nobody is left
without a word, and the books agree with the sandbox's log."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from bot.chat_model import ChatRequest, ModelMessage
from bot.clock import Clock, day_of, day_start
from bot.errors import UpstreamFailure
from bot.messages import Failed, Finished, ModelId
from bot.openrouter.client import OpenRouter
from bot.openrouter.sandbox import FaultRule, Faults, Sandbox, SandboxAttempt, SandboxSettings
from tests.fakes.deployment import Heard, deployment
from tests.fakes.virtual import START, VirtualClock, VirtualLoop

pytestmark = pytest.mark.virtual

QUESTIONS, MEMBERS = 1000, 60
SPENT_AT = 960
"""The request that is told that the account's day is spent, though it is not yet by our count."""
MIX = {
    "upstream_model": 6.0,
    "upstream_model_hint": 3.0,
    "capacity_exhausted": 2.0,
    "provider_down": 2.0,
    "provider_down_in_stream": 2.0,
    "cut_off": 1.0,
    "stall": 1.0,
    "empty_answer": 1.0,
    "reasoning_only": 1.0,
    "edge_html": 1.0,
    "moderation": 1.0,
    "platform_unknown": 1.0,
    "account_minute": 1.0,
    "bad_key": 0.5,
    "negative_balance": 0.5,
    "data_policy": 0.5,
    "bad_request": 0.5,
}
SANDBOX = SandboxSettings(
    rpd=1000,
    seconds_per_chunk=0,
    faults=Faults(rules=(FaultRule(fault="account_daily", first=SPENT_AT), FaultRule(mix=MIX, probability=0.1))),
)
MOST_ON_SECOND_ATTEMPTS = QUESTIONS * 2 // 100


class Day(NamedTuple):
    """What became of a day."""

    seconds: int
    """Requests that were a question's second, or further."""
    after_spent: int
    """Requests that came after the first that was told that the day is spent."""


def of(log: list[SandboxAttempt], *, questions: int) -> Day:
    spent = next((number for number, one in enumerate(log, start=1) if one.fault == "account_daily"), len(log))
    return Day(seconds=len(log) - questions, after_spent=len(log) - spent)


async def test_a_day_on_which_a_tenth_fails(tmp_path: Path, loop: VirtualLoop) -> None:
    clock = VirtualClock(loop, start=day_start(day_of(START)) + 600)
    chance = random.Random(5)
    heard: list[Heard] = []

    async with deployment(tmp_path, clock, sandbox=SANDBOX) as potluck:

        async def ask(at: float, member: str) -> None:
            await asyncio.sleep(at)
            heard.append(await potluck.ask(member))

        times = [chance.uniform(0, 84_000) for _ in range(QUESTIONS)]
        await asyncio.gather(*(ask(at, f"m{chance.randrange(MEMBERS)}") for at in times))
        await potluck.quiet()
        counted, log = await potluck.counted(), potluck.sandbox.log
        shut_for = (await potluck.running.conversations.pool()).shut_for

    assert len(heard) == QUESTIONS
    endings = [one.ending for one in heard]  # asserts that there is exactly one each
    answered = [ending for ending in endings if isinstance(ending, Finished)]
    failed = [one for one in heard if isinstance(one.ending, Failed)]
    sent = sum(one.started for one in heard)
    day = of(log, questions=sent)
    assert 0 < day.seconds <= MOST_ON_SECOND_ATTEMPTS
    assert day.seconds == sum(one.notices.count("second_attempt") for one in heard)
    assert day.after_spent == 0
    assert log[-1].fault == "account_daily"
    assert shut_for is None, "no member's failure stopped the pool"

    assert sum(number for outcome, number in counted["leases"].items() if outcome != "released") == len(log)
    assert counted["used"] == len(log) == sum(attempt.units for attempt in log)
    kept = sum(one.ending.partial or one.error == "moderated" for one in failed if isinstance(one.ending, Failed))
    bad = sum(one.error == "upstream_failed" and reason(one) == "bad_request" for one in failed)
    assert counted["taken"] == len(answered) + kept + bad

    errors = Counter(one.error for one in failed)
    assert errors["pool_spent"] >= QUESTIONS - SPENT_AT - MOST_ON_SECOND_ATTEMPTS
    assert len(answered) >= 850


def reason(heard: Heard) -> str | None:
    assert isinstance(heard.ending, Failed)
    return getattr(heard.ending.error, "reason", None)


@pytest.mark.soak
async def test_control_a_client_that_retries_everything_wastes_the_day(clock: VirtualClock) -> None:
    sandbox = Sandbox(SANDBOX, clock)
    client = OpenRouter(base_url=await sandbox.start(), api_key="sandbox", clock=clock)
    try:
        for number in range(QUESTIONS):
            await asyncio.sleep(10)
            await stubborn(client, number, clock)
        day = of(sandbox.log, questions=QUESTIONS)
        assert day.seconds > MOST_ON_SECOND_ATTEMPTS
        assert day.after_spent > 0
    finally:
        await client.close()
        await sandbox.close()


async def stubborn(client: OpenRouter, number: int, clock: Clock) -> None:
    """Asks up to three times."""
    request = ChatRequest(
        model=ModelId("openrouter/free"),
        messages=[ModelMessage(role="user", content="hello")],
        user="m",
        session=str(number),
        attempt=str(number),
    )
    for _ in range(3):
        try:
            async for _event in client.stream(request, on_sent=lambda: None):
                pass
        except UpstreamFailure:
            continue
        return
