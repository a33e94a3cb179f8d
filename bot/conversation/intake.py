"""Takes in what comes with a message, before anything else is done with it.

A question that is to come after one whose PDF is still being read waits for it: so each member's messages of one
conversation go on in the order they came. What cannot be used ends its message before a unit is spent, and what is
being read at one time is bounded, whoever sends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from bot.conversation.attachments import MOST_TOGETHER, ReadFile, check, is_pdf, read
from bot.conversation.pdfs import Pdfs
from bot.errors import AnswerFailed, AttachmentRefused
from bot.messages import ConversationId, IncomingMessage, Member, MessageId
from bot.pasted_keys import holds_key
from bot.ports import KeptFile

MOST_AT_ONCE = 8 * MOST_TOGETHER
"""Bytes of files being read at one time, all members together."""


class Files(Protocol):
    """Where files are kept. `bot.storage.attachments.SqlFiles` is the one."""

    async def keep(self, message: IncomingMessage, files: Sequence[ReadFile]) -> tuple[KeptFile, ...]:
        """Keep what came with a message. For one whose files are kept already: those."""
        ...

    async def discard(self, messages: Sequence[MessageId]) -> None:
        """Forget the files of those messages that were neither asked nor wait to be."""
        ...


@dataclass(slots=True)
class _Order:
    """The messages of one member in one conversation, one after the other."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class Intake:
    """See the module. `close` when done."""

    def __init__(self, files: Files) -> None:
        self._files, self._pdfs = files, Pdfs()
        self._orders: dict[tuple[ConversationId, Member], _Order] = {}
        self._bytes = 0
        self._discarding: set[asyncio.Task[None]] = set()

    async def take(self, message: IncomingMessage, may: Callable[[Sequence[ReadFile]], object]) -> tuple[KeptFile, ...]:
        """The files of a message, read and kept. Does not wait where there are none and none are being read.

        `may` is asked before they are kept, and raises where the message could not be answered with them.

        Raises:
            ReplyError: the message ends here; nothing of it is kept.
        """
        async with self._in_order(message):
            if not message.attachments:
                return ()
            check(message.attachments)
            size = sum(len(attachment.content) for attachment in message.attachments)
            if self._bytes + size > MOST_AT_ONCE:
                raise AttachmentRefused("no_room")
            self._bytes += size
            try:
                files = [await self._pdfs.read(one) if is_pdf(one) else read(one) for one in message.attachments]
                if any(holds_key(file.name) or _holds_key(file) for file in files):
                    raise AnswerFailed("bad_key", reason="pasted_key")
                may(files)
                return await self._files.keep(message, files)
            finally:
                self._bytes -= size

    def discard(self, messages: Sequence[MessageId]) -> None:
        """Forget, soon, what came with messages if they came to nothing."""
        task = asyncio.create_task(self._files.discard(messages))
        self._discarding.add(task)
        task.add_done_callback(self._discarding.discard)

    async def close(self) -> None:
        """Finish forgetting."""
        await asyncio.gather(*self._discarding, return_exceptions=True)

    @asynccontextmanager
    async def _in_order(self, message: IncomingMessage) -> AsyncIterator[None]:
        key = (message.conversation, message.author)
        if not message.attachments and key not in self._orders:
            yield
            return
        order = self._orders.setdefault(key, _Order())
        order.waiting += 1
        try:
            async with order.lock:
                yield
        finally:
            order.waiting -= 1
            if not order.waiting:
                del self._orders[key]


def _holds_key(file: ReadFile) -> bool:
    return file.kind != "image" and holds_key(file.content.decode())
