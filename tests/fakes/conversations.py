"""Conversations that follow a script: what an adapter shows for events that are hard to bring about on demand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import TypeAlias

from bot.clock import Clock, Instant, day_of, day_start
from bot.errors import Stopped
from bot.messages import (
    CommunityId,
    ConversationId,
    Explanation,
    Failed,
    Finished,
    IncomingMessage,
    Member,
    MessageId,
    ModelId,
    ReplyEvent,
    Share,
    Started,
    TextDelta,
    TicketId,
)
from bot.ports import PoolView, Turn

Script: TypeAlias = Callable[[IncomingMessage], AsyncGenerator[ReplyEvent]]


class ScriptedConversations:
    """Satisfies `bot.ports.Conversations`. The script answers; everything the adapter asks for is written down.

    Like the real service it yields nothing for a message id it has seen, and `stop` makes a reply end as stopped.
    """

    def __init__(self, clock: Clock, script: Script | None = None) -> None:
        self._clock = clock
        self.script: Script = script or self.echo
        self.asked: list[IncomingMessage] = []
        self.arrived = asyncio.Event()
        """Set once something was asked."""
        self.closed = asyncio.Queue[MessageId]()
        """The ids of messages whose reply was closed before its end."""
        self.forgotten: list[ConversationId] = []
        self.kept: dict[ConversationId, list[Turn]] = {}
        self.held: dict[TicketId, Callable[[], AsyncGenerator[ReplyEvent]]] = {}
        self.given_up: list[TicketId] = []
        self.used: dict[str, int] = {}
        self.explained: Explanation | None = None
        self.shut_for: str | None = None
        self.sandbox, self.waiting, self.rpd = True, 0, 50
        self._stops: dict[tuple[ConversationId, Member], asyncio.Event] = {}

    async def echo(self, message: IncomingMessage) -> AsyncGenerator[ReplyEvent]:
        yield self.started()
        yield TextDelta(text=f"You said: {message.text}")
        yield self.finished(message.author)

    def started(self) -> Started:
        return Started(model=ModelId("openrouter/free"), lane="free")

    def finished(self, member: Member) -> Finished:
        return Finished(model=ModelId("acme/wit-7b:free"), lane="free", attempts=1, share=self._share(member))

    async def reply(self, message: IncomingMessage) -> AsyncGenerator[ReplyEvent]:
        if any(message.id == other.id for other in self.asked):
            return
        self.asked.append(message)
        self.arrived.set()
        self.used[message.author.key] = self.used.get(message.author.key, 0) + 1
        stop = self._stops[message.conversation, message.author] = asyncio.Event()
        script, partial = self.script(message), False
        stopping = asyncio.create_task(stop.wait())
        try:
            while True:
                step = asyncio.ensure_future(anext(script, None))
                try:
                    await asyncio.wait({step, stopping}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    step.cancel()
                    await asyncio.wait({step})
                if step.cancelled():
                    yield Failed(error=Stopped(), share=self._share(message.author), partial=partial)
                    return
                if (event := step.result()) is None:
                    return
                partial = partial or isinstance(event, TextDelta)
                yield event
        except (asyncio.CancelledError, GeneratorExit):
            self.closed.put_nowait(message.id)
            raise
        finally:
            stopping.cancel()
            await script.aclose()

    def stop(self, conversation: ConversationId, member: Member) -> bool:
        if (event := self._stops.pop((conversation, member), None)) is None:
            return False
        event.set()
        return True

    async def share(self, member: Member, community: CommunityId) -> Share:
        return self._share(member)

    def _share(self, member: Member) -> Share:
        used = self.used.get(member.key, 0)
        return Share(
            used=used,
            level=float(self.rpd),
            left_now=max(0, self.rpd - used),
            left_sure=0,
            resets_at=self._reset(),
        )

    async def explain(self, member: Member, community: CommunityId) -> Explanation | None:
        return self.explained

    async def pool(self, community: CommunityId | None = None) -> PoolView:
        used = sum(self.used.values())
        return PoolView(
            sandbox=self.sandbox,
            rpm=20,
            rpd=self.rpd,
            used=min(used, self.rpd),
            minute_used=min(used, 20),
            waiting=self.waiting,
            answering=0,
            resets_at=self._reset(),
            shut_for=self.shut_for,
        )

    async def turns(self, conversation: ConversationId, *, limit: int = 50) -> list[Turn]:
        return self.kept.get(conversation, [])[-limit:]

    async def forget(self, conversation: ConversationId) -> None:
        self.forgotten.append(conversation)
        self.kept.pop(conversation, None)

    async def follow(self, ticket: TicketId) -> AsyncGenerator[ReplyEvent]:
        async for event in self.held[ticket]():
            yield event

    async def give_up(self, ticket: TicketId) -> bool:
        if self.held.pop(ticket, None) is None:
            return False
        self.given_up.append(ticket)
        return True

    def _reset(self) -> Instant:
        return day_start(day_of(self._clock.now()) + 1)
