"""The models that were chosen, in SQL: a row for each member and conversation that has one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias, assert_never

from sqlalchemy import Connection, delete, exists, select

from bot.choices import Choice
from bot.clock import Clock, Instant
from bot.errors import StorageError
from bot.messages import ChosenFor, ConversationId, InConversation, Member, ModelId
from bot.storage.database import Database
from bot.storage.dialects import upsert
from bot.storage.moments import microseconds
from bot.storage.tables import model_choices, turns

_Key: TypeAlias = tuple[str, str]
"""The kind of what it was chosen for, and which."""


class SqlChoices:
    """`bot.choices.ChoicesStore` over one database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def load(self) -> Mapping[ChosenFor, Choice]:
        wanted = select(model_choices.c.kind, model_choices.c.key, model_choices.c.model, model_choices.c.chosen_by)
        rows = await self._database.read(lambda connection: connection.execute(wanted).all())
        return {_whom(kind, key): Choice(model=ModelId(model), by=Member.parse(by)) for kind, key, model, by in rows}

    async def put(self, whom: ChosenFor, choice: Choice | None) -> None:
        kind, key = _key(whom)
        if choice is None:
            gone = delete(model_choices).where(model_choices.c.kind == kind, model_choices.c.key == key)
            await self._database.write(lambda connection: connection.execute(gone) and None)
            return
        values = {
            "model": choice.model,
            "chosen_by": choice.by.key,
            "chosen_at": microseconds(self._clock.now()),
        }
        row = upsert(model_choices).values(kind=kind, key=key, **values)
        change = row.on_conflict_do_update(index_elements=["kind", "key"], set_=values)
        await self._database.write(lambda connection: connection.execute(change) and None)

    async def prune(self, *, before: Instant) -> int:
        """Forget what was chosen earlier than that for conversations of which nothing is kept any more."""
        talks = exists().where(turns.c.conversation == model_choices.c.key)
        gone = delete(model_choices).where(
            model_choices.c.kind == "conversation", model_choices.c.chosen_at < microseconds(before), ~talks
        )

        def unit(connection: Connection) -> int:
            return connection.execute(gone).rowcount

        return await self._database.write(unit)


def _key(whom: ChosenFor) -> _Key:
    match whom:
        case Member():
            return "member", whom.key
        case InConversation(conversation=conversation):
            return "conversation", conversation
        case _:
            assert_never(whom)


def _whom(kind: str, key: str) -> ChosenFor:
    match kind:
        case "member":
            return Member.parse(key)
        case "conversation":
            return InConversation(ConversationId(key))
        case _:
            raise StorageError(f"A model was chosen for a {kind}, which this version does not know.")
