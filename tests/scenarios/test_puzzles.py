"""The four puzzles, brought about at the sandbox: each is explained at the moment it happens, by what its ending holds.

It works on one route and not on another; it worked earlier and has stopped; what is free feels unstable; a key is
valid and refused all the same.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.rendering import puzzles, words
from adapters.rendering.puzzles import Puzzle
from adapters.rendering.saying import ENGLISH
from bot.clock import Instant
from bot.errors import AnswerFailed, Refused
from bot.messages import CommunityId, Failed, Finished, Member
from bot.openrouter.sandbox import FaultRule, Faults, SandboxSettings
from bot.quota.ledger import PoolId
from bot.routing.access import Reach, ToCommunity, ToMember
from bot.routing.budget import Budget, pico
from tests.fakes.deployment import Deployment, Heard, deployment
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

WEB, ANN = CommunityId("web"), Member("web", "ann")
HARBOR, SUMMIT = "sandbox/harbor-24b:free", "sandbox/summit-120b"


def always(fault: str, model: str | None = None, **settings: object) -> SandboxSettings:
    rules = (FaultRule(fault=fault, model=model),)
    return replace(SandboxSettings(credits=Decimal(100), faults=Faults(rules=rules)), **settings)  # type: ignore[arg-type]


def told(heard: Heard) -> tuple[Puzzle | None, str]:
    """Which puzzle it was, and what the member reads."""
    assert isinstance(heard.ending, Failed), heard.events
    error = heard.ending.error
    reason = error.reason if isinstance(error, AnswerFailed) else None
    why_not = error.why if isinstance(error, Refused) else None
    found = puzzles.explained(error.code, reason, why_not)
    said = str(words.explain(error.code, reason=reason, why_not=why_not))
    if found is not None:
        assert ENGLISH.say(found[1]) in said
    return (None if found is None else found[0]), said


def answered(heard: Heard) -> bool:
    return isinstance(heard.ending, Finished)


async def open_to(potluck: Deployment, to: ToMember | ToCommunity, *, ends_at: Instant | None = None) -> None:
    budget = Budget(account=PoolId("default"), member=None, community=None, period="month", limit=pico(Decimal(5)))
    await potluck.running.money.set_budget(budget)
    await potluck.running.access.add(allows=True, to=to, reach=Reach(), ends_at=ends_at)


# --- it works on one route and not on another -----------------------------------------------------------


async def test_a_model_that_is_full_is_told_apart_from_the_others(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=always("upstream_model", HARBOR)) as potluck:
        for _ in range(2):  # refused upstream, then while it rests
            puzzle, said = told(await potluck.ask("ann", model=HARBOR))
            assert puzzle == "one_route"
            assert "this one is full, others may not be" in said
            assert "Let Potluck choose" in said
        assert answered(await potluck.ask("ann", model="sandbox/meadow-8b:free")), "the other route works"


async def test_on_the_paid_lane_it_is_not_the_free_models_that_are_busy(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=always("upstream_model", SUMMIT)) as potluck:
        await open_to(potluck, ToMember(ANN))
        puzzle, said = told(await potluck.ask("ann", model=SUMMIT))
        assert puzzle == "one_route"
        assert "free models" not in said


async def test_what_is_open_here_need_not_be_there(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(credits=Decimal(100))) as potluck:
        await open_to(potluck, ToCommunity(WEB))
        assert answered(await potluck.ask("ann", model=SUMMIT))
        elsewhere = replace(potluck.message("ann", model=SUMMIT), community=CommunityId("discord:dm"))
        puzzle, said = told(await potluck.hear(elsewhere))
        assert puzzle == "one_route"
        assert "in one place need not be in another, nor in a private message" in said


# --- it worked earlier and has stopped ------------------------------------------------------------------


async def test_a_model_that_ended_says_that_it_was_there(tmp_path: Path, clock: VirtualClock) -> None:
    rules = (FaultRule(fault="free_variant_ended", model=HARBOR, first=2, last=2),)
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(faults=Faults(rules=rules))) as potluck:
        assert answered(await potluck.ask("ann", model=HARBOR))
        puzzle, said = told(await potluck.ask("ann", model=HARBOR))
        assert puzzle == "stopped"
        assert "free models come and go" in said
        again = await potluck.ask("ann", model=HARBOR)
        assert answered(again), "from then on another one answers"
        assert "model_gone" in again.notices
        assert "no longer offered" in words.notice("model_gone")


async def test_a_grant_that_ran_out_says_so(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(credits=Decimal(100))) as potluck:
        await open_to(potluck, ToMember(ANN), ends_at=Instant(clock.now() + 60))
        assert answered(await potluck.ask("ann", model=SUMMIT))
        await asyncio.sleep(61)
        puzzle, said = told(await potluck.ask("ann", model=SUMMIT))
        assert puzzle == "stopped"
        assert "has run out" in said


# --- what is free feels unstable ------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["upstream_model", "empty_answer", "classifier", "internal_error", "timeout"])
async def test_what_comes_and_goes_is_said_to(tmp_path: Path, clock: VirtualClock, fault: str) -> None:
    async with deployment(tmp_path, clock, sandbox=always(fault)) as potluck:
        puzzle, said = told(await potluck.ask("ann"))
        assert puzzle == "unstable", said
        assert "Nothing was taken from your share." in said


# --- a key is valid and refused all the same ------------------------------------------------------------


async def test_privacy_settings_are_told_apart_from_the_key(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=always("data_policy")) as potluck:
        assert potluck.running.account.trouble is None, "the account accepts the key"
        puzzle, said = told(await potluck.ask("ann"))
        assert puzzle == "valid_key"
        assert "The key is valid" in said
        assert "privacy settings" in said


@pytest.mark.parametrize("fault", ["key_limit", "negative_balance"])
async def test_money_is_told_apart_from_the_key(tmp_path: Path, clock: VirtualClock, fault: str) -> None:
    async with deployment(tmp_path, clock, sandbox=always(fault)) as potluck:
        puzzle, said = told(await potluck.ask("ann"))
        assert puzzle == "valid_key"
        assert "The key is valid" in said


async def test_control_a_key_that_is_not_accepted_is_no_puzzle(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=always("bad_key")) as potluck:
        puzzle, said = told(await potluck.ask("ann"))
        assert puzzle is None
        assert "valid" not in said
