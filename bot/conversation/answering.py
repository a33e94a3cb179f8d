"""From a question to its ending: wait for a lease, send, read the answer as it comes, settle.

What was sent is settled whatever happens here, and what was never sent is released: both in one `finally`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import assert_never

from bot.clock import Clock, Instant
from bot.conversation.context import Asking, Context, QuestionTooLongError, build
from bot.conversation.exchange import Exchange
from bot.conversation.failures import gives_back, reply_error
from bot.conversation.transcripts import Transcripts
from bot.errors import FailureKind, Refused, UpstreamFailure
from bot.messages import Finished, Notice, Queued, Started, TextDelta
from bot.ports import ChatModel, ChatRequest, ModelEnd, ModelText, ModelThinking, Turn
from bot.quota.ledger import AlreadyHandled, Claim, Lease, Outcome, Question
from bot.quota.scheduler import Place, Scheduler
from bot.routing.router import Route
from bot.telemetry.logs import logger
from bot.telemetry.metrics import Metrics

log = logger(__name__)

_TURNS = 60
"""Turns read from a conversation; what of them fits is sent."""
_MINUTE = 60.0


class Answering:
    """Answers exchanges over one pool."""

    def __init__(
        self,
        *,
        scheduler: Scheduler,
        model: ChatModel,
        transcripts: Transcripts,
        clock: Clock,
        pseudonym: Callable[[str], str],
        metrics: Metrics,
    ) -> None:
        self._scheduler, self._model, self._transcripts = scheduler, model, transcripts
        self._clock, self._pseudonym, self._metrics = clock, pseudonym, metrics

    async def answer(self, exchange: Exchange, route: Route, *, again: bool = False) -> Finished | None:
        """Answer, telling the exchange as it goes. None: one of its messages was handled before.

        `again`: the question has been counted as asked already.

        Raises:
            ReplyError: there is no whole answer; part of one may have been told.
        """
        first = exchange.first
        opening = await self._transcripts.open(first.conversation, first.id, first.author, limit=_TURNS)
        if opening.handled:
            return None
        sending = self._context(exchange, route, opening.turns)
        while True:
            lease, waited = await self._lease(exchange, route, again=again)
            again = True
            if lease is None:
                return None
            end = await self._attempt(
                exchange, route, lease, sending=None if waited else sending, newcomer=opening.newcomer
            )
            if end is not None:
                return Finished(
                    model=end.model,
                    lane=route.lane,
                    attempts=1,
                    share=self._scheduler.share(first.author, first.community),
                    usage=end.usage,
                )

    async def _lease(self, exchange: Exchange, route: Route, *, again: bool) -> tuple[Lease | None, bool]:
        """A lease, and whether the world may have moved on while it was waited for."""
        first, waited = exchange.first, False

        def claim() -> Claim:
            exchange.sealed = True
            return Claim(
                pool=self._scheduler.pool,
                member=first.author,
                lane=route.lane,
                model=route.model,
                question=Question(
                    messages=[message.id for message in exchange.messages],
                    conversation=first.conversation,
                    community=first.community,
                    author_name=first.author_name,
                    text=exchange.question,
                    asked_at=first.received_at,
                ),
            )

        admitting = self._scheduler.admit(first.author, first.community, claim, again=again)
        async with aclosing(admitting) as steps:
            async for step in steps:
                match step:
                    case Place(place=place, estimate_at=at):
                        waited = True
                        estimate = None if at is None else max(0.0, at - self._clock.now())
                        exchange.say(Queued(place=place, estimate=estimate))
                    case AlreadyHandled():
                        return None, waited
                    case Lease():
                        self._metrics.wait.observe(max(0.0, self._clock.now() - first.received_at))
                        return step, waited or len(exchange.messages) > 1
                    case _:
                        assert_never(step)
        raise AssertionError("the line let a ticket go without a word")

    def _context(self, exchange: Exchange, route: Route, turns: Sequence[Turn]) -> Context:
        first = exchange.first
        asking = Asking(author=first.author, author_name=first.author_name, place=first.place, text=exchange.question)
        try:
            return build(asking, turns, window=route.window, answer=route.answer)
        except QuestionTooLongError:
            raise Refused("too_long", limit=route.window - route.answer) from None

    async def _attempt(
        self, exchange: Exchange, route: Route, lease: Lease, *, sending: Context | None, newcomer: bool
    ) -> ModelEnd | None:
        """Send and read. None: the lease had grown too old to be sent, and is released."""
        outcome, sent = Outcome(result="failed"), False

        def on_sent() -> None:
            nonlocal sent
            sent = True
            self._scheduler.sent(lease)
            exchange.say(Started(model=route.model, lane=route.lane))

        try:
            if sending is None:
                turns = await self._transcripts.turns(exchange.first.conversation, limit=_TURNS)
                sending = self._context(exchange, route, [turn for turn in turns if turn.ended])
            if not self._scheduler.fresh(lease):
                return None
            request = ChatRequest(
                model=route.model,
                messages=sending.messages,
                user=self._pseudonym(exchange.first.author.key),
                session=self._pseudonym(exchange.first.conversation),
                attempt=str(lease.id),
            )
            self._notices(exchange, sending, newcomer=newcomer)
            end = await self._read(exchange, request, on_sent)
            outcome = Outcome(
                result="answered", whole=True, model=end.model, generation=end.generation, usage=end.usage
            )
            return end
        except UpstreamFailure as failure:
            outcome = Outcome(result="failed", give_back=gives_back(failure, shown=bool(exchange.text)))
            self._learn(failure)
            raise reply_error(failure, day_resets_at=self._scheduler.resets_at) from failure
        except asyncio.CancelledError:
            outcome = Outcome(result="stopped")
            raise
        finally:
            if sent:
                self._metrics.attempts.labels(outcome=outcome.result).inc()
                await self._settle(lease, replace(outcome, answer=exchange.text))
            else:
                await self._scheduler.release(lease)

    def _notices(self, exchange: Exchange, sending: Context, *, newcomer: bool) -> None:
        if len(exchange.messages) > 1:
            exchange.say(Notice(kind="messages_gathered", count=len(exchange.messages)))
        if sending.left_out:
            exchange.say(Notice(kind="history_shortened", count=sending.left_out))
        if newcomer:
            exchange.say(Notice(kind="free_models_may_train"))

    async def _read(self, exchange: Exchange, request: ChatRequest, on_sent: Callable[[], None]) -> ModelEnd:
        began: Instant | None = self._clock.now()
        async with aclosing(self._model.stream(request, on_sent=on_sent)) as events:
            async for event in events:
                match event:
                    case ModelText(text=text):
                        if began is not None:
                            self._metrics.first_text.observe(max(0.0, self._clock.now() - began))
                            began = None
                        exchange.say(TextDelta(text=text))
                    case ModelThinking():
                        pass
                    case ModelEnd():
                        return event
                    case _:
                        assert_never(event)
        raise UpstreamFailure(FailureKind.CUT_OFF)

    def _learn(self, failure: UpstreamFailure) -> None:
        """What the account says of itself holds for everyone, at once."""
        log.warning(
            "an upstream request failed",
            extra={"action": "upstream", "kind": failure.kind.value, "status": failure.status},
        )
        if failure.kind is FailureKind.ACCOUNT_DAILY:
            self._scheduler.spend_rest()
        elif failure.kind is FailureKind.ACCOUNT_MINUTE:
            self._scheduler.pause(failure.retry_at or Instant(self._clock.now() + _MINUTE))

    async def _settle(self, lease: Lease, outcome: Outcome) -> None:
        try:
            await self._scheduler.settle(lease, outcome)
        except Exception as error:
            # The answer has been shown. The lease stays open, and counts as spent when the service next starts.
            log.error("a lease could not be settled", extra={"action": "settle", "error": repr(error)})
