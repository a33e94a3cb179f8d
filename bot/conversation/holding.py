"""Questions that the share refuses now and that wait for room in the day, as long as the day lasts.

They are looked at every few minutes, more often as the day ends, least taken first, then first asked. What finds room
is answered like any other question, with nobody there to listen unless somebody follows the ticket. At 00:00 UTC those
left over end with a word.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from typing import Protocol
from uuid import uuid4

from bot.backlog import Backlog
from bot.clock import Clock, day_of, day_start
from bot.conversation.exchange import Exchange
from bot.conversation.held import Ended, HeldQuestion, HeldQuestions
from bot.errors import InternalError, Refused, ReplyError, Stopped
from bot.messages import (
    CommunityId,
    Ending,
    Failed,
    Finished,
    Held,
    IncomingMessage,
    Member,
    ReplyEvent,
    Share,
    TextDelta,
    TicketId,
)
from bot.ports import KeptFile, Turn
from bot.quota.ledger import PoolId
from bot.quota.scheduler import Scheduler

LOOK_EVERY = 300.0
_LOOK_LAST = 12.0
_NO_MORE_STARTS = 3.0
"""Seconds before midnight."""
_ELSEWHERE = 2.0
"""Seconds between looks for the end of a question that another process answers."""
MOST = 2
"""Held questions a member may have."""

Answer = Callable[[Exchange], Awaitable[Ending | None]]
"""Answers an exchange to its ending; never raises."""


def until_next_look(rest: float) -> float:
    """Seconds until held questions are looked at again, when `rest` seconds of the day are left.

    Towards its end more and more often: what is kept for those who may still come is free only when they no longer
    can, and a unit that is free after the last look is lost to everyone.
    """
    return min(LOOK_EVERY, max(_LOOK_LAST, (rest - _NO_MORE_STARTS) / 3))


class Lines(Protocol):
    """Which line a community's questions wait for. `bot.pools.Pools` is the one."""

    async def line(self, community: CommunityId) -> Scheduler:
        """The community's, opened if need be."""
        ...

    def line_at_hand(self, community: CommunityId) -> Scheduler:
        """The same where it is open already, as it is for every community that something is held for."""
        ...


class OneLine:
    """The same line for every community."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    async def line(self, community: CommunityId) -> Scheduler:
        return self._scheduler

    def line_at_hand(self, community: CommunityId) -> Scheduler:
        return self._scheduler


class Holding:
    """See the module. `open` before use, then `watch` in a task of its own; `close` after."""

    def __init__(
        self,
        *,
        lines: Lines,
        questions: HeldQuestions,
        clock: Clock,
        answer: Answer,
        backlog: Backlog,
        taken_up: Callable[[IncomingMessage], IncomingMessage] = lambda message: message,
    ) -> None:
        """`taken_up` is told of each question that waited when the service last ended, and gives it as it goes on."""
        self._lines, self._questions, self._clock, self._answer = lines, questions, clock, answer
        self._taken_up, self._backlog = taken_up, backlog
        self._waiting: dict[TicketId, HeldQuestion] = {}
        self._exchanges: dict[TicketId, Exchange] = {}
        """Of every ticket that has not ended, for whoever follows it."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._look_now = asyncio.Event()
        self._closing = False

    async def open(self) -> None:
        """Take up the questions that were waiting when the service last ended."""
        for held in await self._questions.waiting():
            await self._lines.line(held.message.community)
            self._take(replace(held, message=self._taken_up(held.message)))

    async def close(self) -> None:
        """Let nothing more through, and stop the answers under way. What waits goes on waiting in the database."""
        self._closing = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def look_soon(self) -> None:
        """More room may have come than time alone brings."""
        self._look_now.set()

    def has(self, member: Member) -> bool:
        """A question of the member's is held, or one that was is being answered."""
        return any(exchange.first.author == member for exchange in self._exchanges.values())

    def may_hold(self, member: Member) -> bool:
        """One more question of the member's may be held."""
        return sum(held.message.author == member for held in self._waiting.values()) < MOST

    async def hold(
        self, message: IncomingMessage, files: tuple[KeptFile, ...] = (), *, asked_in: PoolId | None = None
    ) -> Held:
        """Hold a question that a pool has just refused. One that is held already keeps its ticket."""
        ticket = await self.wait(message, files, asked_in=asked_in)
        return Held(ticket=ticket, estimate_at=self._line(message).room_at(message.author, message.community))

    async def wait(
        self, message: IncomingMessage, files: tuple[KeptFile, ...] = (), *, asked_in: PoolId | None = None
    ) -> TicketId:
        """The same without an estimate, which takes far longer to work out than the holding does."""
        known = next((held for held in self._waiting.values() if held.message.id == message.id), None)
        if known is None:
            known = HeldQuestion(
                ticket=TicketId(uuid4().hex),
                message=message,
                held_at=self._clock.now(),
                files=files,
                asked_in=asked_in,
            )
            await self._questions.add(known)
            self._take(known)
        return known.ticket

    async def follow(self, ticket: TicketId) -> AsyncGenerator[ReplyEvent]:
        """All of a held reply, from its beginning to its ending.

        Raises:
            KeyError: no such ticket.
        """
        exchange = self._exchanges.get(ticket)
        if exchange is not None:
            async for event in exchange.watched():
                yield event
            return
        while True:
            found = await self._questions.find(ticket)
            if found is None:
                raise KeyError(ticket)
            if found[0].ended is not None or self._closing:
                break
            await asyncio.sleep(_ELSEWHERE)  # another process has it
        await self._lines.line(found[0].message.community)
        for event in self._recalled(*found):
            yield event

    async def give_up(self, ticket: TicketId) -> bool:
        """Drop a question that still waits. False: there is none under this ticket."""
        held = self._waiting.get(ticket)
        if held is None:
            return False
        self._unhold(held)
        await self._over(held, self._failed(held, Stopped()))
        return True

    @property
    def communities(self) -> set[CommunityId]:
        """Where something is held."""
        return {held.message.community for held in self._waiting.values()}

    def move(self, community: CommunityId, before: Scheduler, after: Scheduler) -> None:
        """What is held for a community waits for room in another line from now on."""
        for held in self._waiting.values():
            if held.message.community == community:
                before.unhold(held.message.author, community, day=day_of(held.held_at))
                after.hold(held.message.author, community, day=day_of(held.held_at))
        self.look_soon()

    # --- inside ------------------------------------------------------------------------------------------

    def _line(self, message: IncomingMessage) -> Scheduler:
        return self._lines.line_at_hand(message.community)

    def _take(self, held: HeldQuestion) -> None:
        message = held.message
        self._waiting[held.ticket] = held
        self._exchanges.setdefault(held.ticket, Exchange(message, held.files)).asked_in = held.asked_in
        self._line(message).hold(message.author, message.community, day=day_of(held.held_at))

    def _unhold(self, held: HeldQuestion) -> None:
        message = held.message
        self._line(message).unhold(message.author, message.community, day=day_of(held.held_at))

    async def watch(self) -> None:
        """Look for room whenever it is time, until cancelled."""
        while True:
            if not self._closing:
                await self._look()
            now = self._clock.now()
            rest = day_start(day_of(now) + 1) - now
            with suppress(TimeoutError):
                async with asyncio.timeout(min(until_next_look(rest), rest)):
                    await self._look_now.wait()
            self._look_now.clear()

    async def _look(self) -> None:
        for held in await self._questions.left_behind():
            await self._lines.line(held.message.community)
            self._take(held)
        today = day_of(self._clock.now())
        for held in [held for held in self._waiting.values() if day_of(held.held_at) != today]:
            if held.ticket in self._waiting:  # not given up meanwhile
                await self._over(held, self._failed(held, Refused("hold_expired")))
        # Most find no room, and letting one through makes none for another: only the rest need an order.
        asking = {(held.message.author, held.message.community): held.message for held in self._waiting.values()}
        roomy = {who for who, message in asking.items() if self._room(message)}
        ready = [held for held in self._waiting.values() if (held.message.author, held.message.community) in roomy]
        for held in sorted(ready, key=self._whose_turn):
            waits = held.ticket in self._waiting  # not given up meanwhile
            if waits and self._room(held.message):
                self._unhold(held)
                del self._waiting[held.ticket]
                self._start(self._let_through(held))
                # Its units count from when it is let through: the next one is judged after that.
                await asyncio.sleep(0)

    def _room(self, message: IncomingMessage) -> bool:
        """Where the pool is shut there is none: they wait on, as it may open again today."""
        return self._line(message).room(message.author, message.community)

    def _whose_turn(self, held: HeldQuestion) -> tuple[int, float]:
        return self._share(held.message).used, held.held_at

    def _share(self, message: IncomingMessage) -> Share:
        return self._line(message).share(message.author, message.community)

    async def _let_through(self, held: HeldQuestion) -> None:
        exchange = self._exchanges[held.ticket]
        ending = await self._answer(exchange)
        if isinstance(ending, Failed) and _not_yet(ending.error):
            self._take(held)
            return
        if self._closing and not exchange.sealed:
            return  # never sent: it waits on, and is taken up at the next start
        await self._over(held, ending)

    async def _over(self, held: HeldQuestion, ending: Ending | None) -> None:
        ending = ending or self._failed(held, InternalError())
        self._waiting.pop(held.ticket, None)
        code: Ended = ending.error.code if isinstance(ending, Failed) else "finished"
        await asyncio.shield(self._backlog.write(lambda: self._questions.end(held.ticket, code)))
        self._exchanges.pop(held.ticket).end(ending)

    def _failed(self, held: HeldQuestion, error: ReplyError) -> Failed:
        return Failed(error=error, share=self._share(held.message), shut_for=self._line(held.message).shut_for)

    def _recalled(self, held: HeldQuestion, turn: Turn | None) -> list[ReplyEvent]:
        """What is left of a reply that ended before: its text and its ending."""
        share = self._share(held.message)
        told: list[ReplyEvent] = [TextDelta(text=turn.answer)] if turn is not None and turn.answer else []
        if held.ended == "finished" and turn is not None and turn.model is not None:
            return [*told, Finished(model=turn.model, lane="free", attempts=1, share=share)]
        error: ReplyError = InternalError()
        if held.ended == "stopped":
            error = Stopped()
        elif held.ended == "hold_expired":
            error = Refused("hold_expired")
        return [*told, Failed(error=error, share=share, partial=bool(told))]

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _not_yet(error: ReplyError) -> bool:
    """Somebody was quicker, the pool was just shut, or the database takes nothing: it waits on, where it was."""
    return error.code in ("daily_share_spent", "pool_paused") or error.reason == "database"
