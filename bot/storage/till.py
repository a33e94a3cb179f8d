"""A paid request's lease and its money, opened and closed together: neither is ever there without the other."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from bot.clock import Clock, Instant
from bot.conversation.till import Covers, Opening, Purchase
from bot.quota.ledger import AlreadyHandled, Claim, Outcome
from bot.routing.access import NotCovered
from bot.routing.budget import Budget, NoBudget, Pico, Spend
from bot.storage import closing, money, opening
from bot.storage.access import rules
from bot.storage.database import Database
from bot.storage.money import SqlMoney
from bot.storage.people import payer_now

FIRST_LOOK = 60.0
"""Seconds after its end for which nobody need ask what a request has cost: it is hardly known before."""


class _NoBudgetError(Exception):
    """Undoes the transaction."""


class _NotCoveredError(Exception):
    """Undoes the transaction, and says why."""

    def __init__(self, why: NotCovered) -> None:
        self.why = why


class SqlTill:
    """`bot.conversation.till.Till` over one database."""

    def __init__(self, database: Database, clock: Clock, book: SqlMoney) -> None:
        self._database, self._clock, self._book = database, clock, book

    async def left(self, spend: Spend) -> tuple[Budget, Pico] | None:
        return await self._book.left(spend)

    async def open(self, claim: Claim, spend: Spend, covers: Covers) -> Opening:
        def unit(connection: Connection) -> Purchase:
            now = self._database.now()
            # Another process may have changed either since it was asked.
            why = covers(rules(connection, spend.account))
            if isinstance(why, NotCovered):
                raise _NotCoveredError(why)
            payer = payer_now(connection, spend.member)
            lease = opening.open_aside(connection, claim, now, self._database.process)
            charge = money.reserve(connection, replace(spend, member=payer), now, self._database.process)
            if isinstance(charge, NoBudget):
                raise _NoBudgetError
            return Purchase(lease=lease, charge=charge)

        try:
            return await self._database.write(unit)
        except opening.HandledError:
            return AlreadyHandled()
        except money.OverBudgetError as refusal:
            return refusal.reason
        except _NoBudgetError:
            return NoBudget()
        except _NotCoveredError as refusal:
            return refusal.why

    async def began(self, purchase: Purchase, generation: str) -> None:
        await self._book.began(purchase.charge, generation)

    async def close(self, purchase: Purchase, outcome: Outcome, cost: Pico | None) -> None:
        def unit(connection: Connection) -> None:
            now = self._database.now()
            closing.settle(connection, purchase.lease, outcome, now)
            if cost is None:
                look_at = Instant(now + FIRST_LOOK)
                money.unknown(connection, purchase.charge, outcome.generation or None, look_at)
            else:
                money.settle(connection, purchase.charge, cost)

        await self._database.write(unit)

    async def release(self, purchase: Purchase) -> None:
        def unit(connection: Connection) -> None:
            closing.release(connection, purchase.lease, self._database.now())
            money.release(connection, purchase.charge)

        await self._database.write(unit)
