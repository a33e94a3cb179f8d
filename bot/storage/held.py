"""The held questions in SQL."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, insert, or_, select, update

from bot.conversation.held import Ended, HeldQuestion
from bot.messages import CommunityId, ConversationId, IncomingMessage, Member, MessageId, ModelId, TicketId
from bot.ports import KeptFile, Turn
from bot.quota.ledger import PoolId
from bot.storage.attachments import discard_files, files_with, gather_files
from bot.storage.database import Database
from bot.storage.moments import instant, microseconds
from bot.storage.tables import held_questions, turns
from bot.storage.transcripts import TURN, turn


class SqlHeldQuestions:
    """`bot.conversation.held.HeldQuestions` over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, held: HeldQuestion) -> None:
        message = held.message
        row = insert(held_questions).values(
            ticket=held.ticket,
            message=message.id,
            conversation=message.conversation,
            community=message.community,
            member=message.author.key,
            author_name=message.author_name,
            place=message.place,
            text=message.text,
            model=message.model,
            asked_as=_asked_as(message),
            asked_at=microseconds(message.received_at),
            held_at=microseconds(held.held_at),
            pool=held.asked_in,
            process=self._database.process,
        )

        def unit(connection: Connection) -> None:
            connection.execute(row)
            gather_files(connection, message.id, held.files)

        await self._database.write(unit)

    async def end(self, ticket: TicketId, ended: Ended) -> None:
        change = (
            update(held_questions)
            .where(held_questions.c.ticket == ticket)
            .values(ended=ended)
            .returning(held_questions.c.message)
        )

        def unit(connection: Connection) -> None:
            discard_files(connection, [MessageId(row.message) for row in connection.execute(change)])

        await self._database.write(unit)

    async def waiting(self) -> Sequence[HeldQuestion]:
        def unit(connection: Connection) -> list[HeldQuestion]:
            of_nobody = or_(
                held_questions.c.process.is_(None), held_questions.c.process.not_in(self._database.living())
            )
            change = (
                update(held_questions)
                .where(held_questions.c.ended.is_(None), of_nobody)
                .values(process=self._database.process)
                .returning(held_questions)
            )
            rows = sorted(connection.execute(change).all(), key=lambda row: row.held_at)
            return [_held(row, files_with(connection, MessageId(row.message))) for row in rows]

        return await self._database.write(unit)

    async def left_behind(self) -> Sequence[HeldQuestion]:
        return () if self._database.process is None else await self.waiting()

    async def find(self, ticket: TicketId) -> tuple[HeldQuestion, Turn | None] | None:
        def unit(connection: Connection) -> tuple[HeldQuestion, Turn | None] | None:
            row = connection.execute(select(held_questions).where(held_questions.c.ticket == ticket)).one_or_none()
            if row is None:
                return None
            answered = connection.execute(
                select(*TURN).where(turns.c.conversation == row.conversation, turns.c.message == row.message)
            ).first()
            return _held(row), turn(answered) if answered else None

        return await self._database.read(unit)


def _asked_as(message: IncomingMessage) -> str:
    told = {
        "standing": message.standing,
        "roles": sorted(message.roles),
        "groups": sorted(message.groups),
        "channel": message.channel,
        "persona": message.persona,
    }
    return json.dumps(told, ensure_ascii=False)


def _as_then(message: IncomingMessage, asked_as: str | None) -> IncomingMessage:
    """Who its author was where it was asked. Of what an older version held nothing is known."""
    if asked_as is None:
        return message
    told: Any = json.loads(asked_as)
    return replace(
        message,
        standing=told["standing"],
        roles=frozenset(told["roles"]),
        groups=frozenset(told["groups"]),
        channel=told["channel"],
        persona=told["persona"],
    )


def _held(row: Any, files: tuple[KeptFile, ...] = ()) -> HeldQuestion:
    return HeldQuestion(
        ticket=TicketId(row.ticket),
        message=_as_then(
            IncomingMessage(
                id=MessageId(row.message),
                conversation=ConversationId(row.conversation),
                community=CommunityId(row.community),
                author=Member.parse(row.member),
                author_name=row.author_name,
                place=row.place,
                text=row.text,
                received_at=instant(row.asked_at),
                model=ModelId(row.model) if row.model is not None else None,
                hold=True,
            ),
            row.asked_as,
        ),
        held_at=instant(row.held_at),
        ended=row.ended,
        asked_in=PoolId(row.pool) if row.pool is not None else None,
        files=files,
    )
