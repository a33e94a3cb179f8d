"""From a question to its ending.

1. What names a model that costs is `bot.conversation.paying`'s. What no model could take is refused at once.
2. The question waits in line. When its turn comes its route is chosen, as the models stand then, and a unit reserved.
3. What of the conversation fits the route goes along.
4. The guard reads the very body that is to leave. What it stops was not sent; what could have cost shuts the pool.
5. The answer is told as it is read. Text that was shown stays, whatever comes after it.
6. A failure teaches the pool (`lessons`).
7. If nothing was shown and a model had no room, one other attempt leaves, where the pool can spare a unit.
8. What was sent is settled whatever happens here, and what was never sent is released: both in one `finally`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import assert_never

from bot.chat_model import ChatModel, ChatRequest, ModelEnd
from bot.clock import Clock
from bot.conversation.context import Context
from bot.conversation.exchange import Exchange
from bot.conversation.failures import gives_back, reply_error, worth_another
from bot.conversation.finishing import to_the_end
from bot.conversation.guarding import Guarding, ModelGoneError
from bot.conversation.lessons import Lessons
from bot.conversation.paying import Paying
from bot.conversation.question import TURNS, claim, fitted, needs, tell_first
from bot.conversation.reading import read
from bot.conversation.second_attempts import SecondAttempts
from bot.conversation.transcripts import Transcripts
from bot.errors import DatabaseAway, Refused, ReplyError, UpstreamFailure
from bot.messages import Finished, IncomingMessage, Notice, Queued, Started, Usage
from bot.ports import Turn
from bot.quota.ledger import AlreadyHandled, Claim, Lease, Outcome
from bot.quota.scheduler import Place, Scheduler
from bot.routing.router import Needs, Route
from bot.routing.shelf import Shelf
from bot.telemetry.logs import logger
from bot.telemetry.metrics import Metrics
from bot.telemetry.operators import for_operator

log = logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chance:
    """A lease, and how it is to be used."""

    lease: Lease
    route: Route
    turns: Sequence[Turn] | None
    """The conversation before it. None: it may have moved on, and is read again."""
    after: UpstreamFailure | None = None
    """What the first attempt ended in, where this is the second."""


class Answering:
    """Answers exchanges over one pool."""

    def __init__(
        self,
        *,
        scheduler: Scheduler,
        model: ChatModel,
        shelf: Shelf,
        lessons: Lessons,
        guarding: Guarding,
        paying: Paying,
        transcripts: Transcripts,
        clock: Clock,
        pseudonym: Callable[[str], str],
        metrics: Metrics,
    ) -> None:
        self._scheduler, self._model, self._shelf, self._lessons = scheduler, model, shelf, lessons
        self._transcripts, self._clock, self._pseudonym, self._metrics = transcripts, clock, pseudonym, metrics
        self._second_attempts = SecondAttempts(clock)
        self._guarding, self._paying = guarding, paying

    def route(self, message: IncomingMessage, *, images: int = 0) -> Route:
        """Where a message would go if it was sent now, whatever its length. Raises as the router does."""
        if self._paying.wished(message):
            return self._paying.route(message, images=images)
        return self._shelf.choose(message.community, message.model, Needs(images=images > 0))

    async def answer(self, exchange: Exchange, *, again: bool = False) -> Finished | None:
        """Answer, telling the exchange as it goes. None: one of its messages was handled before.

        `again`: the question has been counted as asked already.

        Raises:
            ReplyError: there is no whole answer; part of one may have been told.
        """
        first = exchange.first
        opening = await self._transcripts.open(first.conversation, first.id, first.author, limit=TURNS)
        if opening.handled:
            return None
        if self._paying.wished(first):
            return await self._paying.answer(exchange)
        self._choose(exchange)  # what no model could take is refused before it waits
        try:
            chance = await self._turn(exchange, opening.turns, again=again)
        except Refused as refused:
            if refused.code != "pool_spent" or again:
                raise
            return await self._paying.instead(exchange, refused)
        while chance is not None:
            came = await self._attempt(exchange, chance, newcomer=opening.newcomer)
            match came:
                case ModelEnd():
                    return Finished(
                        model=came.model,
                        lane=chance.route.lane,
                        attempts=1 if chance.after is None else 2,
                        share=self._scheduler.share(first.author, first.community),
                        usage=came.usage,
                    )
                case _Chance():
                    chance = came
                case None:
                    chance = await self._turn(exchange, opening.turns, again=True)
                case _:
                    assert_never(came)
        return None

    def _choose(self, exchange: Exchange) -> Route:
        return self._shelf.choose(exchange.first.community, exchange.first.model, needs(exchange))

    async def _turn(self, exchange: Exchange, turns: Sequence[Turn], *, again: bool) -> _Chance | None:
        """Wait in line for a lease. None: one of the messages has had its lease."""
        first, waited = exchange.first, False
        route: Route | None = None

        def claimed() -> Claim:
            nonlocal route
            exchange.sealed = True
            route = self._choose(exchange)
            return claim(exchange, self._scheduler.pool, route)

        admitting = self._scheduler.admit(first.author, first.community, claimed, again=again)
        async with aclosing(admitting) as steps:
            async for step in steps:
                match step:
                    case Place(place=place, estimate_at=at):
                        waited = True
                        estimate = None if at is None else max(0.0, at - self._clock.now())
                        exchange.say(Queued(place=place, estimate=estimate))
                    case AlreadyHandled():
                        return None
                    case Lease():
                        self._metrics.wait.observe(max(0.0, self._clock.now() - first.received_at))
                        assert route is not None
                        moved_on = again or waited or len(exchange.messages) > 1
                        return _Chance(lease=step, route=route, turns=None if moved_on else turns)
                    case _:
                        assert_never(step)
        raise AssertionError("the line let a ticket go without a word")

    async def _attempt(self, exchange: Exchange, chance: _Chance, *, newcomer: bool) -> ModelEnd | _Chance | None:
        """Send and read. A chance: it failed, and this is the other attempt. None: nothing was sent, so try anew."""
        lease, route = chance.lease, chance.route
        outcome, sent, closed = Outcome(result="failed"), False, False

        def on_sent() -> None:
            nonlocal sent
            sent = True
            self._scheduler.sent(lease)
            if chance.after is None:
                exchange.say(Started(model=route.model, lane=route.lane))

        try:
            sending = await self._context(exchange, chance)
            if not self._scheduler.fresh(lease):
                self._not_again(chance)
                return None
            if chance.after is None:
                tell_first(exchange, route, sending, warn=newcomer)
            end = await self._read(exchange, sending, chance, on_sent)
            outcome = Outcome(
                result="answered", whole=True, model=end.model, generation=end.generation, usage=end.usage
            )
            self._shelf.answered(end.model)
            self._guarding.paid_for(route, end.usage)
            self._metrics.used(lease.lane, end.usage)
            return end
        except ModelGoneError:
            self._not_again(chance)
            return None
        except UpstreamFailure as failure:
            shown = bool(exchange.text)
            outcome = replace(_failed(failure), give_back=gives_back(failure, shown=shown))
            if failure.usage is not None:
                self._guarding.paid_for(route, failure.usage)
            log.warning(
                for_operator(failure.kind, failure.route),
                extra={"action": "upstream", "kind": failure.kind.value, "status": failure.status},
            )
            self._metrics.attempts.labels(outcome=failure.kind.value).inc()
            self._lessons.take(failure, route, day=lease.day)
            if sent and chance.after is None and worth_another(failure, shown=shown):
                other = await self._another(exchange, lease, failure)
                if other is not None:
                    closed = True
                    return other
            raise self._error(failure, route) from failure
        except asyncio.CancelledError:
            outcome = Outcome(result="stopped")
            raise
        finally:
            if closed:
                pass
            elif sent:
                if outcome.result != "failed":
                    self._metrics.attempts.labels(outcome=outcome.result).inc()
                await self._settle(lease, replace(outcome, answer=exchange.text))
            else:
                await self._scheduler.release(lease)

    def _not_again(self, chance: _Chance) -> None:
        """A second attempt that could not leave does not go back into the line.

        Raises:
            ReplyError: this was one, so it ends as the first did.
        """
        if chance.after is not None:
            raise self._error(chance.after, chance.route)

    def _error(self, failure: UpstreamFailure, route: Route) -> ReplyError:
        return reply_error(failure, day_resets_at=self._scheduler.resets_at, named=route.named)

    async def _another(self, exchange: Exchange, lease: Lease, failure: UpstreamFailure) -> _Chance | None:
        """The other attempt, with the first settled; None: there is none to be had, and the first is still open."""
        if self._second_attempts.left(self._scheduler.caps.rpd) <= 0:
            return None
        try:
            route = self._choose(exchange)
        except ReplyError:  # what was asked for rests now
            return None
        again = claim(exchange, self._scheduler.pool, route)
        try:
            other = await to_the_end(self._scheduler.retry(lease, _failed(failure), again))
        except DatabaseAway:
            return None
        if other is None:
            return None
        self._second_attempts.spend()
        self._metrics.second_attempts.inc()
        exchange.say(Notice(kind="second_attempt"))
        return _Chance(lease=other, route=route, turns=None, after=failure)

    async def _context(self, exchange: Exchange, chance: _Chance) -> Context:
        turns = chance.turns
        if turns is None:
            turns = await self._transcripts.turns(exchange.first.conversation, limit=TURNS)
        return await fitted(exchange, turns, chance.route, self._transcripts)

    async def _read(
        self, exchange: Exchange, sending: Context, chance: _Chance, on_sent: Callable[[], None]
    ) -> ModelEnd:
        began, route = self._clock.now(), chance.route

        def on_text() -> None:
            self._metrics.first_text.observe(max(0.0, self._clock.now() - began))

        events = self._model.stream(
            ChatRequest(
                model=route.model,
                fallbacks=route.models[1:],
                messages=sending.take(),
                user=self._pseudonym(exchange.first.author.key),
                session=self._pseudonym(exchange.first.conversation),
                attempt=str(chance.lease.id),
            ),
            on_sent=on_sent,
            check=self._guarding.check(route, exchange.first.community),
        )
        return await read(events, exchange, may_judge=self._shelf.may_judge, on_text=on_text)

    async def _settle(self, lease: Lease, outcome: Outcome) -> None:
        try:
            await self._scheduler.settle(lease, outcome)
        except Exception as error:
            # The answer has been shown. The lease stays open, and counts as spent when the service next starts.
            log.error("a lease could not be settled", extra={"action": "settle", "error": repr(error)})


def _failed(failure: UpstreamFailure) -> Outcome:
    """What the ledger keeps of an attempt that failed."""
    return Outcome(result="failed", generation=failure.generation, usage=failure.usage or Usage())
