"""The same made days over the ledger in memory and over both databases: every decision is the same one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache, partial
from pathlib import Path
from threading import Event
from typing import NamedTuple, TypeVar, TypeVarTuple

import pytest

from bot.clock import Clock, Instant
from bot.messages import CommunityId, Member
from bot.quota.board import Board
from bot.quota.events import DayEvent, EventKind
from bot.quota.history import DAYS
from bot.quota.ledger import Ledger
from bot.quota.replay import Policy
from bot.quota.simulated import POLICIES, Setting
from bot.quota.simulation import POOL, in_memory, simulate
from bot.quota.traffic import Request, of_days
from bot.quota.virtual_time import VirtualLoop
from bot.quota.workloads import KINDS, Kind, make
from bot.storage.board import SqlBoard
from bot.storage.database import Database
from bot.storage.ledger import SqlLedger
from bot.storage.money import SqlMoney
from bot.storage.units import Where
from tests.fakes.databases import PostgresServer, fresh

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")
RPD = 50
_FOR_OTHERS = {EventKind.HELD, EventKind.RELEASED}
"""Written down only where there may be other processes, to whom they are told so."""


class WaitingLoop(VirtualLoop):
    """The simulation's loop, whose time stands still while threads are at work."""

    def __init__(self, start: Instant) -> None:
        self.busy: Callable[[], bool] = lambda: False
        self._woken = Event()
        super().__init__(start)

    def select(self, timeout: float | None) -> tuple[()]:
        if timeout != 0 and self.busy():
            self._woken.wait(1.0)
        elif timeout == 0 or not self._woken.is_set():
            return super().select(timeout)
        self._woken.clear()
        return ()

    def _write_to_self(self) -> None:
        self._woken.set()

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Arguments], T], *args: *Arguments
    ) -> asyncio.Future[T]:
        if executor is None:
            return super().run_in_executor(executor, func, *args)
        return asyncio.BaseEventLoop.run_in_executor(self, executor, func, *args)


class Ran(NamedTuple):
    """What came of a run."""

    fates: Sequence[tuple[object, ...]]
    """Of each request: who was let through, held or refused, and when."""
    counts: Sequence[tuple[object, ...]]
    """Units of each day, by the ledger, and every event it has of them, but for those that are only for others."""


def run(
    setting: Setting,
    requests: Sequence[Request],
    history: Sequence[Request],
    kept: Callable[[Clock], AbstractAsyncContextManager[tuple[Ledger, Board | None]]],
) -> Ran:
    counts: list[tuple[object, ...]] = []

    @asynccontextmanager
    async def read_at_the_end(clock: Clock) -> AsyncIterator[tuple[Ledger, Board | None]]:
        async with kept(clock) as (ledger, board):
            yield ledger, board
            for day in sorted({request.day for request in requests}):
                events = await ledger.events(POOL, day)
                told = sorted((one.kind, one.member.key, one.units) for one in events if one.kind not in _FOR_OTHERS)
                counts.append((day, (await ledger.standing(POOL, day)).used, told))

    fates = simulate(setting, requests, history=history, kept=read_at_the_end, loop=WaitingLoop)
    return Ran([(one.request.id, one.sent_at, one.queued, one.held, one.retried, one.ending) for one in fates], counts)


@asynccontextmanager
async def in_database(
    where: Where, before: Sequence[EventKind], clock: Clock
) -> AsyncIterator[tuple[Ledger, Board | None]]:
    """As in service. `before`: what somebody else has done before anyone asks."""
    assert isinstance(clock, WaitingLoop)
    database = Database(where, clock, keeps_time=False)
    clock.busy = lambda: database.busy
    await database.open()
    ledger = SqlLedger(database, clock)
    await ledger.add_pool(POOL)
    first = partial(DayEvent, at=clock.now(), member=Member("web", "first"), community=CommunityId("web"))
    await ledger.note(POOL, [first(kind=kind) for kind in before])
    board = None if database.process is None else SqlBoard(database, ledger, SqlMoney(database, clock), clock)
    if board is not None:
        await board.join()
    yield ledger, board
    if board is not None:
        await board.part()
    await database.close()


@cache
def split(kind: Kind, days: int) -> tuple[Sequence[Request], Sequence[Request]]:
    requests = of_days(make(kind, rpd=RPD, days=DAYS + days))
    first = requests[0].day + DAYS
    return [one for one in requests if one.day < first], [one for one in requests if one.day >= first]


def all_the_same(setting: Setting, kind: Kind, days: int, folder: Path, postgres: PostgresServer) -> None:
    history, requests = split(kind, days)
    found = run(setting, requests, history, in_memory)
    assert len({fate[-1] for fate in found.fates}) >= 2, "some are answered and some are not"
    assert run(setting, requests, history, partial(in_database, fresh(folder / "potluck.db"), ())) == found
    with postgres.database() as address:
        assert run(setting, requests, history, partial(in_database, address, ())) == found


@pytest.mark.parametrize(
    ("kind", "setting"),
    [
        ("burst", Setting(rpd=RPD, rpm=3, failures=0.2, patience=600, promise_units=1)),
        ("heavytail", Setting(policy="fcfs", rpd=RPD, rpm=2)),
    ],
)
def test_every_decision_is_the_same_whatever_it_is_kept_in(
    kind: Kind, setting: Setting, tmp_path: Path, postgres: PostgresServer
) -> None:
    all_the_same(setting, kind, 1, tmp_path, postgres)


def test_control_where_a_unit_is_gone_beforehand_decisions_differ(tmp_path: Path) -> None:
    setting = Setting(rpd=RPD, rpm=3)
    history, requests = split("burst", 1)
    one = (EventKind.ASKED, EventKind.LET_THROUGH, EventKind.SENT)
    untouched = run(setting, requests, history, partial(in_database, fresh(tmp_path / "one.db"), ()))
    short = run(setting, requests, history, partial(in_database, fresh(tmp_path / "two.db"), one))
    assert untouched.fates != short.fates


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("policy", POLICIES)
def test_every_decision_is_the_same_for_every_kind_of_days(
    kind: Kind, policy: Policy, tmp_path: Path, postgres: PostgresServer
) -> None:
    setting = Setting(policy=policy, rpd=RPD, rpm=3, failures=0.1, patience=300, promise_units=1)
    all_the_same(setting, kind, 3, tmp_path, postgres)
