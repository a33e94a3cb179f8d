"""The files that come with questions. Those of a question that was asked are kept and forgotten with its turn.

They are written before the question is asked, under the id of its message: so a line of questions keeps none of them
in memory, a held one finds them after a restart, and a lease's transaction stays small. A file whose question came to
nothing is discarded with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, bindparam, delete, insert, literal, or_, select, update

from bot.clock import DAY, Instant
from bot.conversation.attachments import ReadFile
from bot.messages import ConversationId, IncomingMessage, MessageId
from bot.ports import FileId, KeptFile
from bot.storage.database import Database
from bot.storage.dialects import Prepared
from bot.storage.moments import microseconds
from bot.storage.tables import attachments, handled_messages, held_questions, turns

_UNCLAIMED = 2 * DAY
"""No question waits longer: a file so old that no turn has is a leftover of a crash."""
_COLUMNS = (
    attachments.c.id,
    attachments.c.name,
    attachments.c.kind,
    attachments.c.media_type,
    attachments.c.size,
    attachments.c.length,
    attachments.c.tokens,
    attachments.c.cut,
)
_OF_CONVERSATION = Prepared(
    select(turns.c.message, *_COLUMNS)
    .join(handled_messages, handled_messages.c.message == attachments.c.message)
    .join(turns, turns.c.id == handled_messages.c.turn)
    .where(attachments.c.conversation == bindparam("of"))
    .order_by(attachments.c.id)
)
_WITH_MESSAGE = Prepared(select(*_COLUMNS).where(attachments.c.message == bindparam("of")).order_by(attachments.c.id))


class SqlFiles:
    """`bot.conversation.intake.Files` over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, message: IncomingMessage, files: Sequence[ReadFile]) -> tuple[KeptFile, ...]:
        def unit(connection: Connection) -> tuple[KeptFile, ...]:
            # It may come again, after a restart.
            if known := files_with(connection, message.id):
                return known
            return tuple(_add(connection, message, file) for file in files)

        return await self._database.write(unit)

    async def again(self, message: IncomingMessage, of: MessageId) -> tuple[KeptFile, ...]:
        def unit(connection: Connection) -> tuple[KeptFile, ...]:
            if known := files_with(connection, message.id):
                return known
            _copy(connection, message, of)
            return files_with(connection, message.id)

        return await self._database.write(unit)

    async def discard(self, messages: Sequence[MessageId]) -> None:
        await self._database.write(lambda connection: discard_files(connection, messages))


def files_of(connection: Connection, conversation: ConversationId) -> Mapping[MessageId, tuple[KeptFile, ...]]:
    """The files of a conversation's turns, by the message that each turn goes by."""
    found: dict[MessageId, tuple[KeptFile, ...]] = {}
    for message, *row in _OF_CONVERSATION.all(connection, of=conversation):
        found[message] = (*found.get(message, ()), _file(row))
    return found


def files_with(connection: Connection, message: MessageId) -> tuple[KeptFile, ...]:
    """The files that came with one message."""
    return tuple(_file(row) for row in _WITH_MESSAGE.all(connection, of=message))


def contents(connection: Connection, files: Sequence[FileId]) -> Mapping[FileId, bytes]:
    """What files hold, as far as they are kept."""
    wanted = select(attachments.c.id, attachments.c.content).where(attachments.c.id.in_(files))
    return {FileId(row.id): row.content for row in connection.execute(wanted)}


def gather_files(connection: Connection, message: MessageId, files: Sequence[KeptFile]) -> None:
    """Put files under one message: it is asked together with those they came with."""
    if files:
        those = attachments.c.id.in_([file.id for file in files])
        connection.execute(update(attachments).where(those).values(message=message))


def discard_files(connection: Connection, messages: Sequence[MessageId]) -> None:
    """Forget the files of messages that were neither asked nor wait to be."""
    connection.execute(
        delete(attachments).where(
            attachments.c.message.in_(messages),
            attachments.c.message.not_in(select(handled_messages.c.message)),
            attachments.c.message.not_in(select(held_questions.c.message).where(held_questions.c.ended.is_(None))),
        )
    )


def prune_files(connection: Connection, *, now: Instant) -> None:
    """Forget the files of turns that are gone, and what a crash has left. Before their messages are forgotten."""
    gone = select(handled_messages.c.message).where(handled_messages.c.turn.not_in(select(turns.c.id)))
    connection.execute(delete(attachments).where(attachments.c.message.in_(gone)))
    connection.execute(
        delete(attachments).where(
            attachments.c.came_at < microseconds(Instant(now - _UNCLAIMED)),
            attachments.c.message.not_in(select(handled_messages.c.message)),
        )
    )


def _copy(connection: Connection, message: IncomingMessage, of: MessageId) -> None:
    """Of a turn, all of its files: they may have come with several messages."""
    its_turn = select(turns.c.id).join(handled_messages, handled_messages.c.turn == turns.c.id)
    turn = its_turn.where(handled_messages.c.message == of).scalar_subquery()
    together = select(handled_messages.c.message).where(handled_messages.c.turn == turn)
    came = attachments.c
    kept = (came.name, came.kind, came.media_type, came.size, came.length, came.tokens, came.cut, came.content)
    new = (
        literal(message.id).label("message"),
        literal(message.conversation).label("conversation"),
        literal(message.author.key).label("member"),
        literal(microseconds(message.received_at), BigInteger).label("came_at"),
    )
    wanted = select(*new, *kept).where(or_(came.message == of, came.message.in_(together))).order_by(came.id)
    names = [column.name for column in (*new, *kept)]
    connection.execute(insert(attachments).from_select(names, wanted))


def _add(connection: Connection, message: IncomingMessage, file: ReadFile) -> KeptFile:
    row = insert(attachments).values(
        message=message.id,
        conversation=message.conversation,
        member=message.author.key,
        name=file.name,
        kind=file.kind,
        media_type=file.media_type,
        size=file.size,
        length=len(file.content),
        tokens=file.tokens,
        cut=file.cut,
        came_at=microseconds(message.received_at),
        content=file.content,
    )
    return KeptFile(
        id=FileId(connection.execute(row.returning(attachments.c.id)).scalar_one()),
        name=file.name,
        kind=file.kind,
        media_type=file.media_type,
        size=file.size,
        length=len(file.content),
        tokens=file.tokens,
        cut=file.cut,
    )


def _file(row: Sequence[Any]) -> KeptFile:
    id, name, kind, media_type, size, length, tokens, cut = row
    return KeptFile(
        id=id, name=name, kind=kind, media_type=media_type, size=size, length=length, tokens=tokens, cut=bool(cut)
    )
