"""One other attempt: when there is one, what it costs, and what it leaves behind."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bot.messages import Failed, Finished, ModelId
from bot.openrouter.sandbox import FaultRule, Faults, SandboxSettings
from tests.fakes.deployment import deployment
from tests.fakes.virtual import VirtualClock
from tests.scenarios.upstream.parts import once

pytestmark = pytest.mark.virtual


async def test_another_attempt_answers_and_is_charged_to_the_pool_alone(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=once("upstream_model")) as potluck:
        message = potluck.message("ann")
        heard = await potluck.hear(message)
        assert isinstance(heard.ending, Finished)
        assert heard.ending.attempts == 2
        assert heard.notices.count("second_attempt") == 1
        assert len(potluck.sandbox.log) == 2
        await potluck.quiet()
        assert await potluck.counted() == {"leases": {"failed": 1, "answered": 1}, "used": 2, "taken": 1}
        (turn,) = await potluck.running.conversations.turns(message.conversation)
        assert (turn.answer, turn.whole) == (heard.text, True)
        assert (await potluck.hear(message)).events == [], "handled once, in two attempts"


async def test_another_attempt_that_fails_differently_ends_as_that(tmp_path: Path, clock: VirtualClock) -> None:
    rules = (FaultRule(fault="upstream_model", last=1), FaultRule(fault="moderation", first=2))
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(faults=Faults(rules=rules))) as potluck:
        heard = await potluck.ask("ann")
        assert heard.error == "moderated"
        await potluck.quiet()
        assert await potluck.counted() == {"leases": {"failed": 2}, "used": 2, "taken": 1}


async def test_whoever_stops_between_two_attempts_leaves_straight_books(tmp_path: Path, clock: VirtualClock) -> None:
    sandbox = SandboxSettings(rpm=10_000, rpd=10_000, faults=Faults(rules=(FaultRule(fault="upstream_model"),)))
    async with deployment(tmp_path, clock, sandbox=sandbox, env={"pool_rpm": "10000"}) as potluck:
        stopped_between = 0
        for steps in range(50):
            before = len(potluck.sandbox.log)
            reply = asyncio.create_task(potluck.ask("ann"))
            for _ in range(steps):
                while potluck.running.database.busy:
                    await asyncio.sleep(0)
                await asyncio.sleep(0)
            reply.cancel()
            await asyncio.wait([reply])
            stopped_between += reply.cancelled() and len(potluck.sandbox.log) > before
            await asyncio.sleep(1)
            await potluck.quiet()
            assert (await potluck.counted())["used"] == len(potluck.sandbox.log)
        assert stopped_between, "some were stopped after their first attempt had left"
        assert len(potluck.sandbox.log) > 50, "some had two"


async def test_a_chain_is_asked_on_without_the_models_that_rest(tmp_path: Path, clock: VirtualClock) -> None:
    env = {"free_models": "sandbox/meadow-8b:free"}
    async with deployment(tmp_path, clock, sandbox=once("upstream_model_hint"), env=env) as potluck:
        await asyncio.gather(*(potluck.ask("ann", conversation=str(number)) for number in range(2)))
        asked = [attempt.model_asked for attempt in potluck.sandbox.log]
        assert asked[0] == "sandbox/meadow-8b:free"
        assert asked[1:] == ["openrouter/free"] * (len(asked) - 1), "what had no room is left alone"
        await asyncio.sleep(60)
        await potluck.ask("ann")
        assert potluck.sandbox.log[-1].model_asked == "sandbox/meadow-8b:free", "for as long as it said"


async def test_a_model_that_was_asked_for_and_rests_is_refused_for_nothing(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=once("upstream_model_hint")) as potluck:
        wish = ModelId("sandbox/meadow-8b:free")
        for _ in range(2):
            heard = await potluck.hear(replace(potluck.message("ann"), model=wish))
            assert heard.error == "upstream_busy"
            assert isinstance(heard.ending, Failed)
            assert heard.ending.error.resets_at is not None
        assert len(potluck.sandbox.log) == 1, "another model was not asked for"
        await asyncio.sleep(30)
        assert (await potluck.hear(replace(potluck.message("ann"), model=wish))).error is None


async def test_second_attempts_have_a_small_part_of_the_day(tmp_path: Path, clock: VirtualClock) -> None:
    """A day on which every provider is busy does not cost everyone two units a question."""
    rules = (FaultRule(fault="upstream_model"),)
    sandbox = SandboxSettings(rpm=1000, rpd=200, faults=Faults(rules=rules))
    async with deployment(tmp_path, clock, sandbox=sandbox, env={"pool_rpm": "1000"}) as potluck:
        for number in range(50):
            await potluck.ask(f"m{number}")
        assert len(potluck.sandbox.log) == 50 + 200 // 50
