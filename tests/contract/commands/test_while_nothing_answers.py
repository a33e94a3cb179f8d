"""Commands cost nothing, and work while the pool is spent, paused, or OpenRouter is not to be reached."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

from bot.commands.all import ALL
from tests.contract.commands.bindings.core import Core, core
from tests.contract.commands.playing import CASES, QUESTIONS
from tests.contract.commands.stage import Case, Stage
from tests.fakes.deployment import Deployment
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

Bring: TypeAlias = Callable[[Stage], Awaitable[None]]


async def spent(stage: Stage) -> None:
    await stage.use("admin pool limits", by="owner", rpd=stage.potluck.running.scheduler.used)


async def paused(stage: Stage) -> None:
    await stage.use("admin pool pause", by="owner")


async def down(stage: Stage) -> None:
    await stage.potluck.sandbox.close()


STATES: Mapping[str, tuple[Bring, str]] = {
    "spent": (spent, "pool_spent"),
    "paused": (paused, "pool_paused"),
    "down": (down, "upstream_failed"),
}
"""How it comes about, and why a question is not answered then."""
ASK_OPENROUTER = frozenset({"key paste", "admin key paste"})
"""Commands that a linked account is checked by."""
ABOUT_THE_STATE = frozenset({"admin pool pause", "admin pool resume", "admin pool limits", "admin pool status"})
"""Commands that change the state, or whose answers are about it."""
STOPPED = "stop"


def played() -> list[Case]:
    """A case of each command that is no question, with nothing under way."""
    commands = [command.name for command in ALL if command.name not in QUESTIONS]
    found = [[case for case in CASES if case.words == words] for words in commands]
    return [cases[-1] if cases[0].words == STOPPED else cases[0] for cases in found]


async def charged(potluck: Deployment) -> tuple[object, int]:
    """Units taken, by the database, and requests, by OpenRouter's end."""
    return await potluck.counted(), len(potluck.sandbox.log)


@pytest.mark.parametrize("name", STATES)
async def test_every_command_works_and_takes_no_unit_while_the_pool_is(
    name: str, tmp_path: Path, clock: VirtualClock
) -> None:
    bring, error = STATES[name]
    async with core(tmp_path, clock) as binding:
        ready = [(case, await prepared(case, binding)) for case in played()]
        owner = await Stage.of(binding)
        await owner.use("admin pool limits", by="owner", lift=True)
        await bring(owner)
        before = await charged(binding.potluck)
        for case, stage in ready:
            stage.remember()
            reply = await stage.use(case.words, by=case.by or case.command.rank, **case.given)
            if name == "down" and case.words in ASK_OPENROUTER:
                assert "OpenRouter could not be asked just now, so nothing was kept" in reply.text
                continue
            assert not reply.refused, (case.id, reply.text)
            if case.words not in ABOUT_THE_STATE:
                assert case.says in reply.text
                for what, (found, wanted) in (await case.does(stage) if case.does else {}).items():
                    assert found == wanted, (case.id, what)
            await stage.tidy()
        assert await charged(binding.potluck) == before or name == "down"
        assert (await charged(binding.potluck))[1] == before[1]
        heard = await binding.potluck.ask("zed")
        assert heard.error == error, "the control: a question is not answered"


async def prepared(case: Case, binding: Core) -> Stage:
    """Everything before a case is done, while questions are answered."""
    stage = await Stage.of(binding)
    for step in case.first if case.words not in ABOUT_THE_STATE else ():
        await step(stage)
    return stage


@pytest.mark.parametrize("name", ["spent", "paused"])
async def test_what_is_being_answered_is_stopped_while_the_pool_is(
    name: str, tmp_path: Path, clock: VirtualClock
) -> None:
    bring, _ = STATES[name]
    (case, *_) = [case for case in CASES if case.words == STOPPED]
    async with core(tmp_path, clock) as binding:
        stage = await prepared(case, binding)
        await bring(stage)
        async with asyncio.timeout(10):
            assert "Stopped" in (await stage.use(STOPPED)).text
            assert case.does is not None
            for found, wanted in (await case.does(stage)).values():
                assert found == wanted
