"""Whatever is done, and by whichever process, two of them decide as one alone would.

A course of actions, one after the other, is played by one process and by two over PostgreSQL: how each question ends
and what every member then has is the same. The control is two of which neither looks at what the other did.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.clock import Instant, day_of
from bot.errors import Refused
from bot.messages import CommunityId, Member
from bot.quota.board import Behind, Change, Cursor, News
from bot.quota.events import DayEvent
from bot.quota.ledger import Caps, Claim, Lease, Outcome, PoolId, Reserved
from bot.quota.line import FairLine
from bot.quota.scheduler import Scheduler
from bot.quota.sharing import FairDays
from bot.storage.board import SqlBoard
from bot.storage.database import Database
from bot.storage.ledger import SqlLedger
from bot.storage.money import SqlMoney
from tests.conftest import SOAK
from tests.contract.ledger.claims import claim
from tests.fakes.databases import PostgresServer, opened
from tests.fakes.virtual import VirtualClock, VirtualLoop

CAPS = Caps(rpm=6, rpd=24)
POOL, WEB = PoolId("default"), CommunityId("web")
MEMBERS = [Member("web", f"m{number}") for number in range(5)]

Verb: TypeAlias = Literal[
    "asks", "is answered", "fails", "is not sent", "leaves",
    "pauses", "is used elsewhere", "is spent", "shuts", "opens", "waits",
]  # fmt: skip


@dataclass(frozen=True)
class Action:
    """What is done, by which process, about whom."""

    verb: Verb
    process: int
    member: int


class Blind(SqlBoard):
    """A board of which nobody hears what the others did."""

    async def _look(self, pools: Iterable[PoolId]) -> None:
        pass

    async def look(self, pool: PoolId, seen: Cursor) -> News | None:
        return None

    async def reserve(
        self,
        claim: Claim,
        caps: Caps,
        events: Sequence[DayEvent],
        *,
        seen: Cursor | None,
        word: int | None = None,
        started: Change | None,
    ) -> Reserved | Behind:
        return await super().reserve(claim, caps, events, seen=None, word=None, started=started)

    async def change(
        self, pool: PoolId, change: Change, events: Sequence[DayEvent], *, seen: Cursor | None = None
    ) -> Behind | None:
        return await super().change(pool, change, events)


@dataclass
class Asked:
    """A question under way."""

    task: asyncio.Task[None]
    scheduler: Scheduler
    lease: Lease | None = None
    end: str = "waits"


@dataclass
class Deployment:
    """So many processes. What happened is told as a list of words."""

    schedulers: list[Scheduler]
    clock: VirtualClock
    told: list[object] = field(default_factory=list)
    asked: dict[int, list[Asked]] = field(default_factory=dict)
    elsewhere: int = 0
    """Units that others have used of the account."""

    async def do(self, action: Action) -> None:
        scheduler = self.schedulers[action.process % len(self.schedulers)]
        match action.verb:
            case "asks":
                one = Asked(asyncio.create_task(asyncio.sleep(0)), scheduler)
                one.task = asyncio.create_task(self._ask(one, MEMBERS[action.member]))
                self.asked.setdefault(action.member, []).append(one)
                await self.settled()
                self.told.append(one.end)
            case "is answered" | "fails" | "is not sent":
                await self._end(action)
            case "leaves":
                if waiting := [one for one in self.asked.get(action.member, ()) if not one.task.done()]:
                    waiting[0].task.cancel()
            case "pauses":
                scheduler.pause(Instant(self.clock.now() + 20))
            case "is used elsewhere":
                self.elsewhere += 2
                left = [one for of in self.asked.values() for one in of if one.lease is not None]
                scheduler.reported(sum(one.end != "is not sent" for one in left) + self.elsewhere)
            case "is spent":
                scheduler.spend_rest(day_of(self.clock.now()))
            case "shuts":
                scheduler.shut("out_of_credit")
            case "opens":
                scheduler.reopen()
            case "waits":
                await asyncio.sleep(30)
        await self.settled()
        if any(not one.task.done() for of in self.asked.values() for one in of) and action.verb not in (
            "asks",
            "waits",
        ):
            await asyncio.sleep(1.2)  # who waits hears of it a little later: that is no decision
        self.told.append([one.end for of in sorted(self.asked) for one in self.asked[of]])

    async def settled(self) -> None:
        """Until what was done is written down. Shorter than until anybody looks by themselves."""
        for _ in range(3):
            await asyncio.sleep(0.002)
            for scheduler in self.schedulers:
                await scheduler.caught_up()

    async def _ask(self, one: Asked, who: Member) -> None:
        wanted = claim(who)
        try:
            async with aclosing(one.scheduler.admit(who, WEB, lambda: wanted)) as steps:
                async for step in steps:
                    if isinstance(step, Lease):
                        one.lease, one.end = step, "sent"
                        one.scheduler.sent(step)
        except Refused as refusal:
            one.end = refusal.code

    async def _end(self, action: Action) -> None:
        under_way = [one for one in self.asked.get(action.member, ()) if one.lease is not None and one.end == "sent"]
        if not under_way:
            return
        one, one_lease = under_way[0], under_way[0].lease
        assert one_lease is not None
        one.end = action.verb
        if action.verb == "is not sent":
            await one.scheduler.release(one_lease)
        else:
            failed = action.verb == "fails"
            outcome = Outcome(result="failed" if failed else "answered", whole=not failed, give_back=failed)
            await one.scheduler.settle(one_lease, outcome)


async def play(
    address: str, course: Sequence[Action], loop: VirtualLoop, processes: int, board: type[SqlBoard]
) -> list[object]:
    clock = VirtualClock(loop)
    async with AsyncExitStack() as stack:
        schedulers = []
        for _ in range(processes):
            database = await stack.enter_async_context(opened(address, clock, loop))
            schedulers.append(await begun(stack, database, clock, board))
        await asyncio.sleep(2)  # they know of each other
        found = Deployment(schedulers, clock)
        for action in course:
            await found.do(action)
        await asyncio.sleep(3)
        then = len(found.told)
        for scheduler in schedulers:
            shares = [scheduler.share(who, WEB) for who in MEMBERS]
            found.told.append((scheduler.used, scheduler.shut_for, scheduler.waiting, shares))
        # What they do not know alike is told besides.
        told = [*found.told[: then + 1], *(one for one in found.told[then:] if one != found.told[-1])]
        for asked in [one for of in found.asked.values() for one in of]:
            asked.task.cancel()
            await asyncio.gather(asked.task, return_exceptions=True)
        return told


async def begun(stack: AsyncExitStack, database: Database, clock: VirtualClock, kind: type[SqlBoard]) -> Scheduler:
    """One process's scheduler."""
    ledger = SqlLedger(database, clock)
    board = kind(database, ledger, SqlMoney(database, clock), clock)
    await board.join()
    stack.push_async_callback(board.part)
    await ledger.add_pool(POOL)
    scheduler = Scheduler(
        pool=POOL,
        caps=CAPS,
        line=FairLine(),
        days=FairDays(promise_units=2),
        ledger=ledger,
        clock=clock,
        max_wait=900,
        board=board,
    )
    await scheduler.open()
    stack.push_async_callback(scheduler.close)
    running = asyncio.create_task(board.run())
    stack.push_async_callback(_ended, running)
    return scheduler


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def both(
    postgres: PostgresServer, course: Sequence[Action], board: type[SqlBoard] = SqlBoard
) -> tuple[list[object], list[object]]:
    """What one alone makes of it, and what two do."""

    def run(processes: int) -> list[object]:
        loop = VirtualLoop()
        with postgres.database() as address, asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(play(address, course, loop, processes, board if processes > 1 else SqlBoard))

    return run(1), run(2)


asks = st.builds(Action, verb=st.just("asks"), process=st.integers(0, 1), member=st.integers(0, len(MEMBERS) - 1))
ends = st.builds(
    Action,
    verb=st.sampled_from(["is answered", "is answered", "fails", "is not sent", "leaves"]),
    process=st.just(0),
    member=st.integers(0, len(MEMBERS) - 1),
)
said = st.builds(
    Action,
    verb=st.sampled_from(["pauses", "is used elsewhere", "is spent", "shuts", "opens", "waits", "waits"]),
    process=st.integers(0, 1),
    member=st.just(0),
)
courses = st.lists(st.one_of(asks, asks, asks, ends, ends, said), min_size=8, max_size=40)


@given(course=courses)
@settings(max_examples=400 if SOAK else 8, deadline=None, derandomize=not SOAK)
def test_two_processes_decide_as_one(postgres: PostgresServer, course: Sequence[Action]) -> None:
    alone, together = both(postgres, course)
    assert together == alone


def in_turns(*verbs: Verb, member: int = 0) -> list[Action]:
    return [Action(verb, number % 2, member) for number, verb in enumerate(verbs)]


FLOOD = [
    Action(verb, number % 2, 0) for number in range(16) for verb in get_args(Literal["asks", "is answered", "waits"])
]
COURSES: dict[str, Sequence[Action]] = {
    "a share": FLOOD,
    "a pause": in_turns("pauses", "asks"),
    "a day that is spent": in_turns("is spent", "asks"),
    "a pool that is shut": in_turns("shuts", "asks"),
}


@pytest.mark.parametrize("what", COURSES)
def test_the_same_in_a_row(postgres: PostgresServer, what: str) -> None:
    alone, together = both(postgres, COURSES[what])
    assert together == alone


@pytest.mark.parametrize("what", set(COURSES) - {"a share"})
def test_control_two_that_do_not_look_decide_otherwise(postgres: PostgresServer, what: str) -> None:
    alone, together = both(postgres, COURSES[what], Blind)
    assert together[:3] != alone[:3]
