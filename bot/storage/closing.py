"""A lease's rows, closed within a unit of work: settled or released, exactly once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, case, delete, select, update

from bot.clock import Instant
from bot.quota.ledger import Lease, LeaseNotOpenError, Outcome
from bot.storage.dialects import Chained, Prepared, Steps
from bot.storage.moments import microseconds
from bot.storage.tables import handled_messages, leases, member_days, pool_days, pools, turns

GIVEN_UP = "given_up"
"""The outcome of a lease whose process had been taken for dead by the others."""

CLOSE = Prepared(
    update(leases)
    .where(leases.c.id == bindparam("lease"), leases.c.settled_at.is_(None))
    .values({name: bindparam(name) for name in (
        "settled_at", "outcome", "generation", "cost_usd", "upstream_usd", "turn")})
    .returning(leases.c.id)
)  # fmt: skip
_end_turn = (
    update(turns)
    .where(turns.c.id == bindparam("turn"))
    .values({name: bindparam(name) for name in (
        "answer", "whole", "model", "prompt_tokens", "completion_tokens")}
        | {"ended_at": bindparam("settled_at")})
)  # fmt: skip
_UNCOUNT = Prepared(
    update(pool_days)
    .where(pool_days.c.pool == bindparam("in_pool"), pool_days.c.day == bindparam("on_day"))
    .values(used=case((pool_days.c.used > 0, pool_days.c.used - 1), else_=0))
)
GIVE_MEMBER_BACK = Prepared(
    update(member_days)
    .where(
        member_days.c.pool == bindparam("in_pool"),
        member_days.c.day == bindparam("on_day"),
        member_days.c.member == bindparam("of_member"),
    )
    .values(taken=case((member_days.c.taken > 0, member_days.c.taken - 1), else_=0))
)


def _settling(chain: Steps) -> None:
    # The answer first: it is kept also where the lease was given up.
    chain.does(_end_turn)
    chain.gives("closed", CLOSE.statement)


_SETTLE = Chained(_settling)


def settle(connection: Connection, lease: Lease, outcome: Outcome, now: Instant) -> bool:
    """Close a lease that was sent, once, and keep the answer. False: this process had been taken for dead, and what the
    lease took has been settled already; the answer is kept all the same.

    Raises:
        LeaseNotOpenError: it is closed already.
    """
    values = of_outcome(lease, outcome, now) | {
        "answer": outcome.answer,
        "whole": outcome.whole,
        "model": outcome.model,
        "prompt_tokens": outcome.usage.prompt_tokens,
        "completion_tokens": outcome.usage.completion_tokens,
    }
    if _SETTLE(connection, values).get("closed") is None:
        check_given_up(connection, lease)
        return False
    if lease.aside:
        return True
    if outcome.uncounted:
        _UNCOUNT(connection, in_pool=lease.pool, on_day=lease.day)
    if outcome.give_back or outcome.uncounted:
        _give_back(connection, lease)
    return True


def release(connection: Connection, lease: Lease, now: Instant) -> bool:
    """Close a lease that was never sent: its units are free again. False: as `settle`.

    Raises:
        LeaseNotOpenError: it is closed already.
    """
    at = microseconds(now)
    closed = CLOSE(
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
        check_given_up(connection, lease)
        return False
    if lease.attempt == 1:
        connection.execute(delete(handled_messages).where(handled_messages.c.turn == lease.turn))
        connection.execute(delete(turns).where(turns.c.id == lease.turn))
    else:
        connection.execute(update(turns).where(turns.c.id == lease.turn).values(ended_at=at))
    if not lease.aside:
        _give_unit_back(connection, lease)
    return True


def of_outcome(lease: Lease, outcome: Outcome, now: Instant) -> dict[str, Any]:
    """What `CLOSE` writes."""
    return {
        "lease": lease.id,
        "settled_at": microseconds(now),
        "outcome": outcome.result,
        "generation": outcome.generation or None,
        "cost_usd": str(outcome.usage.cost_usd),
        "upstream_usd": None if outcome.usage.upstream_usd is None else str(outcome.usage.upstream_usd),
        "turn": lease.turn,
    }


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
    GIVE_MEMBER_BACK(connection, in_pool=lease.pool, on_day=lease.day, of_member=lease.member.key)


def check_given_up(connection: Connection, lease: Lease) -> None:
    """Other processes had taken this one for dead, and the lease for cut off.

    Raises:
        LeaseNotOpenError: no, it was closed by whoever had it.
    """
    if connection.scalar(select(leases.c.outcome).where(leases.c.id == lease.id)) != GIVEN_UP:
        raise LeaseNotOpenError(f"lease {lease.id} is closed already")
