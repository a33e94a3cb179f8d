"""What chats show, in SQL."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from bot.clock import Clock, Instant
from bot.messages import CommunityId, ConversationId, IncomingMessage, Member, MessageId, ModelId, TicketId
from bot.pasted_keys import holds_key
from bot.posts import PostedAnswer, Stage
from bot.storage.database import Database
from bot.storage.moments import instant, microseconds
from bot.storage.tables import adapter_notes, posted_answers, posts


class SqlPosts:
    """`bot.posts.Posts` over one database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def begin(self, answer: PostedAnswer) -> None:
        # A key that somebody pasted is stored nowhere, not even until it is refused.
        message = None if answer.message is None or holds_key(answer.message.text) else answer.message
        row = {
            "question": answer.question,
            "platform": answer.member.platform,
            "conversation": answer.conversation,
            "community": answer.community,
            "member": answer.member.key,
            "channel": answer.channel,
            "reply_to": answer.reply_to,
            "stage": answer.stage,
            "message": None if message is None else _written(message),
            "ticket": answer.ticket,
            "asked_at": microseconds(answer.asked_at),
        }

        def unit(connection: Connection) -> None:
            known = select(posted_answers.c.question).where(posted_answers.c.question == answer.question)
            if connection.execute(known).first() is None:
                connection.execute(insert(posted_answers).values(row))

        await self._database.write(unit)

    async def known(self, question: MessageId) -> bool:
        wanted = select(posted_answers.c.question).where(posted_answers.c.question == question)
        return await self._database.read(lambda connection: connection.execute(wanted).first() is not None)

    async def move(
        self, question: MessageId, stage: Stage, *, ticket: TicketId | None = None, keep: bool = False
    ) -> None:
        change = update(posted_answers).where(posted_answers.c.question == question).values(stage=stage)
        if not keep:
            change = change.values(message=None)
        if ticket is not None:
            change = change.values(ticket=ticket)
        await self._database.write(lambda connection: connection.execute(change) and None)

    async def posted(self, question: MessageId, number: int, post: str) -> None:
        platform = question.partition(":")[0]

        def unit(connection: Connection) -> None:
            known = (posts.c.platform == platform) & (posts.c.post == post)
            replaced = (posts.c.question == question) & (posts.c.number == number)
            connection.execute(delete(posts).where(known | replaced))
            connection.execute(insert(posts).values(platform=platform, post=post, question=question, number=number))

        await self._database.write(unit)

    async def find(self, platform: str, post: str) -> PostedAnswer | None:
        wanted = (
            select(posted_answers)
            .join(posts, posts.c.question == posted_answers.c.question)
            .where(posts.c.platform == platform, posts.c.post == post)
        )

        def unit(connection: Connection) -> PostedAnswer | None:
            row = connection.execute(wanted).one_or_none()
            return None if row is None else _answer(connection, row)

        return await self._database.read(unit)

    async def unfinished(self, platform: str) -> list[PostedAnswer]:
        wanted = (
            select(posted_answers)
            .where(posted_answers.c.platform == platform, posted_answers.c.stage != "over")
            .order_by(posted_answers.c.asked_at)
        )
        return await self._database.read(
            lambda connection: [_answer(connection, row) for row in connection.execute(wanted).all()]
        )

    async def note(self, platform: str, key: str) -> str | None:
        wanted = select(adapter_notes.c.value).where(adapter_notes.c.platform == platform, adapter_notes.c.key == key)
        return await self._database.read(lambda connection: connection.scalar(wanted))

    async def keep_note(self, platform: str, key: str, value: str | None) -> None:
        at = microseconds(self._clock.now())

        def unit(connection: Connection) -> None:
            connection.execute(
                delete(adapter_notes).where(adapter_notes.c.platform == platform, adapter_notes.c.key == key)
            )
            if value is not None:
                connection.execute(insert(adapter_notes).values(platform=platform, key=key, value=value, noted_at=at))

        await self._database.write(unit)

    async def prune(self, *, before: Instant) -> int:
        old = (posted_answers.c.stage == "over") & (posted_answers.c.asked_at < microseconds(before))

        def unit(connection: Connection) -> int:
            gone = select(posted_answers.c.question).where(old)
            connection.execute(delete(posts).where(posts.c.question.in_(gone)))
            # What sessions leave that ended without a word; each writes its own anew.
            ours = adapter_notes.c.platform == "potluck"
            connection.execute(delete(adapter_notes).where(ours, adapter_notes.c.noted_at < microseconds(before)))
            return connection.execute(delete(posted_answers).where(old)).rowcount

        return await self._database.write(unit)


def _answer(connection: Connection, row: Any) -> PostedAnswer:
    shown = select(posts.c.post).where(posts.c.question == row.question).order_by(posts.c.number)
    return PostedAnswer(
        question=MessageId(row.question),
        conversation=ConversationId(row.conversation),
        community=CommunityId(row.community),
        member=Member.parse(row.member),
        channel=row.channel,
        reply_to=row.reply_to,
        stage=row.stage,
        asked_at=instant(row.asked_at),
        message=None if row.message is None else _read(row.message),
        ticket=None if row.ticket is None else TicketId(row.ticket),
        posts=tuple(connection.scalars(shown)),
    )


def _written(message: IncomingMessage) -> str:
    return json.dumps(
        {
            "id": message.id,
            "conversation": message.conversation,
            "community": message.community,
            "author": message.author.key,
            "author_name": message.author_name,
            "place": message.place,
            "text": message.text,
            "received_at": message.received_at,
            "model": message.model,
            "hold": message.hold,
            "standing": message.standing,
            "roles": sorted(message.roles),
            "groups": sorted(message.groups),
            "channel": message.channel,
            # The core keeps its files under its id, from before it waits.
            "files_of": message.files_of or (message.id if message.attachments else None),
        },
        ensure_ascii=False,
    )


def _read(text: str) -> IncomingMessage:
    kept = json.loads(text)
    return IncomingMessage(
        id=MessageId(kept["id"]),
        conversation=ConversationId(kept["conversation"]),
        community=CommunityId(kept["community"]),
        author=Member.parse(kept["author"]),
        author_name=kept["author_name"],
        place=kept["place"],
        text=kept["text"],
        received_at=Instant(kept["received_at"]),
        model=None if kept["model"] is None else ModelId(kept["model"]),
        hold=kept["hold"],
        standing=kept["standing"],
        roles=frozenset(kept["roles"]),
        groups=frozenset(kept["groups"]),
        channel=kept.get("channel", ""),
        files_of=None if kept.get("files_of") is None else MessageId(kept["files_of"]),
    )
