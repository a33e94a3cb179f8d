"""A process's way to the ledger, which a crash cuts: what was written stays, what was under way never arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from bot.quota.events import DayEvent
from bot.quota.history import Ask
from bot.quota.ledger import (
    AlreadyHandled,
    Aside,
    Caps,
    Claim,
    DaySpent,
    Lease,
    LeaseId,
    MinuteFull,
    Outcome,
    PoolId,
    Reserved,
    Standing,
)
from bot.quota.memory import MemoryLedger
from bot.quota.word import Said, Word

T = TypeVar("T")


class Wire:
    """One process's way to the ledger. Cut, it brings nothing there any more and says no."""

    def __init__(self, ledger: MemoryLedger, latency: float) -> None:
        self._ledger, self._latency = ledger, latency
        self.cut = False
        self.closed: list[LeaseId] = []
        """Every lease that was settled, released or followed by a second attempt."""

    async def reserve(self, claim: Claim, caps: Caps, events: Sequence[DayEvent] = ()) -> Reserved:
        return await self._over(lambda: self._ledger.reserve(claim, caps, events), DaySpent())

    async def retry(
        self, lease: Lease, outcome: Outcome, claim: Claim, caps: Caps, events: Sequence[DayEvent] = ()
    ) -> Lease | MinuteFull | DaySpent:
        no: Lease | MinuteFull | DaySpent = DaySpent()
        second = await self._over(lambda: self._ledger.retry(lease, outcome, claim, caps, events), no)
        if isinstance(second, Lease):
            self.closed.append(lease.id)
        return second

    async def open_aside(self, claim: Claim) -> Aside:
        no: Aside = AlreadyHandled()
        return await self._over(lambda: self._ledger.open_aside(claim), no)

    async def settle(self, lease: Lease, outcome: Outcome, events: Sequence[DayEvent] = ()) -> None:
        await self._close(lease, lambda: self._ledger.settle(lease, outcome, events))

    async def release(self, lease: Lease, events: Sequence[DayEvent] = ()) -> None:
        await self._close(lease, lambda: self._ledger.release(lease, events))

    async def _close(self, lease: Lease, closing: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if not self.cut:
            self.closed.append(lease.id)
        await self._over(closing, None)

    async def note(self, pool: PoolId, events: Sequence[DayEvent]) -> None:
        kept = list(events)
        await self._over(lambda: self._ledger.note(pool, kept), None)

    async def told(self, pool: PoolId, day: int, said: Said) -> Word:
        return await self._over(lambda: self._ledger.told(pool, day, said), Word())

    async def events(self, pool: PoolId, day: int) -> Sequence[DayEvent]:
        return await self._ledger.events(pool, day)

    async def asks(self, pool: PoolId, *, first: int, last: int) -> Mapping[int, Sequence[Ask]]:
        return await self._ledger.asks(pool, first=first, last=last)

    async def standing(self, pool: PoolId, day: int) -> Standing:
        return await self._ledger.standing(pool, day)

    async def recover(self) -> int:
        return await self._ledger.recover()

    async def _over(self, transaction: Callable[[], Coroutine[Any, Any, T]], no: T) -> T:
        await asyncio.sleep(self._latency / 2)
        if self.cut:
            return no
        done = await transaction()
        await asyncio.sleep(self._latency / 2)
        return done
