"""A lease's rows, opened within a unit of work: all of them or none. The pool's row is always touched first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    bindparam,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    update,
)

from bot.clock import Instant, day_of
from bot.quota.events import DayEvent
from bot.quota.ledger import (
    WINDOW,
    Caps,
    Claim,
    DaySpent,
    Lease,
    LeaseId,
    MinuteFull,
    NotAsideError,
    Outcome,
    PoolId,
    TurnId,
)
from bot.quota.word import Word
from bot.storage.closing import CLOSE, check_given_up, of_outcome
from bot.storage.day_events import added, values_of
from bot.storage.dialects import Chained, Prepared, Steps, upsert
from bot.storage.moments import MICROSECONDS, instant, microseconds
from bot.storage.tables import handled_messages, leases, member_days, pool_days, pools, turns
from bot.storage.words import word_after

_WINDOW = int(WINDOW * MICROSECONDS)

# The lease that would leave the window if the next one started now: `rpm` leases before it.
_edge = (
    select(leases.c.reserved_at)
    .where(leases.c.pool == pools.c.id, leases.c.number == pools.c.started + 1 - bindparam("rpm", type_=Integer))
    .scalar_subquery()
)
_EDGE = Prepared(select(_edge).where(pools.c.id == bindparam("pool")))
TAKE_MINUTE = Prepared(
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
    .returning(pools.c.started)
)
_told = select(pools.c.told).where(pools.c.id == bindparam("pool"))
_take_day = (
    upsert(pool_days)
    .values(pool=bindparam("pool"), day=bindparam("day"), used=1)
    .on_conflict_do_update(
        index_elements=["pool", "day"],
        set_={"used": pool_days.c.used + 1},
        where=pool_days.c.used < bindparam("rpd", type_=Integer),
    )
    .returning(pool_days.c.used)
)
_charge_member = (
    upsert(member_days)
    .values(pool=bindparam("pool"), day=bindparam("day"), member=bindparam("member"), taken=1)
    .on_conflict_do_update(index_elements=["pool", "day", "member"], set_={"taken": member_days.c.taken + 1})
)
_add_turn = (
    insert(turns)
    .values({name: bindparam(name) for name in (
        "message", "conversation", "community", "member", "author_name", "question", "asked_at")}
        | {"answer": "", "whole": False})
    .returning(turns.c.id)
)  # fmt: skip
_add_handled = (
    upsert(handled_messages)
    .values(message=bindparam("message"), turn=bindparam("turn"), handled_at=bindparam("reserved_at"))
    .on_conflict_do_nothing()
    .returning(handled_messages.c.turn)
)
_ADD_HANDLED = Prepared(_add_handled)
_add_lease = (
    insert(leases)
    .values({name: bindparam(name) for name in (
        "pool", "number", "day", "member", "turn", "attempt", "lane", "model", "reserved_at", "process")})
    .returning(leases.c.id)
)  # fmt: skip


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


def take(
    connection: Connection,
    claim: Claim,
    caps: Caps,
    events: Sequence[DayEvent],
    now: Instant,
    process: str | None,
    *,
    word: int | None = None,
    also: tuple[Prepared, ...] = (),
    **values: Any,
) -> Lease:
    """A lease of the free lane with its events. The unit of work must not outlive an exception.

    Args:
        word: the number of the account's last word that the caller knows; None: whatever it has said.
        also: what else is written with it, of these values.

    Raises:
        NotReserved: there is no unit.
        OutdatedError: the account has said more than that.
        HandledError: one of the messages has had its lease.
    """
    values |= _of_unit(claim.pool, caps, now) | _of_claim(claim, now, process)
    given = _taking(len(events), also, heeds=word is not None)(
        connection, values | values_of(claim.pool, events, process)
    )
    _check_unit(connection, given, values, word)
    return _opened(connection, claim, given, values, now)


def open_aside(connection: Connection, claim: Claim, now: Instant, process: str | None) -> Lease:
    """A lease that takes nothing from its pool. The unit of work must not outlive an exception.

    Raises:
        NotAsideError: the claim is for the free lane.
        HandledError: one of the messages has had its lease.
    """
    if claim.lane == "free":
        raise NotAsideError
    values = _of_claim(claim, now, process)
    return _opened(connection, claim, _ASIDE(connection, values), values, now)


def take_second(
    connection: Connection,
    lease: Lease,
    outcome: Outcome,
    claim: Claim,
    caps: Caps,
    events: Sequence[DayEvent],
    now: Instant,
    process: str | None,
    *,
    word: int | None = None,
) -> Lease:
    """The second attempt of a lease's turn, which closes the first. The unit of work must not outlive an exception.

    Raises:
        NotReserved: there is no unit, or the first was given up.
        OutdatedError: as `take`.
        LeaseNotOpenError: it is closed already.
    """
    if day_of(now) != lease.day:
        raise NotReserved(DaySpent())
    values = _of_unit(lease.pool, caps, now) | of_outcome(lease, outcome, now)
    values |= {"member": lease.member.key, "attempt": 2, "lane": claim.lane, "model": claim.model, "process": process}
    given = _taking_second(len(events), heeds=word is not None)(
        connection, values | values_of(lease.pool, events, process)
    )
    _check_unit(connection, given, values, word)
    if given.get("closed") is None:
        check_given_up(connection, lease)
        raise NotReserved(DaySpent())
    return replace(lease, id=LeaseId(given["opened"]), reserved_at=now, lane=claim.lane, model=claim.model, attempt=2)


@cache
def _taking(events: int, also: tuple[Prepared, ...], *, heeds: bool) -> Chained:
    def steps(chain: Steps) -> None:
        number = _take_unit(chain, heeds=heeds)
        chain.does(_charge_member)
        _open(chain, number)
        _write(chain, events)
        for other in also:
            chain.does(other.statement)

    return Chained(steps)


@cache
def _taking_second(events: int, *, heeds: bool) -> Chained:
    def steps(chain: Steps) -> None:
        number = _take_unit(chain, heeds=heeds)
        chain.gives("closed", CLOSE.statement)
        chain.gives("opened", _add_lease.values(number=number))
        _write(chain, events)

    return Chained(steps)


def _take_unit(chain: Steps, *, heeds: bool) -> ColumnElement[Any]:
    """A start of the minute and a unit of the day; the start's number. `heeds`: what the account has said matters."""
    if heeds:
        chain.gives("told", _told)
    number = chain.gives("number", TAKE_MINUTE.statement)
    chain.gives("used", _take_day)
    return number


def _open(chain: Steps, number: ColumnElement[Any]) -> None:
    """The first lease of a new turn."""
    turn = chain.gives("turn", _add_turn)
    chain.gives("handled", _add_handled.values(turn=turn))
    chain.gives("opened", _add_lease.values(number=number, turn=turn))


def _write(chain: Steps, events: int) -> None:
    if events:
        chain.does(added(events).statement)


# Without a number: the minute's window counts by it.
_ASIDE = Chained(partial(_open, number=null()))


def _of_unit(pool: PoolId, caps: Caps, now: Instant) -> dict[str, Any]:
    at = microseconds(now)
    return {
        "pool": pool,
        "rpm": caps.rpm,
        "horizon": at - _WINDOW,
        "ahead": at + _WINDOW,
        "day": day_of(now),
        "rpd": caps.rpd,
        "reserved_at": at,
    }


def _of_claim(claim: Claim, now: Instant, process: str | None) -> dict[str, Any]:
    question = claim.question
    return {
        "pool": claim.pool,
        "day": day_of(now),
        "member": claim.member.key,
        "message": question.messages[0],
        "conversation": question.conversation,
        "community": question.community,
        "author_name": question.author_name,
        "question": question.text,
        "asked_at": microseconds(question.asked_at),
        "attempt": 1,
        "lane": claim.lane,
        "model": claim.model,
        "reserved_at": microseconds(now),
        "process": process,
    }


def _check_unit(connection: Connection, given: Mapping[str, Any], values: Mapping[str, Any], word: int | None) -> None:
    if given.get("number") is None:
        edge = _EDGE(connection, pool=values["pool"], rpm=values["rpm"])
        assert edge is not None, f"the pool {values['pool']} was never added"
        raise NotReserved(MinuteFull(until=instant(edge[0] + _WINDOW)))
    if word is not None and given["told"] > word:
        news = word_after(connection, values["pool"], values["day"], word)
        assert news is not None
        raise OutdatedError(news)
    if given.get("used") is None:
        raise NotReserved(DaySpent())


def _opened(
    connection: Connection, claim: Claim, given: Mapping[str, Any], values: Mapping[str, Any], now: Instant
) -> Lease:
    """The lease of a new turn, if all the messages are its own."""
    if given.get("handled") is None:
        raise HandledError
    turn, at = given["turn"], values["reserved_at"]
    for message in claim.question.messages[1:]:
        if _ADD_HANDLED(connection, message=message, turn=turn, reserved_at=at) is None:
            raise HandledError
    return Lease(
        id=LeaseId(given["opened"]),
        pool=claim.pool,
        member=claim.member,
        community=claim.question.community,
        turn=TurnId(turn),
        day=values["day"],
        reserved_at=now,
        lane=claim.lane,
        model=claim.model,
    )
