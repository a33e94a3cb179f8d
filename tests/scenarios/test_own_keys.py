"""A member with an account of their own draws on the pool no more, and the pool learns nothing from that account."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.errors import AnswerFailed, FailureKind
from bot.messages import CommunityId, Failed, Finished, Member, ModelId, Started
from bot.openrouter.sandbox import FAULTS, AccountSettings, FaultRule, Faults, SandboxSettings
from bot.quota.terms import Block, MemberTerms, Terms
from bot.storage.keys import SqlKeys
from tests.fakes.deployment import Deployment, Heard, deployment
from tests.fakes.linking import ADMIN, key_of
from tests.fakes.office import lay_down
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

ANN = Member("web", "ann")


@asynccontextmanager
async def linked(
    folder: Path, clock: VirtualClock, *, sandbox: SandboxSettings | None = None, account: str = "anns"
) -> AsyncIterator[Deployment]:
    """A Potluck where Ann has linked an account."""
    async with deployment(folder, clock, sandbox=sandbox) as potluck:
        await potluck.running.own_keys.paste(ANN, await key_of(potluck, account))
        yield potluck


async def key_in(potluck: Deployment) -> SecretStr:
    """Ann's key, as it is kept."""
    key = await SqlKeys(potluck.running.database, potluck.clock, potluck.running.secret.vault()).get(ANN)
    assert key is not None
    return key


def error(heard: Heard) -> tuple[str, str | None]:
    assert isinstance(heard.ending, Failed), heard.events
    failed = heard.ending.error
    assert isinstance(failed, AnswerFailed), failed
    return failed.code, failed.reason


async def test_it_answers_by_the_members_account_and_takes_nothing_from_the_pool(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with linked(tmp_path, clock) as potluck:
        heard = await potluck.ask("ann", "why?", conversation="c1")
        assert [event.lane for event in heard.events if isinstance(event, Started)] == ["own_key"]
        assert isinstance(heard.ending, Finished)
        assert (heard.ending.lane, heard.ending.attempts, heard.ending.share.used) == ("own_key", 0, 0)
        assert [attempt.account for attempt in potluck.sandbox.log] == ["anns"]
        assert potluck.running.scheduler.used == potluck.running.scheduler.minute_used == 0
        turns = await potluck.running.conversations.turns(potluck.message("ann", conversation="c1").conversation)
        assert [turn.question for turn in turns] == ["why?"]

        await potluck.ask("ben")
        assert [attempt.account for attempt in potluck.sandbox.log] == ["anns", ""], "the control"
        assert (await potluck.counted())["used"] == 1

        await potluck.running.own_keys.remove(ANN)
        back = await potluck.ask("ann")
        assert isinstance(back.ending, Finished)
        assert back.ending.lane == "free"
        await potluck.quiet()


async def test_the_pool_may_be_empty_and_shut(tmp_path: Path, clock: VirtualClock) -> None:
    async with linked(tmp_path, clock, sandbox=SandboxSettings(rpd=1)) as potluck:
        await potluck.ask("ben")
        assert (await potluck.ask("ben")).error == "pool_spent", "the control"
        assert (await potluck.ask("ann")).error is None
        potluck.running.scheduler.shut("admin")
        assert (await potluck.ask("ben")).error == "pool_paused", "the control"
        assert (await potluck.ask("ann")).error == "upstream_busy", "its one free request of the day is gone"


TOLD: dict[FailureKind, tuple[str, str | None]] = {
    FailureKind.ACCOUNT_DAILY: ("upstream_busy", "own_key_day"),
    FailureKind.ACCOUNT_MINUTE: ("upstream_busy", "own_key_minute"),
    FailureKind.NEGATIVE_BALANCE: ("out_of_credit", "own_key_credit"),
    FailureKind.KEY_LIMIT: ("out_of_credit", "own_key_credit"),
    FailureKind.BAD_KEY: ("bad_key", "own_key_refused"),
}


ONE_OF_EACH = {fault.means: name for name, fault in FAULTS.items()}.values()
"""A fault of every kind."""


@pytest.mark.parametrize("fault", ONE_OF_EACH)
async def test_whatever_befalls_it_the_pool_learns_nothing(tmp_path: Path, clock: VirtualClock, fault: str) -> None:
    rules = (FaultRule(fault=fault, account="anns"),)
    sandbox = SandboxSettings(faults=Faults(rules=rules))
    async with linked(tmp_path, clock, sandbox=sandbox) as potluck:
        before = await potluck.running.conversations.pool()
        heard = await potluck.ask("ann")
        kind = FAULTS[fault].means
        if kind in TOLD:
            assert error(heard) == TOLD[kind]
        shown = await potluck.running.own_keys.shown(ANN)
        assert shown is not None
        assert shown.works is (kind is not FailureKind.BAD_KEY)
        assert [attempt.account for attempt in potluck.sandbox.log] == ["anns"], "one attempt, and never another key"
        await asyncio.sleep(90)
        after = await potluck.running.conversations.pool()
        assert after == before
        assert (await potluck.ask("ben")).error is None
        await potluck.quiet()


async def test_the_control_the_same_by_the_pools_key_stops_the_pool(tmp_path: Path, clock: VirtualClock) -> None:
    rules = (FaultRule(fault="class:account_daily", account=""),)
    async with linked(tmp_path, clock, sandbox=SandboxSettings(faults=Faults(rules=rules))) as potluck:
        before = await potluck.running.conversations.pool()
        assert (await potluck.ask("ben")).error == "pool_spent"
        assert await potluck.running.conversations.pool() != before
        assert (await potluck.ask("ann")).error is None, "and Ann's account is not the pool's"


async def test_a_key_that_stopped_working_is_told_and_works_again_when_linked_anew(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with linked(tmp_path, clock) as potluck:
        keys = potluck.running.own_keys
        potluck.sandbox.revoke((await key_in(potluck)).get_secret_value())
        for _ in range(2):
            assert error(await potluck.ask("ann")) == ("bad_key", "own_key_refused"), "never silently back to the pool"
        shown = await keys.shown(ANN)
        assert shown is not None
        assert not shown.works
        assert potluck.running.scheduler.shut_for is None
        await keys.paste(ANN, await key_of(potluck, "annstoo"))
        assert (await potluck.ask("ann")).error is None
        shown = await keys.shown(ANN)
        assert shown is not None
        assert shown.works
        await potluck.quiet()


async def test_a_model_that_costs_is_the_members_own_to_ask_for(tmp_path: Path, clock: VirtualClock) -> None:
    sandbox = SandboxSettings(accounts={"anns": AccountSettings(credits=Decimal(5))})
    async with linked(tmp_path, clock, sandbox=sandbox) as potluck:
        catalogue = potluck.running.models.catalogue
        assert catalogue is not None
        dear = next(model for model, entry in catalogue.models.items() if not entry.costs_nothing and "/" in model)
        asked = replace(potluck.message("ann"), model=ModelId(dear))
        ending = (await potluck.hear(asked)).ending
        assert isinstance(ending, Finished), ending
        assert ending.lane == "own_key"
        assert ending.usage.cost_usd == potluck.sandbox.billed("anns") > 0
        assert (await potluck.hear(replace(potluck.message("ben"), model=dear))).error == "model_not_allowed", "control"
        bill = potluck.sandbox.billed("anns")
        assert (await potluck.ask("ann")).error is None
        assert potluck.sandbox.billed("anns") == bill, "who names no model pays nothing"
        assert potluck.sandbox.billed() == Decimal(0)


async def test_who_is_blocked_may_not_ask_by_their_own_key_either(tmp_path: Path, clock: VirtualClock) -> None:
    async with linked(tmp_path, clock) as potluck:
        await lay_down(potluck.running, Terms(members={ANN.key: MemberTerms(block=Block(until=None))}))
        assert (await potluck.ask("ann")).error == "member_blocked"
        assert potluck.sandbox.log == []


async def test_one_message_is_asked_once_also_after_a_restart(tmp_path: Path, clock: VirtualClock) -> None:
    async with linked(tmp_path, clock) as potluck:
        message = potluck.message("ann")
        assert (await potluck.hear(message)).error is None
        assert (await potluck.hear(message)).events == []
    async with linked(tmp_path, clock) as potluck:
        assert (await potluck.hear(message)).events == []
        assert potluck.sandbox.log == []


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.01, 0.05, 0.2, 1.0, 3.0])
async def test_stopped_at_any_moment_it_is_settled(tmp_path: Path, clock: VirtualClock, seconds: float) -> None:
    async with linked(tmp_path, clock) as potluck:
        message, heard = potluck.message("ann", "something long", conversation="c1"), Heard()
        asking = asyncio.create_task(potluck.hear(message, heard=heard))
        await asyncio.sleep(seconds)
        potluck.running.conversations.stop(message.conversation, ANN)
        await asyncio.wait([asking])
        await asyncio.sleep(1)
        leases = (await potluck.counted())["leases"]
        assert set(leases) <= {"stopped", "answered", "released"}, leases
        await potluck.quiet()


async def test_more_than_a_few_at_once_are_refused(tmp_path: Path, clock: VirtualClock) -> None:
    async with linked(tmp_path, clock) as potluck:
        heard = await asyncio.gather(*(potluck.ask("ann") for _ in range(6)))
        assert sorted(one.error or "" for one in heard) == ["", "", "", "", "line_full", "line_full"]
        assert (await potluck.ask("ann")).error is None
        await potluck.quiet()


async def test_so_many_at_once_are_counted_over_all_communities(tmp_path: Path, clock: VirtualClock) -> None:
    ours = CommunityId("web:ours")
    async with linked(tmp_path, clock) as potluck:
        await potluck.running.community_keys.link_community(ours, await key_of(potluck, "ours"), by=ADMIN)
        asked = [potluck.ask("ann", community=one) for one in ("web", ours) * 3]
        heard = await asyncio.gather(*asked, potluck.ask("ben", community=ours))
        assert sorted(one.error or "" for one in heard[:6]) == ["", "", "", "", "line_full", "line_full"]
        assert heard[6].error is None, "the control: who has no account of their own has nothing to do with it"
        await potluck.quiet()
