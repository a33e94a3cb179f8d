"""Pools over one database, with as many members known from 28 days as are wished, and people who ask in them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from time import perf_counter, process_time

import psycopg
from sqlalchemy import make_url

from benchmarks.decision.pools import Size, days_before
from bot.clock import DAY, SystemClock, day_of
from bot.messages import CommunityId, ConversationId, Member, MessageId, ModelId
from bot.quota.ledger import Caps, Claim, Lease, Outcome, PoolId, Question
from bot.quota.line import FairLine
from bot.quota.scheduler import Scheduler
from bot.quota.sharing import FairDays
from bot.storage.board import SqlBoard
from bot.storage.database import Database
from bot.storage.ledger import SqlLedger
from bot.storage.migration import migrate
from bot.storage.money import SqlMoney
from bot.storage.units import Where

AT_WORK = 1_000
"""Pools at most in which anybody asks, of all there are: the others have been closed."""
MEMBERS = 1_000
"""Who ask, in all pools together. Each has one question at a time."""
CAPS = Caps(rpm=100_000, rpd=100_000)
_CLOCK = SystemClock()
_EVENTS = ("pool", "day", "at", "kind", "member", "community", "units")
_numbers = count()


def make(where: Where, *, pools: int, known: int) -> None:
    """A database with so many pools. All known members are the first one's."""
    migrate(where)
    today = day_of(_CLOCK.now())
    _fill(where, "pools", ("id", "started"), ((_pool(number), 0) for number in range(pools)))
    past = ((_pool(number), today - 1, 20) for number in range(pools))
    _fill(where, "pool_days", ("pool", "day", "used"), past)
    _fill(where, "day_events", _EVENTS, _asked_before(today, known))


def _asked_before(today: int, known: int) -> Iterator[tuple[object, ...]]:
    """Who asked in the 28 days before, as the ledger keeps it."""
    days = days_before(Size(today=MEMBERS, known=known))
    newest = max(days)
    for day, asks in days.items():
        on = today - 1 - (newest - day)
        for ask in asks:
            yield _pool(0), on, round((on * DAY + ask.second) * 1e6), "asked", f"web:{ask.member}", "web:c0", 0


def _fill(where: Where, table: str, columns: Sequence[str], rows: Iterator[tuple[object, ...]]) -> None:
    names = ", ".join(columns)
    if isinstance(where, Path):
        with closing(sqlite3.connect(where)) as connection, connection:
            marks = ", ".join("?" for _ in columns)
            connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)
        return
    with psycopg.connect(plain(where), autocommit=True) as server, server.cursor() as cursor:
        with cursor.copy(f"COPY {table} ({names}) FROM STDIN".encode()) as copy:
            for row in rows:
                copy.write_row(row)
        cursor.execute(f"ANALYZE {table}".encode())


def plain(address: str) -> str:
    """An address as psycopg takes it."""
    return make_url(address).set(drivername="postgresql").render_as_string(hide_password=False)


def _pool(number: int) -> PoolId:
    return PoolId(f"p{number}")


@asynccontextmanager
async def deployed(where: Where, pools: Sequence[int]) -> AsyncIterator[Sequence[Scheduler]]:
    """The schedulers of some of the pools that were made, in a process that is one of several where there may be."""
    database = Database(where, _CLOCK)
    await database.open()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        ledger = SqlLedger(database, _CLOCK)
        board = None
        if database.process is not None:
            board = SqlBoard(database, ledger, SqlMoney(database, _CLOCK), _CLOCK)
            await board.join()
            stack.push_async_callback(board.part)
        schedulers = [
            Scheduler(
                pool=_pool(number),
                caps=CAPS,
                line=FairLine(),
                days=FairDays(),
                ledger=ledger,
                clock=_CLOCK,
                max_wait=900,
                board=board,
            )
            for number in pools
        ]
        for scheduler in schedulers:
            await scheduler.open()
            stack.push_async_callback(scheduler.close)
        if board is not None:
            stack.push_async_callback(_cancelled, asyncio.create_task(board.run()))
        yield schedulers


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@dataclass(frozen=True, slots=True)
class Rate:
    """How leases were given."""

    leases: float
    """A second."""
    cpu: float
    """Milliseconds of a core for each, which other programs on the machine change less."""


async def rate(schedulers: Sequence[Scheduler], *, callers: int, leases: int) -> Rate:
    """Leases, each from asking to having it on disk, with so many callers at once. They are settled later.

    No more than there are members: none asks before the last question is answered.
    """
    assert leases <= MEMBERS
    given: list[tuple[Scheduler, Lease]] = []
    turns = iter(range(leases))

    async def caller() -> None:
        for number in turns:
            scheduler = schedulers[number % len(schedulers)]
            given.append((scheduler, await _lease(scheduler, number)))

    began, busy = perf_counter(), process_time()
    await asyncio.gather(*(caller() for _ in range(callers)))
    took, busy = perf_counter() - began, process_time() - busy
    await asyncio.gather(*(_settled(scheduler, lease) for scheduler, lease in given))
    return Rate(leases / took, busy / leases * 1000)


async def answered(schedulers: Sequence[Scheduler], *, callers: int, seconds: float) -> int:
    """How many questions had a lease and were settled in that time, with so many callers at once."""
    given, end = 0, perf_counter() + seconds

    async def caller(who: int) -> None:
        nonlocal given
        turn = who
        while perf_counter() < end:
            scheduler = schedulers[turn % len(schedulers)]
            await _settled(scheduler, await _lease(scheduler, who))
            given, turn = given + 1, turn + callers

    await asyncio.gather(*(caller(who) for who in range(callers)))
    return given


async def _lease(scheduler: Scheduler, who: int) -> Lease:
    whose, community = Member("web", f"m{who}"), CommunityId("web:c0")
    claim = Claim(
        pool=scheduler.pool,
        member=whose,
        lane="free",
        model=ModelId("m"),
        question=Question(
            messages=[MessageId(f"{scheduler.pool} {_CLOCK.monotonic()} {next(_numbers)}")],
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
