"""Pools over one database, with as many members known from 28 days as are wished, and people who ask in them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from time import perf_counter, process_time

from sqlalchemy import Connection, insert

from benchmarks.decision.pools import Size, days_before
from bot.clock import Instant, SystemClock, day_of, day_start
from bot.messages import CommunityId, ConversationId, Member, MessageId, ModelId
from bot.quota.events import EventKind
from bot.quota.ledger import Caps, Claim, Lease, Outcome, PoolId, Question
from bot.quota.line import FairLine
from bot.quota.scheduler import Scheduler
from bot.quota.sharing import FairDays
from bot.storage.board import SqlBoard
from bot.storage.database import Database
from bot.storage.ledger import SqlLedger
from bot.storage.migration import migrate
from bot.storage.moments import microseconds
from bot.storage.money import SqlMoney
from bot.storage.tables import day_events
from bot.storage.units import Where

TODAYS = 1_000
"""Members who ask today, in all pools together."""
CAPS = Caps(rpm=100_000, rpd=100_000)
_CLOCK = SystemClock()
_AT_ONCE = 50_000
_numbers = count()


@asynccontextmanager
async def deployed(where: Where, *, pools: int, known: int) -> AsyncIterator[Sequence[Scheduler]]:
    """The schedulers of so many pools. All known members are the first pool's."""
    migrate(where)
    database = Database(where, _CLOCK)
    await database.open()
    ledger = SqlLedger(database, _CLOCK)
    board = None
    if database.process is not None:  # the way is that of one of several processes
        board = SqlBoard(database, ledger, SqlMoney(database, _CLOCK), _CLOCK)
        await board.join()
    schedulers = []
    try:
        for number in range(pools):
            pool = PoolId(f"p{number}")
            await ledger.add_pool(pool)
            if number == 0:
                await _remember(database, pool, known)
            schedulers.append(
                Scheduler(
                    pool=pool,
                    caps=CAPS,
                    line=FairLine(),
                    days=FairDays(),
                    ledger=ledger,
                    clock=_CLOCK,
                    max_wait=900,
                    board=board,
                )
            )
        for scheduler in schedulers:
            await scheduler.open()
        yield schedulers
    finally:
        for scheduler in schedulers:
            await scheduler.close()
        await database.close()


@dataclass(frozen=True, slots=True)
class Rate:
    """How leases were given."""

    leases: float
    """A second."""
    cpu: float
    """Milliseconds of a core for each, which other programs on the machine change less."""


async def rate(schedulers: Sequence[Scheduler], *, callers: int, leases: int) -> Rate:
    """Leases, each from asking to having it on disk, with so many callers at once. They are settled later."""
    given: list[tuple[Scheduler, Lease]] = []
    turns = iter(range(leases))

    async def caller() -> None:
        for number in turns:
            scheduler = schedulers[number % len(schedulers)]
            given.append((scheduler, await _lease(scheduler, number % TODAYS)))

    began, busy = perf_counter(), process_time()
    await asyncio.gather(*(caller() for _ in range(callers)))
    took, busy = perf_counter() - began, process_time() - busy
    await asyncio.gather(*(_settled(scheduler, lease) for scheduler, lease in given))
    return Rate(leases / took, busy / leases * 1000)


async def _lease(scheduler: Scheduler, who: int) -> Lease:
    whose, community = Member("web", f"m{who}"), CommunityId("web:c0")
    claim = Claim(
        pool=scheduler.pool,
        member=whose,
        lane="free",
        model=ModelId("m"),
        question=Question(
            messages=[MessageId(f"{next(_numbers)}")],
            conversation=ConversationId(f"c{who}"),
            community=community,
            author_name="someone",
            text="Why is the sky blue, and the evening red?",
            asked_at=_CLOCK.now(),
        ),
    )
    async for step in scheduler.admit(whose, community, lambda: claim):
        if isinstance(step, Lease):
            scheduler.sent(step)
            return step
    raise AssertionError("nobody may be refused here")


async def _settled(scheduler: Scheduler, lease: Lease) -> None:
    await scheduler.settle(lease, Outcome(result="answered", whole=True, answer="Because of scattering."))


async def _remember(database: Database, pool: PoolId, known: int) -> None:
    """Who asked in the 28 days before, as the ledger keeps it."""
    today = day_of(_CLOCK.now())
    size = Size(today=TODAYS, known=known)
    days = days_before(size)
    newest = max(days)
    for day, asks in days.items():
        on = today - 1 - (newest - day)
        rows: list[dict[str, object]] = [
            {
                "pool": pool,
                "day": on,
                "at": microseconds(Instant(day_start(on) + ask.second)),
                "kind": EventKind.ASKED,
                "member": f"web:{ask.member}",
                "community": "web:c0",
                "units": 0,
            }
            for ask in asks
        ]
        for start in range(0, len(rows), _AT_ONCE):
            await database.write(partial(_insert, rows[start : start + _AT_ONCE]))


def _insert(rows: list[dict[str, object]], connection: Connection) -> None:
    connection.execute(insert(day_events), rows)
