"""An exchange: one question with its answer under way, as the messages that ask it see it.

Several messages may be one question, since a request costs one unit whatever its length. The first of them that is
still listened to carries the answer: its reply has every event. The others hear that they were gathered, and how
it ended. When nobody listens any more, the exchange is stopped.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import replace

from bot.messages import (
    Ending,
    Failed,
    Finished,
    Held,
    IncomingMessage,
    MessageId,
    Notice,
    ReplyEvent,
    Started,
    TextDelta,
)
from bot.ports import KeptFile
from bot.quota.ledger import PoolId


class Exchange:
    """See the module. Made by the first message; others `join` until it is sealed."""

    def __init__(self, message: IncomingMessage, files: tuple[KeptFile, ...] = ()) -> None:
        self.messages = [message]
        self._files = {message.id: files}
        self.sealed = False
        """Its question is fixed: it has been, or is being, reserved."""
        self.ending: Ending | None = None
        self.asked_in: PoolId | None = None
        """The pool that has counted it as asked, where that matters."""
        self.known = False
        """It was handled before: nothing is told."""
        self.task: asyncio.Task[None] | None = None
        self._listening: list[MessageId] = [message.id]
        self._said: list[ReplyEvent] = []
        self._text: list[str] = []
        self._unread: deque[ReplyEvent] = deque()
        self._changed = asyncio.Event()

    @property
    def first(self) -> IncomingMessage:
        return self.messages[0]

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self._text)

    @property
    def sent(self) -> bool:
        """A request of it has left."""
        return any(isinstance(event, Started) for event in self._said)

    @property
    def over(self) -> bool:
        """It has had its last word."""
        return self.ending is not None or self.known

    @property
    def question(self) -> str:
        return "\n\n".join(message.text for message in self.messages if message.text)

    @property
    def files(self) -> tuple[KeptFile, ...]:
        """What came with its messages, in their order."""
        return tuple(file for message in self.messages for file in self._files[message.id])

    def join(self, message: IncomingMessage, files: tuple[KeptFile, ...] = ()) -> None:
        """Ask this too, in the same request."""
        assert not self.sealed
        self.messages.append(message)
        self._files[message.id] = files
        self._listening.append(message.id)

    def leave(self, message: IncomingMessage) -> bool:
        """Nobody listens for this message any more. True: that was the last one."""
        carried = self._listening[0] == message.id
        self._listening.remove(message.id)
        if not self._listening:
            return True
        if not self.sealed:
            self.messages.remove(message)
        heard_all = self.over and not self._unread
        if carried and not heard_all:
            self._unread = deque(self._said)
            if self._text:
                self._unread.append(TextDelta(text=self.text))
            self._tell()
        return False

    def say(self, event: ReplyEvent) -> None:
        """Tell the carrier. Text that was not read yet is told in one piece, so a slow reader costs nothing."""
        assert not self.over
        if isinstance(event, TextDelta):
            self._text.append(event.text)
            last = self._unread[-1] if self._unread else None
            if isinstance(last, TextDelta):
                self._unread[-1] = TextDelta(text=last.text + event.text)
                return
        else:
            self._said.append(event)
        self._unread.append(event)
        self._tell()

    def end(self, ending: Ending | None) -> None:
        """The last word, exactly once. None: there is nothing to tell."""
        assert not self.over
        self.ending, self.known = ending, ending is None
        self._tell()

    def _tell(self) -> None:
        self._changed.set()

    async def told(self, message: IncomingMessage) -> AsyncGenerator[ReplyEvent]:
        """What the reply to one of the messages says, to its ending."""
        gathered = False
        while True:
            if self._listening[0] == message.id:
                while self._unread:
                    yield self._unread.popleft()
            elif not gathered:
                gathered = True
                yield Notice(kind="messages_gathered", count=len(self.messages))
            if self.known:
                return
            if self.ending is not None:
                yield self._ending_for(message, self.ending)
                return
            changed = self._changed
            await changed.wait()
            if self._changed is changed:
                self._changed = asyncio.Event()

    async def watched(self) -> AsyncGenerator[ReplyEvent]:
        """All of it from the beginning, for one who only looks on: leaving stops nothing."""
        said, parts = 0, 0
        while True:
            for event in self._said[said:]:
                yield event
            text = "".join(self._text[parts:])
            said, parts = len(self._said), len(self._text)
            if text:
                yield TextDelta(text=text)
            if self.ending is not None:
                yield self.ending
            if self.over:
                return
            changed = self._changed
            await changed.wait()
            if self._changed is changed:
                self._changed = asyncio.Event()

    def _ending_for(self, message: IncomingMessage, ending: Ending) -> Ending:
        match ending:
            case Finished() if message is not self.first:
                # The unit it took is counted where the question began.
                return replace(ending, attempts=0)
            case Finished() | Failed() | Held():
                return ending
