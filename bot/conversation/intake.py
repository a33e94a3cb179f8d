"""Takes in what comes with a message, before anything else is done with it.

A question that is to come after one whose PDF is still being read waits for it: so each member's messages of one
conversation go on in the order they came. What cannot be used ends its message before a unit is spent, and what is
being read at one time is bounded, whoever sends it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from bot.conversation.attachments import MOST_TOGETHER, ReadFile, check, is_pdf, read
from bot.conversation.pdfs import Pdfs
from bot.errors import AnswerFailed, AttachmentRefused
from bot.messages import ConversationId, IncomingMessage, Member, MessageId
from bot.pasted_keys import holds_key
from bot.ports import KeptFile

MOST_AT_ONCE = 8 * MOST_TOGETHER
"""Bytes of files being read at one time, all members together."""
MOST_OF_MEMBER = 4
"""Messages of one member's whose files are being read."""


May: TypeAlias = Callable[[Sequence[ReadFile | KeptFile]], object]
"""Raises a `ReplyError` where a message could not be answered with such files."""


class Files(Protocol):
    """Where files are kept. `bot.storage.attachments.SqlFiles` is the one."""

    async def keep(self, message: IncomingMessage, files: Sequence[ReadFile]) -> tuple[KeptFile, ...]:
        """Keep what came with a message. For one whose files are kept already: those."""
        ...

    async def again(self, message: IncomingMessage, of: MessageId) -> tuple[KeptFile, ...]:
        """Keep with a message what is kept of another, and of all that were asked together with that. May be none."""
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
        self._reading: Counter[Member] = Counter()
        self._discarding: set[asyncio.Task[None]] = set()

    async def take(self, message: IncomingMessage, may: May) -> tuple[KeptFile, ...]:
        """The files of a message, read and kept. Does not wait where there are none and none are being read.

        `may` is asked before they are kept, and raises where the message could not be answered with them.

        Raises:
            ReplyError: the message ends here; nothing of it is kept.
        """
        with self._room(message):
            async with self._in_order(message):
                if message.files_of is not None:
                    return await self._again(message, message.files_of, may)
                return await self._read(message, may) if message.attachments else ()

    @contextmanager
    def _room(self, message: IncomingMessage) -> Iterator[None]:
        if not message.attachments:
            yield
            return
        size = sum(len(attachment.content) for attachment in message.attachments)
        if self._bytes + size > MOST_AT_ONCE or self._reading[message.author] >= MOST_OF_MEMBER:
            raise AttachmentRefused("no_room")
        self._bytes += size
        self._reading[message.author] += 1
        try:
            yield
        finally:
            self._bytes -= size
            self._reading[message.author] -= 1
            if not self._reading[message.author]:
                del self._reading[message.author]

    async def _again(self, message: IncomingMessage, of: MessageId, may: May) -> tuple[KeptFile, ...]:
        files = await self._files.again(message, of)
        if not files:
            raise AttachmentRefused("gone")
        may(files)
        return files

    async def _read(self, message: IncomingMessage, may: May) -> tuple[KeptFile, ...]:
        check(message.attachments)
        files = [await self._pdfs.read(one) if is_pdf(one) else read(one) for one in message.attachments]
        if any(holds_key(file.name) or _holds_key(file) for file in files):
            raise AnswerFailed("bad_key", reason="pasted_key")
        may(files)
        return await self._files.keep(message, files)

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
        if not (message.attachments or message.files_of) and key not in self._orders:
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
