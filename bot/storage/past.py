"""This deployment's own past, read from its database while it may be in use. Nothing in it is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.clock import Clock, day_of
from bot.errors import PotluckError
from bot.quota.history import Ask
from bot.quota.ledger import PoolId
from bot.settings import Settings
from bot.storage.database import Database
from bot.storage.inspection import inspect
from bot.storage.ledger import SqlLedger


class NoPastError(PotluckError):
    """There is none to read; one line says why."""


async def own_past(settings: Settings, clock: Clock) -> Mapping[int, Sequence[Ask]]:
    """The questions of all days that are over.

    Raises:
        NoPastError: there are none, or no database of this version.
    """
    state, name = inspect(settings.database).state, settings.database_name
    if state == "older":
        raise NoPastError(f"{name} is of an earlier version. Run potluck migrate first.")
    if state != "current":
        raise NoPastError(f"There is no past yet: {name} is {state}.")
    database = Database(settings.database, clock)
    await database.open()
    try:
        pool = PoolId("sandbox" if settings.sandbox else "default")
        past = await SqlLedger(database, clock).asks(pool, first=0, last=day_of(clock.now()) - 1)
    finally:
        await database.close()
    if not past:
        raise NoPastError(f"There is no past yet: {name} has no day that is over.")
    return past
