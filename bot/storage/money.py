"""What is spent, in SQL: set aside before a request leaves, settled after it, never past a budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import Connection, case, delete, func, insert, or_, select, update

from bot.clock import DAY, Clock, Instant
from bot.messages import CommunityId, Member, ModelId
from bot.quota.ledger import PoolId
from bot.routing.budget import (
    MOST,
    Budget,
    Charge,
    ChargeId,
    NoBudget,
    OverBudget,
    Pico,
    SetAside,
    Spend,
    applying,
    ends_at,
    number_of,
)
from bot.storage.budgets import budgets_of, key_of
from bot.storage.database import Database
from bot.storage.dialects import upsert
from bot.storage.moments import instant, microseconds
from bot.storage.spending import FREE, HOLD, NO_LIMIT, counted_by, counters, left_for
from bot.storage.tables import budgets, charges, spending

GIVE_UP = DAY
"""Seconds after which a cost that nobody tells is taken to be what was set aside."""


class ChargeNotOpenError(Exception):
    """A charge was settled or released a second time: a fault of the program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """A request that was sent and whose cost is not known yet. Its reservation stays held."""

    charge: Charge
    generation: str | None
    """What `/generation` is asked for; None: its id never came."""
    looks: int


class OverBudgetError(Exception):
    """Undoes the transaction and carries the reason out of it."""

    def __init__(self, reason: OverBudget) -> None:
        self.reason = reason


class SqlMoney:
    """Budgets and charges over one database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self.left_behind: Callable[[], None] = lambda: None
        """Told when a process has died and left charges whose cost is to be found out."""

    async def set_budget(self, budget: Budget) -> None:
        """Set a budget in place of the one there is."""
        key = key_of(budget)
        row = upsert(budgets).values(**key, limit_pico=budget.limit)
        change = row.on_conflict_do_update(index_elements=list(key), set_={"limit_pico": budget.limit})
        await self._database.write(lambda connection: connection.execute(change) and None)

    async def remove_budget(self, budget: Budget) -> None:
        """Take a budget away, whatever its limit is by now."""
        change = delete(budgets).where(*(budgets.c[name] == value for name, value in key_of(budget).items()))
        await self._database.write(lambda connection: connection.execute(change) and None)

    async def budgets(self, account: PoolId) -> Sequence[Budget]:
        return await self._database.read(lambda connection: budgets_of(connection, account))

    async def left(self, spend: Spend) -> tuple[Budget, Pico] | None:
        """The budget of those that apply which has least left, for an offer; None: none applies.

        Only `reserve` decides: somebody may be quicker.
        """
        at = self._clock.now()

        def unit(connection: Connection) -> tuple[Budget, Pico] | None:
            found = applying(budgets_of(connection, spend.account), spend)
            return min(((one, left_for(connection, one, spend, at)) for one in found), key=lambda o: o[1], default=None)

        return await self._database.read(unit)

    async def reserve(self, spend: Spend) -> SetAside:
        """Set aside what a request may cost: from every budget that applies, or from none."""
        try:
            return await self._database.write(
                lambda connection: reserve(connection, spend, self._database.now(), self._database.process)
            )
        except OverBudgetError as refusal:
            return refusal.reason

    async def settle(self, charge: Charge, cost: Pico) -> None:
        """The cost is known: recorded as it is, even above what was set aside.

        Raises:
            ChargeNotOpenError: it is closed already.
        """
        await self._database.write(lambda connection: settle(connection, charge, cost))

    async def release(self, charge: Charge) -> None:
        """Nothing was sent. Raises as `settle`."""
        await self._database.write(lambda connection: release(connection, charge))

    async def unknown(self, charge: Charge, generation: str | None, look_at: Instant) -> None:
        """It was sent and nobody said what it cost: held until somebody does. Again for each look that failed."""
        await self._database.write(lambda connection: unknown(connection, charge, generation, look_at))

    async def began(self, charge: Charge, generation: str) -> None:
        """OpenRouter has named the answer: should nobody live to settle it, that says what to ask for."""
        change = (
            update(charges)
            .where(charges.c.id == charge.id, charges.c.state == "reserved")
            .values(generation=generation)
        )
        await self._database.write(lambda connection: connection.execute(change) and None)

    async def next_look(self) -> Instant | None:
        """When the next unknown cost is to be looked up; None: there is none to look up."""
        wanted = select(func.min(charges.c.look_at)).where(
            charges.c.state == "unknown", charges.c.generation.is_not(None)
        )
        found = await self._database.read(lambda connection: connection.scalar(wanted))
        return None if found is None else instant(found)

    async def due(self, limit: int = 20) -> Sequence[Unknown]:
        """What is to be looked up now, the longest due first."""
        now = microseconds(self._clock.now())
        wanted = (
            select(charges)
            .where(charges.c.state == "unknown", charges.c.look_at <= now, charges.c.generation.is_not(None))
            .order_by(charges.c.look_at, charges.c.id)
            .limit(limit)
        )
        return await self._database.read(lambda connection: [_unknown(row) for row in connection.execute(wanted)])

    async def give_up(self) -> Sequence[Unknown]:
        """Close what nobody told for a day, as if it had cost what was set aside. The operator should hear of them."""
        before = microseconds(Instant(self._clock.now() - GIVE_UP))
        wanted = select(charges).where(charges.c.state == "unknown", charges.c.reserved_at <= before)

        def unit(connection: Connection) -> list[Unknown]:
            found = [_unknown(row) for row in connection.execute(wanted).all()]
            for one in found:
                _close(connection, one.charge, "given_up", one.charge.spend.most)
            return found

        return await self._database.write(unit)

    async def prune(self, *, before: Instant) -> None:
        """Delete who spent what before a moment, for good, but for what is still open.

        What a member has spent in all stays, as one number, for budgets that never end.
        """
        cut = microseconds(before)

        def unit(connection: Connection) -> None:
            over = charges.c.state.not_in(("reserved", "unknown"))
            connection.execute(delete(charges).where(over, charges.c.reserved_at < cut))
            for period in ("day", "month"):
                old = (spending.c.period == period) & (spending.c.number < number_of(period, before))
                connection.execute(delete(spending).where(old, spending.c.held == 0))

        await self._database.write(unit)

    async def recover(self) -> int:
        """After a crash: what was under way may have been sent, so it stays held. Once, before anything else; or
        whenever a process may have died, of several."""
        change = (
            update(charges)
            .where(charges.c.state == "reserved")
            .where(or_(charges.c.process.is_(None), charges.c.process.not_in(self._database.living())))
            .values(state="unknown", look_at=microseconds(self._clock.now()))
            .returning(charges.c.id)
        )
        found = await self._database.write(lambda connection: len(connection.execute(change).all()))
        if found:
            self.left_behind()
        return found


def reserve(connection: Connection, spend: Spend, at: Instant, process: str | None) -> Charge | NoBudget:
    """As `SqlMoney.reserve`, within the caller's unit of work, which must not outlive the exception.

    Raises:
        OverBudgetError: a budget has not enough left.
    """
    limits = applying(budgets_of(connection, spend.account), spend)
    if not limits:
        return NoBudget()
    for counter in counters(spend, at):
        here = [one for one in limits if counted_by(one, spend) == (counter["member"], counter["community"])]
        budget = min((one for one in here if one.period == counter["period"]), key=lambda o: o.limit, default=None)
        most = NO_LIMIT if budget is None else budget.limit
        # A counter that is not there yet is inserted, which no condition guards.
        fits = budget is None or spend.most <= budget.limit
        if not fits or HOLD(connection, **counter, amount=spend.most, most=most) is None:
            assert budget is not None
            left = left_for(connection, budget, spend, at)
            raise OverBudgetError(OverBudget(budget=budget, left=left, resets_at=ends_at(budget.period, at)))
    row = insert(charges).values(
        account=spend.account,
        member=spend.member.key,
        community=spend.community,
        model=spend.model,
        most=spend.most,
        reserved_at=microseconds(at),
        state="reserved",
        looks=0,
        process=process,
    )
    new = connection.execute(row.returning(charges.c.id)).scalar_one()
    return Charge(id=ChargeId(new), spend=spend, reserved_at=instant(microseconds(at)))


def settle(connection: Connection, charge: Charge, cost: Pico) -> None:
    """As `SqlMoney.settle`, within the caller's unit of work."""
    _close(connection, charge, "settled", cost)


def release(connection: Connection, charge: Charge) -> None:
    """As `SqlMoney.release`, within the caller's unit of work."""
    _close(connection, charge, "released", Pico(0))


def unknown(connection: Connection, charge: Charge, generation: str | None, look_at: Instant) -> None:
    """As `SqlMoney.unknown`, within the caller's unit of work."""
    change = (
        update(charges)
        .where(charges.c.id == charge.id, charges.c.state.in_(("reserved", "unknown")))
        .values(
            state="unknown",
            generation=generation,
            look_at=microseconds(look_at),
            looks=charges.c.looks + case((charges.c.state == "unknown", 1), else_=0),
        )
        .returning(charges.c.id)
    )
    _open(connection.execute(change).first())


def _close(
    connection: Connection, charge: Charge, state: Literal["settled", "released", "given_up"], cost: Pico
) -> None:
    change = (
        update(charges)
        .where(charges.c.id == charge.id, charges.c.state.in_(("reserved", "unknown")))
        .values(state=state, cost=min(cost, MOST), look_at=None)
        .returning(charges.c.member)
    )
    row = connection.execute(change).first()
    if row is None:
        raise ChargeNotOpenError
    # Whose it is may have changed since it was reserved, when accounts were joined.
    spend = replace(charge.spend, member=Member.parse(row.member))
    for counter in counters(spend, charge.reserved_at):
        FREE(
            connection,
            **{f"in_{name}": value for name, value in counter.items()},
            amount=charge.spend.most,
            cost=min(cost, MOST),
        )


def _open(row: object) -> None:
    if row is None:
        raise ChargeNotOpenError


def _unknown(row: Any) -> Unknown:
    spend = Spend(
        account=PoolId(row.account),
        member=Member.parse(row.member),
        community=CommunityId(row.community),
        model=ModelId(row.model),
        most=Pico(row.most),
    )
    charge = Charge(id=ChargeId(row.id), spend=spend, reserved_at=instant(row.reserved_at))
    return Unknown(charge=charge, generation=row.generation, looks=row.looks)
