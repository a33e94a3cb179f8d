"""What went by providers' own keys, month by month, as the account said it last."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import select

from bot.clock import Clock
from bot.quota.ledger import PoolId
from bot.routing.budget import number_of
from bot.routing.byok import ByokMonth, ByokRule, month
from bot.storage.database import Database
from bot.storage.dialects import upsert
from bot.storage.moments import microseconds
from bot.storage.tables import byok_months


class SqlByok:
    """`bot.openrouter.account.ByokBook` over one database."""

    def __init__(self, database: Database, clock: Clock, account: PoolId) -> None:
        self._database, self._clock, self._account = database, clock, account

    async def note(self, usd: Decimal) -> None:
        now = self._clock.now()
        values = {"usd": f"{usd:f}", "told_at": microseconds(now)}
        row = upsert(byok_months).values(account=self._account, month=number_of("month", now), **values)
        change = row.on_conflict_do_update(index_elements=["account", "month"], set_=values)
        await self._database.write(lambda connection: connection.execute(change) and None)

    async def this_month(self) -> Decimal | None:
        """US dollars of list price; None: the account has not said."""
        wanted = select(byok_months.c.usd).where(
            byok_months.c.account == self._account, byok_months.c.month == number_of("month", self._clock.now())
        )
        found = await self._database.read(lambda connection: connection.scalar(wanted))
        return None if found is None else Decimal(found)

    async def so_far(self, rule: ByokRule) -> ByokMonth | None:
        """What this month comes to by the rule; None: nothing went by providers' own keys, as far as was told."""
        told = await self.this_month()
        return month(told, rule) if told else None
