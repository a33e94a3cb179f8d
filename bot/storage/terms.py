"""What admins lay down, in SQL: one value a pool, replaced as a whole."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert as upsert

from bot.clock import Instant
from bot.errors import StorageError
from bot.quota.ledger import PoolId
from bot.quota.terms import NO_TERMS, Block, MemberTerms, Reserve, Terms
from bot.storage.database import Database
from bot.storage.tables import pool_terms


class SqlTerms:
    """`bot.quota.terms.TermsStore` over one database."""

    def __init__(self, database: Database, pool: PoolId) -> None:
        self._database, self._pool = database, pool

    async def load(self) -> Terms:
        """Raises: StorageError: what is kept are no terms. Without them somebody blocked might be let in."""
        wanted = select(pool_terms.c.terms).where(pool_terms.c.pool == self._pool)
        kept = await self._database.read(lambda connection: connection.scalar(wanted))
        if kept is None:
            return NO_TERMS
        try:
            return _read(json.loads(kept))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StorageError(f"The terms of the pool {self._pool} cannot be read: {error!r}.") from error

    async def save(self, terms: Terms) -> None:
        written = json.dumps(_written(terms), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        row = upsert(pool_terms).values(pool=self._pool, terms=written)
        change = row.on_conflict_do_update(index_elements=["pool"], set_={"terms": written})
        await self._database.write(lambda connection: connection.execute(change) and None)


def _written(terms: Terms) -> dict[str, Any]:
    return {
        "members": {
            member: {
                "weight": own.weight,
                "every_day": own.every_day,
                "on_day": {str(day): units for day, units in own.on_day.items()},
                "block": None if own.block is None else {"until": own.block.until},
            }
            for member, own in terms.members.items()
        },
        "communities": dict(terms.communities),
        "reserves": [{"units": reserve.units, "until": reserve.until} for reserve in terms.reserves],
    }


def _read(kept: dict[str, Any]) -> Terms:
    return Terms(
        members={
            member: MemberTerms(
                weight=own["weight"],
                every_day=own["every_day"],
                on_day={int(day): units for day, units in own["on_day"].items()},
                block=None if own["block"] is None else Block(until=_instant(own["block"]["until"])),
            )
            for member, own in kept["members"].items()
        },
        communities=kept["communities"],
        reserves=tuple(Reserve(units=one["units"], until=Instant(one["until"])) for one in kept["reserves"]),
    )


def _instant(value: float | None) -> Instant | None:
    return None if value is None else Instant(value)
