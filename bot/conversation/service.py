"""What adapters talk to: takes messages in, gathers those that can be one question, and tells each its reply.

Each exchange runs in a task of its own, so that nobody who listens to it can slow the reading of the answer, and so
that what was sent is settled whoever goes away.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from bot.backlog import Backlog
from bot.choices import Choices
from bot.clock import Clock, day_start
from bot.conversation.attachments import ReadFile, check_together
from bot.conversation.context import least, tokens
from bot.conversation.door import Door
from bot.conversation.exchange import Exchange
from bot.conversation.held import HeldQuestions
from bot.conversation.holding import Holding
from bot.conversation.intake import Files, Intake
from bot.conversation.transcripts import Transcripts
from bot.errors import (
    AnswerFailed,
    DatabaseAway,
    InternalError,
    PotluckError,
    Refused,
    ReplyError,
    Stopped,
    StorageError,
)
from bot.messages import (
    CommunityId,
    ConversationId,
    DayLooked,
    Ending,
    Explanation,
    Failed,
    Finished,
    IncomingMessage,
    Member,
    MessageId,
    Notice,
    ReplyEvent,
    Share,
    TicketId,
)
from bot.pasted_keys import holds_key
from bot.people import People
from bot.pool import Pool
from bot.pools import Pools
from bot.ports import KeptFile, PoolView, Turn
from bot.routing.router import Route
from bot.telemetry.logs import logger
from bot.telemetry.metrics import Metrics

log = logger(__name__)


class ConversationService:
    """`bot.ports.Conversations`. `close` when done."""

    def __init__(
        self,
        *,
        pools: Pools,
        transcripts: Transcripts,
        held: HeldQuestions,
        files: Files,
        choices: Choices,
        backlog: Backlog,
        door: Door,
        clock: Clock,
        metrics: Metrics,
        sandbox: bool,
        people: People,
    ) -> None:
        self._pools, self._transcripts, self._metrics, self._sandbox = pools, transcripts, metrics, sandbox
        self._intake, self._choices, self._people = Intake(files), choices, people
        self._door, self._backlog = door, backlog
        self._here: Counter[Member] = Counter()
        """Whose replies are under way, from their first step on."""
        self._exchanges: dict[tuple[ConversationId, Member], list[Exchange]] = {}
        """Per conversation and member: the one under way, and the one that gathers what comes meanwhile."""
        self._handling: set[MessageId] = set()
        self._under_way: dict[Exchange, asyncio.Task[object]] = {}
        self._moving: set[Exchange] = set()
        """Those whose wait was broken off, to go on in another line."""
        self._holding = Holding(
            lines=pools,
            questions=held,
            clock=clock,
            answer=self._answer_held,
            backlog=backlog,
            taken_up=self._taken_up,
        )
        self._closing = False

    async def open(self) -> None:
        """Take up what was held when the service last ended."""
        self._pools.serve(self)
        await self._holding.open()

    async def watch(self) -> None:
        """Look for room for what is held, until cancelled."""
        await self._holding.watch()

    def _taken_up(self, message: IncomingMessage) -> IncomingMessage:
        """What is laid down for roles holds for whoever waits in one; linked accounts may be others by now."""
        self._door.met(message)
        return replace(message, accounts=frozenset(self._people.accounts(message.author)))

    # --- what adapters call ------------------------------------------------------------------------------

    async def reply(self, message: IncomingMessage) -> AsyncGenerator[ReplyEvent]:
        await self._people.settled(message.author)
        person, accounts = self._people.of(message.author), frozenset(self._people.accounts(message.author))
        self._here[person] += 1
        try:
            async with aclosing(self._reply(replace(message, author=person, accounts=accounts))) as events:
                async for event in events:
                    yield event
        finally:
            self._here[person] -= 1
            if not self._here[person]:
                del self._here[person]

    async def _reply(self, message: IncomingMessage) -> AsyncGenerator[ReplyEvent]:
        if message.id in self._handling or self._closing:
            return
        self._handling.add(message.id)
        self._metrics.messages.labels(platform=message.author.platform).inc()
        exchange: Exchange | None = None
        came_with_files = bool(message.attachments or message.files_of)
        try:
            try:
                _refuse_a_key(message)
                pool = await self._pool_of(message)
                await self._look(message)
                model, notice = self._choices.wanted(message)
                message = self._door.admit(replace(message, model=model))
                files = await self._intake.take(message, lambda files: pool.route(message, images=_images(files)))
                message = replace(message, attachments=())  # from here on they are kept, and not in memory
                if self._is_closing():
                    raise Stopped
                exchange = self._gather(message, files, pool.route(message, images=_images(files)))
            except ReplyError as error:
                yield self._failed(message, error)
                return
            except DatabaseAway as error:
                yield self._failed(message, _unwritten(error))
                return
            if notice is not None:
                exchange.say(Notice(kind=notice))
                await self._backlog.write(self._choices.tidy)
            async with aclosing(exchange.told(message)) as events:
                async for event in events:
                    yield event
        finally:
            self._handling.discard(message.id)
            if exchange is not None and exchange.leave(message):
                await self._cancel(exchange)
            if came_with_files and (exchange is None or message not in exchange.messages):
                self._discard([message], sent=False)

    def stop(self, conversation: ConversationId, member: Member) -> bool:
        exchanges = list(self._exchanges.get((conversation, self._people.of(member)), []))
        for exchange in reversed(exchanges):
            if exchange.task is not None:
                exchange.task.cancel()
            else:
                self._end(exchange, self._failed(exchange.first, Stopped()))
        return bool(exchanges)

    async def share(self, member: Member, community: CommunityId) -> Share:
        return (await self._pools.of(community)).scheduler.share(self._people.of(member), community)

    async def explain(self, member: Member, community: CommunityId) -> Explanation | None:
        scheduler, member = (await self._pools.of(community)).scheduler, self._people.of(member)
        decision = scheduler.decision(member, community)
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
            room_at=scheduler.room_at(member, community) if looks_ahead else None,
            may_hold=looks_ahead and self._holding.may_hold(member),
            days=tuple(
                DayLooked(began=day_start(answer.day), weight=answer.weight, level=answer.level)
                for answer in decision.days
                if answer.day is not None
            ),
        )

    async def pool(self, community: CommunityId | None = None) -> PoolView:
        pool = self._pools.default if community is None else await self._pools.of(community)
        return pool.view(sandbox=self._sandbox)

    async def turns(self, conversation: ConversationId, *, limit: int = 50) -> list[Turn]:
        return await self._transcripts.turns(conversation, limit=limit)

    async def forget(self, conversation: ConversationId) -> None:
        await self._transcripts.forget(conversation)

    def follow(self, ticket: TicketId) -> AsyncGenerator[ReplyEvent]:
        return self._holding.follow(ticket)

    async def give_up(self, ticket: TicketId) -> bool:
        return await self._holding.give_up(ticket)

    def look_soon(self) -> None:
        """There may be more room for what is held than time alone brings."""
        self._holding.look_soon()

    def idle(self, member: Member) -> bool:
        """Nothing of the member's waits, is held or is being answered."""
        busy = self._here[member] or self._holding.has(member)
        return not busy and all(line.idle(member) for line in self._pools.lines())

    # --- when a community's pool changes -----------------------------------------------------------------

    def moved(self, community: CommunityId, before: Pool, after: Pool) -> None:
        """Who waits goes on in the new pool's line, at its end. What has its turn already ends where it began."""
        self._holding.move(community, before.scheduler, after.scheduler)
        for exchange, task in self._under_way.items():
            if exchange.first.community == community and not exchange.sealed:
                self._moving.add(exchange)
                task.cancel()

    @property
    def held_for(self) -> set[CommunityId]:
        return self._holding.communities

    async def finish(self, seconds: float) -> None:
        """Take nothing more. What was sent has so long to end by itself; what still waits is stopped at once: another
        process can ask it, or this one when it is started again."""
        self._closing = True
        exchanges = [exchange for some in self._exchanges.values() for exchange in some]
        for exchange in reversed(exchanges):
            if not exchange.sent:
                await self._cancel(exchange)
        sent = [exchange.task for exchange in exchanges if exchange.sent and exchange.task is not None]
        if sent:
            await asyncio.wait(sent, timeout=seconds)

    async def close(self) -> None:
        """Stop every answer and settle it. What is held stays held."""
        self._closing = True
        running = [exchange.task for exchanges in self._exchanges.values() for exchange in exchanges if exchange.task]
        for conversation, member in list(self._exchanges):
            self.stop(conversation, member)
        await asyncio.gather(*running, self._holding.close())
        await self._intake.close()

    def _is_closing(self) -> bool:
        return self._closing

    async def _look(self, message: IncomingMessage) -> None:
        try:
            await self._choices.look(message)
        except StorageError as error:
            # Whether the member may have what they ask for cannot be told, so they may not.
            log.error("the rules cannot be read", extra={"action": "reply", "error": str(error)})
            raise InternalError("database" if isinstance(error, DatabaseAway) else None) from None

    # --- gathering ---------------------------------------------------------------------------------------

    def _gather(self, message: IncomingMessage, files: tuple[KeptFile, ...], route: Route) -> Exchange:
        """The exchange that answers a message: one that waits and has room for it, or a new one."""
        exchanges = self._exchanges.setdefault((message.conversation, message.author), [])
        room = route.window - route.answer
        if exchanges and not exchanges[-1].sealed:
            last = exchanges[-1]
            together = (*last.files, *files)
            if last.first.model != message.model or (
                tokens(f"{last.question}{message.text}") + least(together) > room // 2
            ):
                raise Refused("line_full", limit=len(exchanges))
            check_together(together)
            last.join(message, files)
            return last
        exchange = Exchange(message, files)
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
        if exchange.files:
            self._discard(exchange.messages, sent=exchange.sent)
        key = (exchange.first.conversation, exchange.first.author)
        exchanges = self._exchanges[key]
        exchanges.remove(exchange)
        if not exchanges:
            del self._exchanges[key]
        elif exchanges[0].task is None:
            self._begin(exchanges[0])

    def _discard(self, messages: Sequence[IncomingMessage], *, sent: bool) -> None:
        """Forget the files of what came to nothing. What ends unsent because Potluck does may be asked again."""
        if sent or not self._closing:
            self._intake.discard([message.id for message in messages])

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
            try:
                ending = await self._in_its_pool(exchange, held=held)
            except ReplyError as error:
                may_hold = not held and first.hold and self._holding.may_hold(first.author)
                if error.code == "daily_share_spent" and may_hold:
                    return await self._hold(exchange)
                ending = self._failed(first, error, exchange)
        except asyncio.CancelledError:
            ending = self._failed(first, Stopped(), exchange)
        except DatabaseAway as error:
            ending = self._failed(first, InternalError() if exchange.sent else _unwritten(error), exchange)
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

    async def _hold(self, exchange: Exchange) -> Ending:
        """Let a question that the share refuses wait for room. Whoever goes away meanwhile comes too late."""
        exchange.sealed = True  # what comes while it is being written down is a question of its own
        message = replace(exchange.first, text=exchange.question)
        holding = asyncio.create_task(self._holding.hold(message, exchange.files, asked_in=exchange.asked_in))
        try:
            return await asyncio.shield(holding)
        except asyncio.CancelledError:
            return await holding

    async def _in_its_pool(self, exchange: Exchange, *, held: bool) -> Finished | None:
        """Answer in the pool the community has; in the one it has then, where that changes before it is sent.

        In another pool than that which has counted a held question as asked, it is asked anew.
        """
        task = asyncio.current_task()
        assert task is not None
        self._under_way[exchange] = task
        try:
            while True:
                pool = await self._pool_of(exchange.first)
                try:
                    if pool.own_lane.takes(exchange.first.author):
                        return await pool.own_lane.answer(exchange)
                    asked = held and (exchange.asked_in or self._pools.default.id) == pool.id
                    return await pool.answering.answer(exchange, again=asked)
                except asyncio.CancelledError:
                    # A member who stops it at the same moment has cancelled it once more.
                    if exchange not in self._moving or task.uncancel():
                        raise
                    self._moving.discard(exchange)
                except Refused as refused:
                    # Its turn had come, but nothing leaves by a key that was removed.
                    if refused.code == "pool_paused" and pool.left and not exchange.sent:
                        continue
                    if not held:
                        exchange.asked_in = pool.id
                    raise
        finally:
            del self._under_way[exchange]
            self._moving.discard(exchange)

    async def _pool_of(self, message: IncomingMessage) -> Pool:
        try:
            return await self._pools.of(message.community)
        except PotluckError as error:
            log.error("a community's pool cannot be opened", extra={"action": "pool", "error": str(error)})
            raise InternalError("database" if isinstance(error, DatabaseAway) else None) from None

    def _failed(self, message: IncomingMessage, error: ReplyError, exchange: Exchange | None = None) -> Failed:
        scheduler = self._pools.now(message.community).scheduler
        may_hold = error.code == "daily_share_spent" and not message.hold and self._holding.may_hold(message.author)
        return Failed(
            error=error,
            share=scheduler.share(message.author, message.community),
            partial=bool(exchange and exchange.text),
            may_hold=may_hold,
            shut_for=scheduler.shut_for,
        )


def _unwritten(error: DatabaseAway) -> InternalError:
    """What a member is told whose question could not be written down, and so was not sent."""
    log.warning("a question could not be written down", extra={"action": "reply", "why": str(error)})
    return InternalError("database")


def _images(files: Sequence[ReadFile | KeptFile]) -> int:
    return sum(file.kind == "image" for file in files)


def _refuse_a_key(message: IncomingMessage) -> None:
    """A key that somebody wrote into a message goes no further: from here on the text is kept, sent and looked at.

    Raises:
        AnswerFailed: there is one.
    """
    if any(holds_key(part) for part in (message.text, message.author_name, message.conversation, message.model or "")):
        raise AnswerFailed("bad_key", reason="pasted_key")
