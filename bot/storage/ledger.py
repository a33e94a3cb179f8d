"""The ledger in SQL. Each method is one unit of work; the pool's row is always touched first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    Select,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from bot.clock import DAY, Clock, Instant, day_of
from bot.messages import CommunityId, Member
from bot.quota.events import DayEvent, EventKind, cut_off
from bot.quota.history import Ask
from bot.quota.ledger import (
    WINDOW,
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
from bot.quota.word import Said, Word
from bot.storage.database import Database
from bot.storage.dialects import Prepared, upsert
from bot.storage.tables import day_events, handled_messages, leases, member_days, pool_days, pools, turns
from bot.storage.words import keep_word, word_after

MICROSECONDS = 1_000_000
_CRASHED, _GIVEN_UP = "crashed", "given_up"
"""Outcomes of a lease that nobody settled: found at the start; or by other processes, which hear of its own no more."""
_WINDOW = int(WINDOW * MICROSECONDS)


def microseconds(moment: Instant) -> int:
    """A moment as the tables keep it."""
    return round(moment * MICROSECONDS)


def instant(value: int) -> Instant:
    """A moment from the tables."""
    return Instant(value / MICROSECONDS)


# The lease that would leave the window if the next one started now: `rpm` leases before it.
_edge = (
    select(leases.c.reserved_at)
    .where(leases.c.pool == pools.c.id, leases.c.number == pools.c.started + 1 - bindparam("rpm", type_=Integer))
    .scalar_subquery()
)
_ADD_POOL = Prepared(upsert(pools).values(id=bindparam("pool"), started=0).on_conflict_do_nothing())
_TAKE_MINUTE = Prepared(
    update(pools)
    .where(
        pools.c.id == bindparam("pool"),
        # A lease from far ahead was written by a clock that was wrong then: it must not block the pool until then.
        or_(
            func.coalesce(_edge, literal(0)) <= bindparam("horizon", type_=BigInteger),
            _edge > bindparam("ahead", type_=BigInteger),
        ),
    )
    .values(started=pools.c.started + 1)
    .returning(pools.c.started, pools.c.told)
)
_EDGE = Prepared(select(_edge).where(pools.c.id == bindparam("pool")))
_TAKE_DAY = Prepared(
    upsert(pool_days)
    .values(pool=bindparam("pool"), day=bindparam("day"), used=1)
    .on_conflict_do_update(
        index_elements=["pool", "day"],
        set_={"used": pool_days.c.used + 1},
        where=pool_days.c.used < bindparam("rpd", type_=Integer),
    )
    .returning(pool_days.c.used)
)
_CHARGE_MEMBER = Prepared(
    upsert(member_days)
    .values(pool=bindparam("pool"), day=bindparam("day"), member=bindparam("member"), taken=1)
    .on_conflict_do_update(index_elements=["pool", "day", "member"], set_={"taken": member_days.c.taken + 1})
)
_ADD_TURN = Prepared(
    insert(turns)
    .values({name: bindparam(name) for name in (
        "message", "conversation", "community", "member", "author_name", "question", "asked_at")}
        | {"answer": "", "whole": False})
    .returning(turns.c.id)
)  # fmt: skip
_ADD_HANDLED = Prepared(
    upsert(handled_messages)
    .values(message=bindparam("message"), turn=bindparam("turn"), handled_at=bindparam("handled_at"))
    .on_conflict_do_nothing()
    .returning(handled_messages.c.turn)
)
_ADD_LEASE = Prepared(
    insert(leases)
    .values({name: bindparam(name) for name in (
        "pool", "number", "day", "member", "turn", "attempt", "lane", "model", "reserved_at", "process")})
    .returning(leases.c.id)
)  # fmt: skip
_CLOSE = Prepared(
    update(leases)
    .where(leases.c.id == bindparam("lease"), leases.c.settled_at.is_(None))
    .values({name: bindparam(name) for name in (
        "settled_at", "outcome", "generation", "cost_usd", "upstream_usd", "turn")})
    .returning(leases.c.id)
)  # fmt: skip
_END_TURN = Prepared(
    update(turns)
    .where(turns.c.id == bindparam("turn_id"))
    .values({name: bindparam(name) for name in (
        "answer", "whole", "model", "prompt_tokens", "completion_tokens", "ended_at")})
)  # fmt: skip
_ADD_EVENT = Prepared(
    insert(day_events).values({name: bindparam(name) for name in (
        "pool", "day", "at", "kind", "member", "community", "units", "other", "process")})
)  # fmt: skip
_UNCOUNT = Prepared(
    update(pool_days)
    .where(pool_days.c.pool == bindparam("in_pool"), pool_days.c.day == bindparam("on_day"))
    .values(used=case((pool_days.c.used > 0, pool_days.c.used - 1), else_=0))
)
_GIVE_MEMBER_BACK = Prepared(
    update(member_days)
    .where(
        member_days.c.pool == bindparam("in_pool"),
        member_days.c.day == bindparam("on_day"),
        member_days.c.member == bindparam("of_member"),
    )
    .values(taken=case((member_days.c.taken > 0, member_days.c.taken - 1), else_=0))
)


class NotReserved(Exception):
    """Undoes the transaction and carries the reason out of it."""

    def __init__(self, reason: MinuteFull | DaySpent) -> None:
        self.reason = reason


class HandledError(Exception):
    """One of a claim's messages has had its lease. Undoes the transaction."""


class OutdatedError(Exception):
    """The account has said something that the caller does not know yet. Undoes the transaction."""

    def __init__(self, word: Word) -> None:
        self.word = word


class SqlLedger:
    """`bot.quota.ledger.Ledger` over one database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self.tell: Callable[[Connection, PoolId], None] = lambda connection, pool: None
        """Tells other processes that something has happened in a pool, within the unit of work."""

    async def add_pool(self, pool: PoolId) -> None:
        """Make sure the pool exists. Before its first lease."""
        await self._database.write(lambda connection: _ADD_POOL(connection, pool=pool))

    async def reserve(self, claim: Claim, caps: Caps, events: Sequence[DayEvent] = ()) -> Reserved:
        def unit(connection: Connection) -> Lease:
            lease = self.take(connection, claim, caps)
            self.keep(connection, claim.pool, events)
            return lease

        try:
            return await self._database.write(unit, of=claim.pool)
        except NotReserved as refusal:
            return refusal.reason
        except HandledError:
            return AlreadyHandled()

    def keep(self, connection: Connection, pool: PoolId, events: Sequence[DayEvent]) -> None:
        """Write events down, within a unit of work."""
        keep(connection, pool, events, self._database.process)
        self.tell(connection, pool)

    def take(self, connection: Connection, claim: Claim, caps: Caps, *, word: int | None = None) -> Lease:
        """A lease, within a unit of work, which must not outlive the exception.

        `word`: the number of the account's last word that the caller knows; None: whatever it has said.

        Raises:
            NotReserved: there is no unit.
            HandledError: one of the messages has had its lease.
            OutdatedError: the account has said more than that.
        """
        now = self._database.now()
        number = _take_unit(connection, claim.pool, now, caps, word)
        _CHARGE_MEMBER(connection, pool=claim.pool, day=day_of(now), member=claim.member.key)
        return _first(connection, claim, now, number, self._database.process)

    async def open_aside(self, claim: Claim) -> Aside:
        try:
            return await self._database.write(
                lambda connection: open_aside(connection, claim, self._database.now(), self._database.process)
            )
        except HandledError:
            return AlreadyHandled()

    async def retry(
        self, lease: Lease, outcome: Outcome, claim: Claim, caps: Caps, events: Sequence[DayEvent] = ()
    ) -> Lease | MinuteFull | DaySpent:
        def unit(connection: Connection) -> Lease:
            second = self.take_second(connection, lease, outcome, claim, caps)
            self.keep(connection, lease.pool, events)
            return second

        try:
            return await self._database.write(unit, of=lease.pool)
        except NotReserved as refusal:
            return refusal.reason

    def take_second(
        self,
        connection: Connection,
        lease: Lease,
        outcome: Outcome,
        claim: Claim,
        caps: Caps,
        *,
        word: int | None = None,
    ) -> Lease:
        """As `take`, for the second attempt of a lease, which is closed.

        Raises:
            NoAttemptLeftError: it is a second attempt itself, or was opened aside.
        """
        if lease.attempt != 1 or lease.aside:
            raise NoAttemptLeftError(f"lease {lease.id} has no second attempt")
        now = self._database.now()
        if day_of(now) != lease.day:
            raise NotReserved(DaySpent())
        number = _take_unit(connection, lease.pool, now, caps, word)
        if not _close(connection, lease, outcome, microseconds(now)):
            raise NotReserved(DaySpent())
        added = _ADD_LEASE(
            connection,
            pool=lease.pool,
            number=number,
            day=lease.day,
            member=lease.member.key,
            turn=lease.turn,
            attempt=2,
            lane=claim.lane,
            model=claim.model,
            reserved_at=microseconds(now),
            process=self._database.process,
        )
        assert added is not None
        return replace(lease, id=LeaseId(added[0]), reserved_at=now, lane=claim.lane, model=claim.model, attempt=2)

    async def settle(self, lease: Lease, outcome: Outcome, events: Sequence[DayEvent] = ()) -> None:
        def unit(connection: Connection) -> None:
            if settle(connection, lease, outcome, self._database.now()):
                self.keep(connection, lease.pool, events)

        await self._database.write(unit, of="" if lease.aside else lease.pool)

    async def release(self, lease: Lease, events: Sequence[DayEvent] = ()) -> None:
        def unit(connection: Connection) -> None:
            if release(connection, lease, self._database.now()):
                self.keep(connection, lease.pool, events)

        await self._database.write(unit, of="" if lease.aside else lease.pool)

    async def note(self, pool: PoolId, events: Sequence[DayEvent]) -> None:
        await self._database.write(lambda connection: self.keep(connection, pool, events), of=pool)

    async def told(self, pool: PoolId, day: int, said: Said) -> Word:
        def unit(connection: Connection) -> Word:
            word = keep_word(connection, pool, day, said, self._database.process)
            self.tell(connection, pool)
            return word

        return await self._database.write(unit, of=pool)

    async def events(self, pool: PoolId, day: int) -> Sequence[DayEvent]:
        wanted = (
            select(day_events)
            .where(day_events.c.pool == pool, day_events.c.day == day)
            .order_by(day_events.c.at, day_events.c.id)
        )

        def unit(connection: Connection) -> list[DayEvent]:
            return [
                DayEvent(
                    kind=EventKind(row.kind),
                    at=instant(row.at),
                    member=Member.parse(row.member),
                    community=CommunityId(row.community),
                    units=row.units,
                    other=None if row.other is None else Member.parse(row.other),
                )
                for row in connection.execute(wanted)
            ]

        return await self._database.read(unit)

    async def asks(self, pool: PoolId, *, first: int, last: int) -> Mapping[int, Sequence[Ask]]:
        wanted = select(day_events.c.day, day_events.c.at, day_events.c.community, day_events.c.member).where(
            day_events.c.pool == pool, day_events.c.day.between(first, last), day_events.c.kind == EventKind.ASKED
        )

        def unit(connection: Connection) -> dict[int, list[Ask]]:
            days: dict[int, list[Ask]] = {}
            for row in connection.execute(wanted):
                days.setdefault(row.day, []).append(Ask(instant(row.at) % DAY, row.community, row.member))
            return {day: sorted(asks) for day, asks in days.items()}

        return await self._database.read(unit)

    async def prune(self, *, before_day: int) -> None:
        """Delete who asked and was sent what on the days before one, for good. The pool's own totals name nobody."""

        def unit(connection: Connection) -> None:
            connection.execute(delete(day_events).where(day_events.c.day < before_day))
            connection.execute(delete(member_days).where(member_days.c.day < before_day))
            connection.execute(delete(leases).where(leases.c.day < before_day, leases.c.settled_at.is_not(None)))

        await self._database.write(unit)

    async def standing(self, pool: PoolId, day: int) -> Standing:
        now = self._clock.now()
        return await self._database.read(lambda connection: standing(connection, pool, day, now))

    async def recover(self) -> int:
        return await self._close_open(_CRASHED)

    async def give_up(self) -> int:
        """As `recover`, at any time: of processes that are not heard of any more."""
        return await self._close_open(_GIVEN_UP)

    async def _close_open(self, outcome: str) -> int:
        left = select(leases.c.pool).where(leases.c.settled_at.is_(None), _of_nobody(self._database.living)).distinct()
        found = await self._database.read(lambda connection: connection.scalars(left).all())
        cut = 0
        for pool in found:
            cut += await self._database.write(partial(self._close_open_of, pool, outcome), of=pool)
        return cut

    def _close_open_of(self, pool: str, outcome: str, connection: Connection) -> int:
        at = microseconds(self._database.now())
        columns = (leases.c.day, leases.c.member, leases.c.turn, leases.c.reserved_at, leases.c.lane)
        cut = connection.execute(
            update(leases)
            .where(leases.c.settled_at.is_(None), leases.c.pool == pool, _of_nobody(self._database.living))
            .values(settled_at=at, outcome=outcome)
            .returning(*columns)
        ).all()
        for row in cut:
            connection.execute(update(turns).where(turns.c.id == row.turn).values(ended_at=at))
            if row.lane != "free":
                continue
            _GIVE_MEMBER_BACK(connection, in_pool=pool, on_day=row.day, of_member=row.member)
            community = connection.scalar(select(turns.c.community).where(turns.c.id == row.turn)) or ""
            member, reserved_at = Member.parse(row.member), instant(row.reserved_at)
            # Nobody has written these: who follows the others' hears of them, too.
            keep(connection, PoolId(pool), cut_off(member, CommunityId(community), reserved_at), None)
        return len(cut)


def standing(connection: Connection, pool: PoolId, day: int, now: Instant) -> Standing:
    """As `SqlLedger.standing`, within the caller's unit of work."""
    used = select(pool_days.c.used).where(pool_days.c.pool == pool, pool_days.c.day == day)
    taken = connection.execute(
        select(member_days.c.member, member_days.c.taken).where(member_days.c.pool == pool, member_days.c.day == day)
    )
    started = connection.scalar(select(pools.c.started).where(pools.c.id == pool)) or 0
    at = microseconds(now)
    recent = connection.execute(
        select(leases.c.reserved_at, leases.c.member)
        .where(leases.c.pool == pool, leases.c.number > started - 100_000)
        .where(leases.c.reserved_at > at - _WINDOW, leases.c.reserved_at <= at + _WINDOW)
        .order_by(leases.c.number)
    )
    return Standing(
        used=connection.scalar(used) or 0,
        taken={Member.parse(row.member): row.taken for row in taken},
        recent=[(instant(row.reserved_at), Member.parse(row.member)) for row in recent],
        word=word_after(connection, pool, day, -1) or Word(day=day),
    )


def _of_nobody(living: Callable[[], Select[Any]]) -> ColumnElement[bool]:
    """No process that lives has it."""
    return or_(leases.c.process.is_(None), leases.c.process.not_in(living()))


def open_aside(connection: Connection, claim: Claim, now: Instant, process: str | None) -> Lease:
    """As `SqlLedger.open_aside`, within the caller's unit of work, which must not outlive the exception.

    Raises:
        HandledError: one of the messages has had its lease.
    """
    if claim.lane == "free":
        raise NotAsideError
    # Without a number: the minute's window counts by it.
    return _first(connection, claim, now, None, process)


def settle(connection: Connection, lease: Lease, outcome: Outcome, now: Instant) -> bool:
    """As `SqlLedger.settle`, within the caller's unit of work. False: this process had been taken for dead, and what
    the lease took has been settled already; the answer is kept all the same."""
    at = microseconds(now)
    counts = _close(connection, lease, outcome, at)
    _END_TURN(
        connection,
        turn_id=lease.turn,
        answer=outcome.answer,
        whole=outcome.whole,
        model=outcome.model,
        prompt_tokens=outcome.usage.prompt_tokens,
        completion_tokens=outcome.usage.completion_tokens,
        ended_at=at,
    )
    if lease.aside or not counts:
        return counts
    if outcome.uncounted:
        _UNCOUNT(connection, in_pool=lease.pool, on_day=lease.day)
    if outcome.give_back or outcome.uncounted:
        _give_back(connection, lease)
    return True


def release(connection: Connection, lease: Lease, now: Instant) -> bool:
    """As `SqlLedger.release`, within the caller's unit of work. False: as `settle`."""
    at = microseconds(now)
    closed = _CLOSE(
        connection,
        lease=lease.id,
        settled_at=at,
        outcome="released",
        generation=None,
        cost_usd=None,
        upstream_usd=None,
        turn=None,
    )
    if closed is None:
        _given_up(connection, lease)
        return False
    if lease.attempt == 1:
        connection.execute(delete(handled_messages).where(handled_messages.c.turn == lease.turn))
        connection.execute(delete(turns).where(turns.c.id == lease.turn))
    else:
        connection.execute(update(turns).where(turns.c.id == lease.turn).values(ended_at=at))
    if not lease.aside:
        _give_unit_back(connection, lease)
    return True


def _give_unit_back(connection: Connection, lease: Lease) -> None:
    connection.execute(update(pools).where(pools.c.id == lease.pool).values(started=pools.c.started - 1))
    connection.execute(
        update(pool_days)
        .where(pool_days.c.pool == lease.pool, pool_days.c.day == lease.day)
        .values(used=pool_days.c.used - 1)
    )
    _give_back(connection, lease)
    # Nothing started: the later starts move up by one, so that the minute does not count a gap.
    number = select(leases.c.number).where(leases.c.id == lease.id).scalar_subquery()
    later = leases.c.number > number
    connection.execute(update(leases).where(leases.c.pool == lease.pool, later).values(number=leases.c.number - 1))
    connection.execute(update(leases).where(leases.c.id == lease.id).values(number=None))


def _give_back(connection: Connection, lease: Lease) -> None:
    _GIVE_MEMBER_BACK(connection, in_pool=lease.pool, on_day=lease.day, of_member=lease.member.key)


def _first(connection: Connection, claim: Claim, now: Instant, number: int | None, process: str | None) -> Lease:
    """The first lease of a new turn.

    Raises:
        HandledError: one of its messages has had one.
    """
    at, day, member, question = microseconds(now), day_of(now), claim.member.key, claim.question
    turn = _ADD_TURN(
        connection,
        message=question.messages[0],
        conversation=question.conversation,
        community=question.community,
        member=member,
        author_name=question.author_name,
        question=question.text,
        asked_at=microseconds(question.asked_at),
    )
    assert turn is not None
    for message in question.messages:
        if _ADD_HANDLED(connection, message=message, turn=turn[0], handled_at=at) is None:
            raise HandledError
    lease = _ADD_LEASE(
        connection,
        pool=claim.pool,
        number=number,
        day=day,
        member=member,
        turn=turn[0],
        attempt=1,
        lane=claim.lane,
        model=claim.model,
        reserved_at=at,
        process=process,
    )
    assert lease is not None
    return Lease(
        id=LeaseId(lease[0]),
        pool=claim.pool,
        member=claim.member,
        community=question.community,
        turn=TurnId(turn[0]),
        day=day,
        reserved_at=now,
        lane=claim.lane,
        model=claim.model,
    )


def _take_unit(connection: Connection, pool: PoolId, now: Instant, caps: Caps, word: int | None = None) -> int:
    """A start of the minute and a unit of the day; returns the start's number.

    Raises:
        NotReserved: there is none.
        OutdatedError: see `SqlLedger.take`.
    """
    at = microseconds(now)
    number = _TAKE_MINUTE(connection, pool=pool, rpm=caps.rpm, horizon=at - _WINDOW, ahead=at + _WINDOW)
    if number is None:
        edge = _EDGE(connection, pool=pool, rpm=caps.rpm)
        assert edge is not None, f"the pool {pool} was never added"
        raise NotReserved(MinuteFull(until=instant(edge[0] + _WINDOW)))
    if word is not None and number[1] > word:
        news = word_after(connection, pool, day_of(now), word)
        assert news is not None
        raise OutdatedError(news)
    if _TAKE_DAY(connection, pool=pool, day=day_of(now), rpd=caps.rpd) is None:
        raise NotReserved(DaySpent())
    return int(number[0])


def _given_up(connection: Connection, lease: Lease) -> None:
    """Other processes had taken this one for dead, and the lease for cut off.

    Raises:
        LeaseNotOpenError: no, it was closed by whoever had it.
    """
    if connection.scalar(select(leases.c.outcome).where(leases.c.id == lease.id)) != _GIVEN_UP:
        raise LeaseNotOpenError(f"lease {lease.id} is closed already")


def _close(connection: Connection, lease: Lease, outcome: Outcome, at: int) -> bool:
    """Close a lease that was sent, once. False: it had been given up."""
    closed = _CLOSE(
        connection,
        lease=lease.id,
        settled_at=at,
        outcome=outcome.result,
        generation=outcome.generation or None,
        cost_usd=str(outcome.usage.cost_usd),
        upstream_usd=None if outcome.usage.upstream_usd is None else str(outcome.usage.upstream_usd),
        turn=lease.turn,
    )
    if closed is None:
        _given_up(connection, lease)
    return closed is not None


def keep(connection: Connection, pool: PoolId, events: Sequence[DayEvent], process: str | None) -> None:
    """Write events down."""
    rows = [
        {
            "pool": pool,
            "day": day_of(event.at),
            "at": microseconds(event.at),
            "kind": event.kind.value,
            "member": event.member.key,
            "community": event.community,
            "units": event.units,
            "other": None if event.other is None else event.other.key,
            "process": process,
        }
        for event in events
    ]
    _ADD_EVENT.each(connection, rows)
