"""The pool is shut on two witnesses, so that no member can stop it; and opens by itself."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bot.conversation.exchange import Exchange
from bot.errors import AnswerFailed
from bot.messages import Failed
from bot.openrouter.sandbox import FaultRule, Faults, SandboxSettings
from tests.fakes.deployment import deployment
from tests.fakes.virtual import VirtualClock
from tests.scenarios.upstream.parts import SUSPICIONS, Credulous, answering

pytestmark = pytest.mark.virtual


@pytest.mark.parametrize("fault", SUSPICIONS)
async def test_a_member_cannot_stop_the_pool(tmp_path: Path, clock: VirtualClock, fault: str) -> None:
    async with deployment(tmp_path, clock) as potluck:
        for _ in range(20):
            assert (await potluck.ask("mallory", f"sandbox:{fault}")).error in ("bad_key", "out_of_credit", "no_route")
            await asyncio.sleep(10)
            assert (await potluck.running.conversations.pool()).shut_for is None
            assert (await potluck.ask("ann")).error is None


@pytest.mark.parametrize("fault", SUSPICIONS)
async def test_the_accounts_own_word_shuts_the_pool_and_opens_it_again(
    tmp_path: Path, clock: VirtualClock, fault: str
) -> None:
    rules, shut_for = SUSPICIONS[fault]
    began = clock.now()
    lasting = [replace(rule, after=began + 1000, until=began + 3000) for rule in rules]
    sandbox = SandboxSettings(faults=Faults(rules=(*lasting, FaultRule(fault=fault, at=(1, 2)))))
    async with deployment(tmp_path, clock, sandbox=sandbox) as potluck:
        # A request fails so while the account says nothing of the kind, then while it does.
        assert (await potluck.ask("ann")).error is not None
        await asyncio.sleep(200)
        assert (await potluck.running.conversations.pool()).shut_for is None, "one witness is none"
        await asyncio.sleep(1500 - (clock.now() - began))
        assert (await potluck.ask("ann")).error is not None
        await asyncio.sleep(30)
        assert (await potluck.running.conversations.pool()).shut_for == shut_for
        refused = await potluck.ask("ben")
        assert refused.error == "pool_paused"
        assert isinstance(refused.ending, Failed)
        assert refused.ending.share.used == 0
        assert len(potluck.sandbox.log) == 2
        await asyncio.sleep(3100 - (clock.now() - began))
        assert (await potluck.running.conversations.pool()).shut_for is None, "it opens by itself"
        assert (await potluck.ask("ben")).error is None
        await potluck.quiet()


async def test_whoever_waits_while_the_pool_is_shut_is_told_at_once(tmp_path: Path, clock: VirtualClock) -> None:
    sandbox = SandboxSettings(faults=Faults(rules=(FaultRule(fault="wrong_cost", at=(2,)),)))
    async with deployment(tmp_path, clock, sandbox=sandbox, env={"pool_rpm": "2"}) as potluck:
        all_heard = await asyncio.gather(*(potluck.ask(f"m{number}") for number in range(5)))
        assert [heard.error for heard in all_heard] == [None, None, *["pool_paused"] * 3]
        assert (await potluck.running.conversations.pool()).shut_for == "cost_seen"
        assert (await potluck.ask("late")).error == "pool_paused"
        # No account's word opens this: somebody has to look.
        await asyncio.sleep(7200)
        assert (await potluck.ask("late")).error == "pool_paused"
        assert len(potluck.sandbox.log) == 2
        potluck.running.scheduler.reopen()
        assert (await potluck.ask("late")).error is None
        await potluck.quiet()


@pytest.mark.parametrize("fault", SUSPICIONS)
async def test_control_on_one_witness_a_member_stops_the_pool(tmp_path: Path, clock: VirtualClock, fault: str) -> None:
    async with deployment(tmp_path, clock) as potluck:
        credulous, client = answering(potluck, lambda _: None, Credulous(potluck.running.scheduler))
        with pytest.raises(AnswerFailed):
            await credulous.answer(Exchange(potluck.message("mallory", f"sandbox:{fault}")))
        assert (await potluck.ask("ann")).error == "pool_paused"
        await client.close()
