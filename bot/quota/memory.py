"""The ledger in memory: the same promises as the SQL one, for simulations that run whole days in seconds."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bot.clock import Clock, Instant, day_of
from bot.messages import Member, MessageId
from bot.quota.events import DayEvent, asked, cut_off
from bot.quota.history import Ask
from bot.quota.ledger import (
    AlreadyHandled,
    Aside,
    Caps,
    Claim,
    DaySpent,
    Lease,
    LeaseId,
    LeaseNotOpenError,
    MinuteFull,
    NoAttemptLeftError,
    NotAsideError,
    Outcome,
    PoolId,
    Reserved,
    Standing,
    TurnId,
)
from bot.quota.window import Window
from bot.quota.word import Said, Word


@dataclass(slots=True)
class _Pool:
    """One pool's book."""

    window: Window = field(default_factory=lambda: Window(0))
    used: Counter[int] = field(default_factory=Counter)
    word: Word = field(default_factory=Word)
    taken: Counter[tuple[int, Member]] = field(default_factory=Counter)
    events: defaultdict[int, list[DayEvent]] = field(default_factory=lambda: defaultdict(list))


class MemoryLedger:
    """`bot.quota.ledger.Ledger` that a crash forgets."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pools: dict[PoolId, _Pool] = {}
        self._handled: dict[MessageId, LeaseId] = {}
        self._open: dict[LeaseId, tuple[Lease, Claim]] = {}
        self._number = 0

    async def add_pool(self, pool: PoolId) -> None:
        self._pools.setdefault(pool, _Pool())

    async def reserve(self, claim: Claim, caps: Caps, events: Sequence[DayEvent] = ()) -> Reserved:
        now, pool = self._clock.now(), self._pools[claim.pool]
        day = day_of(now)
        if denied := self._denied(pool, now, caps):
            return denied
        lease = self._first(claim, now)
        if lease is None:
            return AlreadyHandled()
        self._start(lease, claim)
        pool.taken[day, claim.member] += 1
        self._keep(claim.pool, events)
        return lease

    async def open_aside(self, claim: Claim) -> Aside:
        if claim.lane == "free":
            raise NotAsideError
        lease = self._first(claim, self._clock.now())
        if lease is None:
            return AlreadyHandled()
        self._open[lease.id] = (lease, claim)
        return lease

    def _first(self, claim: Claim, now: Instant) -> Lease | None:
        """The first lease of a new turn; None: one of its messages has had one."""
        if any(message in self._handled for message in claim.question.messages):
            return None
        self._number += 1
        lease = Lease(
            id=LeaseId(self._number),
            pool=claim.pool,
            member=claim.member,
            community=claim.question.community,
            turn=TurnId(self._number),
            day=day_of(now),
            reserved_at=now,
            lane=claim.lane,
            model=claim.model,
        )
        self._handled |= dict.fromkeys(claim.question.messages, lease.id)
        return lease

    async def retry(
        self, lease: Lease, outcome: Outcome, claim: Claim, caps: Caps, events: Sequence[DayEvent] = ()
    ) -> Lease | MinuteFull | DaySpent:
        if lease.attempt != 1 or lease.aside:
            raise NoAttemptLeftError(f"lease {lease.id} has no second attempt")
        now = self._clock.now()
        if day_of(now) != lease.day:
            return DaySpent()
        if denied := self._denied(self._pools[lease.pool], now, caps):
            return denied
        self._close(lease)
        self._number += 1
        second = replace(
            lease, id=LeaseId(self._number), reserved_at=now, lane=claim.lane, model=claim.model, attempt=2
        )
        self._start(second, claim)
        self._keep(lease.pool, events)
        return second

    def _denied(self, pool: _Pool, now: Instant, caps: Caps) -> MinuteFull | DaySpent | None:
        pool.window.rpm = caps.rpm
        opening = next(pool.window.openings(now))
        if opening > now:
            return MinuteFull(until=opening)
        return DaySpent() if pool.used[day_of(now)] >= caps.rpd else None

    def _start(self, lease: Lease, claim: Claim) -> None:
        pool = self._pools[lease.pool]
        pool.window.start(lease.reserved_at, lease.member)
        pool.used[lease.day] += 1
        self._open[lease.id] = (lease, claim)

    async def settle(self, lease: Lease, outcome: Outcome, events: Sequence[DayEvent] = ()) -> None:
        self._close(lease)
        self._keep(lease.pool, events)
        if outcome.give_back:
            self._give_back(lease)

    async def release(self, lease: Lease, events: Sequence[DayEvent] = ()) -> None:
        claim = self._close(lease)
        self._keep(lease.pool, events)
        if not lease.aside:
            pool = self._pools[lease.pool]
            pool.window.drop(lease.reserved_at, lease.member)
            pool.used[lease.day] -= 1
        self._give_back(lease)
        if lease.attempt == 1:
            for message in claim.question.messages:
                del self._handled[message]

    async def note(self, pool: PoolId, events: Sequence[DayEvent]) -> None:
        self._keep(pool, events)

    async def told(self, pool: PoolId, day: int, said: Said) -> Word:
        book = self._pools[pool]
        book.word = word = replace(book.word.of(day), number=book.word.number + 1, **said)
        return word

    async def events(self, pool: PoolId, day: int) -> Sequence[DayEvent]:
        return sorted(self._pools[pool].events[day], key=lambda event: event.at)

    async def asks(self, pool: PoolId, *, first: int, last: int) -> Mapping[int, Sequence[Ask]]:
        kept = self._pools[pool].events
        return {day: asks for day in range(first, last + 1) if (asks := asked(kept[day]))}

    def _keep(self, pool: PoolId, events: Sequence[DayEvent]) -> None:
        for event in events:
            self._pools[pool].events[day_of(event.at)].append(event)

    async def standing(self, pool: PoolId, day: int) -> Standing:
        now, book = self._clock.now(), self._pools[pool]
        return Standing(
            used=book.used[day],
            taken={member: taken for (on, member), taken in book.taken.items() if on == day},
            recent=book.window.starts(now),
            word=book.word.of(day),
        )

    async def recover(self) -> int:
        cut = list(self._open.values())
        for lease, claim in cut:
            self._close(lease)
            if not lease.aside:
                self._give_back(lease)
                self._keep(lease.pool, cut_off(lease.member, claim.question.community, lease.reserved_at))
        return len(cut)

    def _close(self, lease: Lease) -> Claim:
        if lease.id not in self._open:
            raise LeaseNotOpenError(f"lease {lease.id} is closed already")
        return self._open.pop(lease.id)[1]

    def _give_back(self, lease: Lease) -> None:
        if lease.aside:
            return
        taken = self._pools[lease.pool].taken
        taken[lease.day, lease.member] = max(0, taken[lease.day, lease.member] - 1)
