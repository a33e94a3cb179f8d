"""What adapters talk to: takes messages in, gathers those that can be one question, and tells each its reply.

Each exchange runs in a task of its own, so that nobody who listens to it can slow the reading of the answer, and so
that what was sent is settled whoever goes away.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from bot.clock import Clock, day_start
from bot.conversation.answering import Answering
from bot.conversation.context import tokens
from bot.conversation.door import Door
from bot.conversation.exchange import Exchange
from bot.conversation.held import HeldQuestions
from bot.conversation.holding import Holding
from bot.conversation.own_lane import OwnLane
from bot.conversation.transcripts import Transcripts
from bot.errors import AnswerFailed, InternalError, Refused, ReplyError, Stopped
from bot.messages import (
    CommunityId,
    ConversationId,
    DayLooked,
    Ending,
    Explanation,
    Failed,
    IncomingMessage,
    Member,
    MessageId,
    Notice,
    ReplyEvent,
    Share,
    TicketId,
)
from bot.pasted_keys import holds_key
from bot.ports import PoolView, Turn
from bot.quota.scheduler import Scheduler
from bot.quota.terms import Terms
from bot.routing.router import Route
from bot.telemetry.logs import logger
from bot.telemetry.metrics import Metrics

log = logger(__name__)


class ConversationService:
    """`bot.ports.Conversations`. `close` when done."""

    def __init__(
        self,
        *,
        answering: Answering,
        own_lane: OwnLane,
        scheduler: Scheduler,
        transcripts: Transcripts,
        held: HeldQuestions,
        door: Door,
        clock: Clock,
        metrics: Metrics,
        sandbox: bool,
    ) -> None:
        self._answering, self._scheduler, self._transcripts = answering, scheduler, transcripts
        self._own_lane = own_lane
        self._door, self._metrics, self._sandbox = door, metrics, sandbox
        self._exchanges: dict[tuple[ConversationId, Member], list[Exchange]] = {}
        """Per conversation and member: the one under way, and the one that gathers what comes meanwhile."""
        self._handling: set[MessageId] = set()
        self._holding = Holding(scheduler=scheduler, questions=held, clock=clock, answer=self._answer_held)
        self._closing = False

    async def open(self) -> None:
        """Take up what was held when the service last ended."""
        await self._holding.open()

    # --- what adapters call ------------------------------------------------------------------------------

    async def reply(self, message: IncomingMessage) -> AsyncGenerator[ReplyEvent]:
        if message.id in self._handling or self._closing:
            return
        self._handling.add(message.id)
        self._metrics.messages.labels(platform=message.author.platform).inc()
        try:
            _refuse_a_key(message)
            message = self._door.admit(message)
            own = self._own_lane.takes(message.author)
            exchange = self._gather(message, (self._own_lane if own else self._answering).route(message))
        except ReplyError as error:
            self._handling.discard(message.id)
            yield self._failed(message, error)
            return
        try:
            async with aclosing(exchange.told(message)) as events:
                async for event in events:
                    yield event
        finally:
            self._handling.discard(message.id)
            if exchange.leave(message):
                await self._cancel(exchange)

    def stop(self, conversation: ConversationId, member: Member) -> bool:
        exchanges = list(self._exchanges.get((conversation, member), []))
        for exchange in reversed(exchanges):
            if exchange.task is not None:
                exchange.task.cancel()
            else:
                self._end(exchange, self._failed(exchange.first, Stopped()))
        return bool(exchanges)

    def share(self, member: Member, community: CommunityId) -> Share:
        return self._scheduler.share(member, community)

    def explain(self, member: Member, community: CommunityId) -> Explanation | None:
        decision = self._scheduler.decision(member, community)
        if decision is None:
            return None
        looks_ahead = decision.verdict in ("above_level", "pool_promised")
        return Explanation(
            verdict=decision.verdict,
            level=decision.level,
            taken=decision.taken,
            left=decision.left,
            held_back_for_others=decision.held_back_for_others,
            probably=decision.probably,
            resets_at=decision.resets_at,
            room_at=self._scheduler.room_at(member, community) if looks_ahead else None,
            may_hold=looks_ahead and self._holding.may_hold(member),
            days=tuple(
                DayLooked(began=day_start(answer.day), weight=answer.weight, level=answer.level)
                for answer in decision.days
                if answer.day is not None
            ),
        )

    def pool(self) -> PoolView:
        scheduler = self._scheduler
        return PoolView(
            sandbox=self._sandbox,
            rpm=scheduler.caps.rpm,
            rpd=scheduler.caps.rpd,
            used=scheduler.used,
            minute_used=scheduler.minute_used,
            waiting=scheduler.waiting,
            answering=scheduler.answering,
            resets_at=scheduler.resets_at,
            paused_until=scheduler.paused_until,
            shut_for=scheduler.shut_for,
        )

    async def turns(self, conversation: ConversationId, *, limit: int = 50) -> list[Turn]:
        return await self._transcripts.turns(conversation, limit=limit)

    async def forget(self, conversation: ConversationId) -> None:
        await self._transcripts.forget(conversation)

    def follow(self, ticket: TicketId) -> AsyncGenerator[ReplyEvent]:
        return self._holding.follow(ticket)

    async def give_up(self, ticket: TicketId) -> bool:
        return await self._holding.give_up(ticket)

    def lay_down(self, terms: Terms) -> None:
        """An admin's terms are in force at once: for the line, and for what is held."""
        self._scheduler.lay_down(terms)
        self._holding.look_soon()

    def look_soon(self) -> None:
        """There may be more room for what is held than time alone brings."""
        self._holding.look_soon()

    async def close(self) -> None:
        """Stop every answer and settle it. What is held stays held."""
        self._closing = True
        running = [exchange.task for exchanges in self._exchanges.values() for exchange in exchanges if exchange.task]
        for conversation, member in list(self._exchanges):
            self.stop(conversation, member)
        await asyncio.gather(*running, self._holding.close())

    # --- gathering ---------------------------------------------------------------------------------------

    def _gather(self, message: IncomingMessage, route: Route) -> Exchange:
        """The exchange that answers a message: one that waits and has room for it, or a new one."""
        exchanges = self._exchanges.setdefault((message.conversation, message.author), [])
        room = route.window - route.answer
        if exchanges and not exchanges[-1].sealed:
            last = exchanges[-1]
            if last.first.model != message.model or tokens(f"{last.question}{message.text}") > room // 2:
                raise Refused("line_full", limit=len(exchanges))
            last.join(message)
            return last
        exchange = Exchange(message)
        exchanges.append(exchange)
        if len(exchanges) == 1:
            self._begin(exchange)
        else:
            exchange.say(Notice(kind="messages_gathered", count=1))
        return exchange

    def _begin(self, exchange: Exchange) -> None:
        exchange.task = asyncio.create_task(self._run(exchange), name=f"exchange {exchange.first.id}")
        exchange.task.add_done_callback(lambda _: self._never_ran(exchange))

    def _never_ran(self, exchange: Exchange) -> None:
        """A task that is cancelled before its first step ends without entering its `try`."""
        if not exchange.over:
            self._end(exchange, self._failed(exchange.first, Stopped()))

    def _end(self, exchange: Exchange, ending: Ending | None) -> None:
        exchange.end(ending)
        key = (exchange.first.conversation, exchange.first.author)
        exchanges = self._exchanges[key]
        exchanges.remove(exchange)
        if not exchanges:
            del self._exchanges[key]
        elif exchanges[0].task is None:
            self._begin(exchanges[0])

    async def _cancel(self, exchange: Exchange) -> None:
        """Nobody listens any more: stop it, and see it settled."""
        if exchange.over:
            return
        if exchange.task is None:
            self._end(exchange, self._failed(exchange.first, Stopped()))
            return
        exchange.task.cancel()
        await asyncio.wait([exchange.task])

    # --- one exchange ------------------------------------------------------------------------------------

    async def _run(self, exchange: Exchange) -> None:
        self._end(exchange, await self._answer(exchange))

    async def _answer_held(self, exchange: Exchange) -> Ending | None:
        return await self._answer(exchange, held=True)

    async def _answer(self, exchange: Exchange, *, held: bool = False) -> Ending | None:
        """Answer an exchange to its ending, whatever happens. `held`: it has waited for room, and has found it."""
        first = exchange.first
        ending: Ending | None
        try:
            if self._own_lane.takes(first.author):
                ending = await self._own_lane.answer(exchange)
            else:
                ending = await self._answering.answer(exchange, again=held)
        except asyncio.CancelledError:
            ending = self._failed(first, Stopped(), exchange)
        except ReplyError as error:
            if error.code == "daily_share_spent" and not held and first.hold and self._holding.may_hold(first.author):
                return await self._holding.hold(replace(first, text=exchange.question))
            ending = self._failed(first, error, exchange)
        except Exception as error:
            # The message may hold what a person wrote: only its type is logged, the rest at DEBUG.
            log.error("a reply failed inside", extra={"action": "reply", "error": type(error).__name__})
            log.debug("the failure", exc_info=error)
            ending = self._failed(first, InternalError(), exchange)
        if isinstance(ending, Failed):
            self._metrics.replies.labels(outcome=ending.error.code).inc()
        elif ending is not None:
            self._metrics.replies.labels(outcome="finished").inc()
        return ending

    def _failed(self, message: IncomingMessage, error: ReplyError, exchange: Exchange | None = None) -> Failed:
        share = self._scheduler.share(message.author, message.community)
        may_hold = error.code == "daily_share_spent" and not message.hold and self._holding.may_hold(message.author)
        return Failed(error=error, share=share, partial=bool(exchange and exchange.text), may_hold=may_hold)


def _refuse_a_key(message: IncomingMessage) -> None:
    """A key that somebody wrote into a message goes no further: from here on the text is kept, sent and looked at.

    Raises:
        AnswerFailed: there is one.
    """
    if any(holds_key(part) for part in (message.text, message.author_name, message.conversation, message.model or "")):
        raise AnswerFailed("bad_key", reason="pasted_key")
