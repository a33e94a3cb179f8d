"""Several processes over one pool, each with a scheduler of its own, and members who ask them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field

from bot.errors import Refused
from bot.messages import CommunityId, Member
from bot.quota.ledger import AlreadyHandled, Caps, Lease, Outcome, PoolId
from bot.quota.line import FairLine
from bot.quota.scheduler import Scheduler
from bot.quota.sharing import FairDays
from bot.storage.board import SqlBoard
from bot.storage.database import Database
from bot.storage.ledger import SqlLedger
from bot.storage.money import SqlMoney
from tests.contract.ledger.claims import claim
from tests.fakes.databases import PostgresServer, opened
from tests.fakes.virtual import VirtualClock, VirtualLoop

POOL = PoolId("default")
WEB = CommunityId("web")
ANSWER = 4.0
"""Seconds an answer takes."""


@dataclass
class Process:
    """What one process has of the pool."""

    address: str
    database: Database
    ledger: SqlLedger
    board: SqlBoard
    scheduler: Scheduler
    clock: VirtualClock
    sent: list[tuple[float, Member]] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    async def ask(self, member: Member, message: str | None = None) -> bool:
        """Ask, be answered after a while. True: it was answered."""
        wanted = claim(member, message) if message else claim(member)
        try:
            async with aclosing(self.scheduler.admit(member, WEB, lambda: wanted)) as steps:
                async for step in steps:
                    if isinstance(step, AlreadyHandled):
                        return False
                    if isinstance(step, Lease):
                        self.scheduler.sent(step)
                        self.sent.append((self.clock.now(), member))
                        await asyncio.sleep(ANSWER)
                        await self.scheduler.settle(step, Outcome(result="answered", whole=True))
                        return True
        except Refused as refusal:
            self.refused[refusal.code] += 1
        return False


@asynccontextmanager
async def process(
    address: str,
    clock: VirtualClock,
    loop: VirtualLoop,
    caps: Caps,
    *,
    watched: bool = False,
    person: Callable[[Member], Member] = lambda who: who,
) -> AsyncIterator[Process]:
    """One that is alive."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(opened(address, clock, loop))
        ledger = SqlLedger(database, clock)
        board = SqlBoard(database, ledger, SqlMoney(database, clock), clock)
        await board.join()
        stack.push_async_callback(board.part)
        await ledger.add_pool(POOL)
        scheduler = Scheduler(
            pool=POOL,
            caps=caps,
            line=FairLine(),
            days=FairDays(),
            ledger=ledger,
            clock=clock,
            max_wait=900,
            watched=watched,
            learns_rpd=True,
            person=person,
            board=board,
        )
        await scheduler.open()
        stack.push_async_callback(scheduler.close)
        stack.push_async_callback(ended, asyncio.create_task(board.run()))
        yield Process(address, database, ledger, board, scheduler, clock)


@asynccontextmanager
async def processes(
    postgres: PostgresServer,
    clock: VirtualClock,
    loop: VirtualLoop,
    *,
    number: int,
    caps: Caps,
    watched: bool = False,
    person: Callable[[Member], Member] = lambda who: who,
) -> AsyncIterator[list[Process]]:
    """So many over one database."""
    async with AsyncExitStack() as stack:
        address = stack.enter_context(postgres.database())
        yield [
            await stack.enter_async_context(process(address, clock, loop, caps, watched=watched, person=person))
            for _ in range(number)
        ]


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def member(number: int) -> Member:
    return Member("web", f"m{number}")


async def asked(found: Sequence[Process], questions: Sequence[tuple[float, int]]) -> dict[str, int]:
    """Questions at moments by members, each in the process its number falls to; how many each was answered."""
    given: Counter[str] = Counter()

    async def one(number: int, at: float, who: int) -> None:
        await asyncio.sleep(at)
        if await found[number % len(found)].ask(member(who)):
            given[member(who).key] += 1

    await asyncio.gather(*(one(number, *question) for number, question in enumerate(questions)))
    return given
