"""What was said: the turns of a conversation, for as long as the retention keeps them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select

from bot.clock import Clock, Instant
from bot.conversation.transcripts import Opening
from bot.messages import ConversationId, Member, MessageId
from bot.ports import FileId, KeptFile, Turn
from bot.storage.attachments import contents, files_of, prune_files
from bot.storage.database import Database
from bot.storage.dialects import Prepared, upsert
from bot.storage.moments import instant, microseconds
from bot.storage.tables import conversations, handled_messages, held_questions, leases, turns

_HANDLED = Prepared(select(handled_messages.c.turn).where(handled_messages.c.message == bindparam("message")))
_SPOKE_BEFORE = Prepared(select(turns.c.id).where(turns.c.member == bindparam("member")).limit(1))
_FORGOTTEN_TO = select(conversations.c.forgotten_to).where(conversations.c.id == bindparam("of")).scalar_subquery()
TURN = (
    turns.c.message,
    turns.c.member,
    turns.c.author_name,
    turns.c.question,
    turns.c.answer,
    turns.c.whole,
    turns.c.ended_at,
    turns.c.model,
    turns.c.asked_at,
)
"""The columns `turn` reads, in its order."""
_TURNS = Prepared(
    select(*TURN)
    .where(turns.c.conversation == bindparam("of"), turns.c.id > func.coalesce(_FORGOTTEN_TO, 0))
    .order_by(turns.c.id.desc())
    .limit(bindparam("newest"))
)


class SqlTranscripts:
    """`bot.conversation.transcripts.Transcripts` over one database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def open(self, conversation: ConversationId, message: MessageId, member: Member, *, limit: int) -> Opening:
        def unit(connection: Connection) -> Opening:
            return Opening(
                handled=_HANDLED(connection, message=message) is not None,
                newcomer=_SPOKE_BEFORE(connection, member=member.key) is None,
                turns=_turns(connection, conversation, limit),
            )

        return await self._database.read(unit)

    async def turns(self, conversation: ConversationId, *, limit: int) -> list[Turn]:
        return await self._database.read(lambda connection: _turns(connection, conversation, limit))

    async def contents(self, files: Sequence[FileId]) -> Mapping[FileId, bytes]:
        return await self._database.read(lambda connection: contents(connection, files))

    async def forget(self, conversation: ConversationId) -> None:
        def unit(connection: Connection) -> None:
            newest = select(func.coalesce(func.max(turns.c.id), 0)).where(turns.c.conversation == conversation)
            up_to = connection.scalar(newest)
            connection.execute(
                upsert(conversations)
                .values(id=conversation, forgotten_to=up_to)
                .on_conflict_do_update(index_elements=["id"], set_={"forgotten_to": up_to})
            )

        await self._database.write(unit)

    async def prune(self, *, before: Instant) -> int:
        cut = microseconds(before)

        def unit(connection: Connection) -> int:
            # A turn under way is kept: its lease still has an answer to put there.
            open_turns = select(leases.c.turn).where(leases.c.settled_at.is_(None))
            old = turns.c.asked_at < cut
            gone = connection.execute(delete(turns).where(old, turns.c.id.not_in(open_turns))).rowcount
            prune_files(connection, now=self._clock.now())
            handled = handled_messages.c.handled_at < cut
            connection.execute(delete(handled_messages).where(handled, handled_messages.c.turn.not_in(open_turns)))
            over = held_questions.c.ended.is_not(None)
            connection.execute(delete(held_questions).where(over, held_questions.c.asked_at < cut))
            return gone

        return await self._database.write(unit)


def _turns(connection: Connection, conversation: ConversationId, limit: int) -> list[Turn]:
    files = files_of(connection, conversation)
    rows = reversed(_TURNS.all(connection, of=conversation, newest=limit))
    return [turn(row, files.get(row[0], ())) for row in rows]


def turn(row: Sequence[Any], files: tuple[KeptFile, ...] = ()) -> Turn:
    """A row of `TURN`, and what came with it."""
    message, member, author_name, question, answer, whole, ended_at, model, asked_at = row
    return Turn(
        message=MessageId(message),
        author=Member.parse(member),
        author_name=author_name,
        question=question,
        answer=answer,
        whole=bool(whole),
        ended=ended_at is not None,
        model=model,
        asked_at=instant(asked_at),
        files=files,
    )
