"""Whether what processes keep in memory has been changed by another one."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from bot.storage.database import Database
from bot.storage.tables import access_rules, erased_members, linked_accounts, model_choices, own_keys, paying_members

_OF = (
    select(func.count(), func.max(own_keys.c.linked_at)).select_from(own_keys),
    select(func.count(), func.max(model_choices.c.chosen_at)).select_from(model_choices),
    select(func.count(), func.max(linked_accounts.c.joined_at), func.sum(linked_accounts.c.parts_on)).select_from(
        linked_accounts
    ),
    select(func.count(), func.max(access_rules.c.id)).select_from(access_rules),
    select(func.count()).select_from(paying_members),
    select(func.count(), func.max(erased_members.c.day)).select_from(erased_members),
)


async def fingerprint(database: Database) -> object:
    """It differs when accounts were joined or parted, keys or models chosen, or rights given."""

    def unit(connection: Connection) -> object:
        return [tuple(connection.execute(wanted).one()) for wanted in _OF]

    return await database.read(unit)
