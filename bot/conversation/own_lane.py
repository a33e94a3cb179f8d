"""From a question to its ending by the account its member brought.

It draws on nothing that is shared: no place in line, no unit, no lesson for the pool, and nothing the pool has learnt
holds here. There is one attempt, and what it costs is the member's own. What stays the same: a message is handled
once, what was sent is settled whatever happens, and who is blocked may not ask.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

from bot.backlog import Backlog
from bot.chat_model import ChatModel, ChatRequest, ModelEnd
from bot.clock import Clock, day_of, day_start
from bot.conversation.context import Context
from bot.conversation.exchange import Exchange
from bot.conversation.failures import own_error
from bot.conversation.finishing import to_the_end
from bot.conversation.question import TURNS, claim, fitted, needs, tell_first
from bot.conversation.reading import read
from bot.conversation.transcripts import Transcripts
from bot.errors import AnswerFailed, FailureKind, Refused, UpstreamFailure
from bot.messages import Finished, IncomingMessage, Member, Started, Usage
from bot.quota.ledger import AlreadyHandled, Claim, Lease, Ledger, Outcome
from bot.quota.scheduler import Scheduler
from bot.routing.own import own_route
from bot.routing.router import Needs, Route
from bot.routing.shelf import Shelf
from bot.telemetry.logs import logger
from bot.telemetry.metrics import Metrics
from bot.vault import VaultError

log = logger(__name__)

AT_ONCE = 4
"""Questions of one member's under way, wherever they asked: connections and memory are everybody's, whoever pays."""


class Accounts(Protocol):
    """Who keeps members' keys. `bot.own_keys.OwnKeys` is the one."""

    def has(self, member: Member) -> bool:
        """The member has linked an account."""
        ...

    async def client(self, member: Member) -> ChatModel | None:
        """OpenRouter by the member's key; None: there is none any more.

        Raises:
            VaultError: the key does not open.
        """
        ...

    def refused(self, member: Member) -> None:
        """The key was not accepted."""
        ...

    def worked(self, member: Member) -> None:
        """It was."""
        ...


class OwnLane:
    """See the module.

    Args:
        under_way: how many of each member's there are, over all pools.
    """

    def __init__(
        self,
        *,
        accounts: Accounts,
        ledger: Ledger,
        backlog: Backlog,
        scheduler: Scheduler,
        shelf: Shelf,
        transcripts: Transcripts,
        clock: Clock,
        pseudonym: Callable[[str], str],
        metrics: Metrics,
        under_way: Counter[Member],
    ) -> None:
        self._accounts, self._ledger, self._scheduler, self._shelf = accounts, ledger, scheduler, shelf
        self._transcripts, self._clock, self._pseudonym, self._metrics = transcripts, clock, pseudonym, metrics
        self._under_way, self._backlog = under_way, backlog

    def takes(self, member: Member) -> bool:
        """The member's questions go this way, whether the key works or not: never silently back to the pool."""
        return self._accounts.has(member)

    def route(self, message: IncomingMessage, *, images: int = 0) -> Route:
        """Where a message would go, whatever its length. Raises as `bot.routing.own.own_route`."""
        return own_route(message.model, Needs(images=images > 0), self._shelf.offer(message.community))

    async def answer(self, exchange: Exchange) -> Finished | None:
        """Answer, telling the exchange as it goes. None: one of its messages was handled before.

        Raises:
            ReplyError: there is no whole answer; part of one may have been told.
        """
        first = exchange.first
        with self._one_of(first.author):
            opening = await self._transcripts.open(first.conversation, first.id, first.author, limit=TURNS)
            if opening.handled:
                return None
            self._scheduler.bar(first.author, first.community)
            model = await self._client(first.author)
            exchange.sealed = True
            route = own_route(first.model, needs(exchange), self._shelf.offer(first.community))
            sending = await fitted(exchange, opening.turns, route, self._transcripts)
            lease = await self._open(claim(exchange, self._scheduler.pool, route))
            if lease is None:
                return None
            end = await self._attempt(exchange, lease, route, sending, model, newcomer=opening.newcomer)
            share = self._scheduler.share(first.author, first.community)
            return Finished(model=end.model, lane="own_key", attempts=0, share=share, usage=end.usage)

    @contextmanager
    def _one_of(self, member: Member) -> Iterator[None]:
        if self._under_way[member] >= AT_ONCE:
            raise Refused("line_full", limit=AT_ONCE)
        self._under_way[member] += 1
        try:
            yield
        finally:
            self._under_way[member] -= 1
            if not self._under_way[member]:
                del self._under_way[member]

    async def _client(self, member: Member) -> ChatModel:
        try:
            client = await self._accounts.client(member)
        except VaultError:
            client = None
        if client is None:
            self._accounts.refused(member)
            raise AnswerFailed("bad_key", reason="own_key_refused")
        return client

    async def _open(self, wish: Claim) -> Lease | None:
        """A lease aside; None: one of the messages has had one.

        If the caller was cancelled meanwhile, that ends its next wait, which `_attempt` sees to.
        """
        opened = await to_the_end(self._ledger.open_aside(wish))
        return None if isinstance(opened, AlreadyHandled) else opened

    async def _attempt(
        self, exchange: Exchange, lease: Lease, route: Route, sending: Context, model: ChatModel, *, newcomer: bool
    ) -> ModelEnd:
        first = exchange.first
        began, sent, outcome = self._clock.now(), False, Outcome(result="failed")

        def on_sent() -> None:
            nonlocal sent
            sent = True
            exchange.say(Started(model=route.model, lane="own_key"))

        def on_text() -> None:
            self._metrics.first_text.observe(max(0.0, self._clock.now() - began))

        request = ChatRequest(
            model=route.model,
            fallbacks=route.models[1:],
            messages=sending.take(),
            user=self._pseudonym(first.author.key),
            session=self._pseudonym(first.conversation),
            attempt=str(lease.id),
        )
        try:
            tell_first(exchange, route, sending, warn=newcomer)
            events = model.stream(request, on_sent=on_sent)
            del request  # see Context.take
            end = await read(events, exchange, may_judge=self._shelf.may_judge, on_text=on_text)
            outcome = Outcome(
                result="answered", whole=True, model=end.model, generation=end.generation, usage=end.usage
            )
            self._accounts.worked(first.author)
            self._metrics.used("own_key", end.usage)
            return end
        except UpstreamFailure as failure:
            outcome = Outcome(result="failed", generation=failure.generation, usage=failure.usage or Usage())
            # The account is not the operator's: what it lacks is none of the log's business.
            log.info("a question by a member's own key failed", extra={"action": "own_key", "kind": failure.kind.value})
            self._metrics.attempts.labels(outcome=failure.kind.value).inc()
            if failure.kind is FailureKind.BAD_KEY:
                self._accounts.refused(first.author)
            day_resets_at = day_start(day_of(self._clock.now()) + 1)
            raise own_error(failure, day_resets_at=day_resets_at, named=route.named) from failure
        except asyncio.CancelledError:
            outcome = Outcome(result="stopped")
            raise
        finally:
            if sent:
                if outcome.result != "failed":
                    self._metrics.attempts.labels(outcome=outcome.result).inc()
                await self._settle(lease, replace(outcome, answer=exchange.text))
            else:
                await to_the_end(self._backlog.write(lambda: self._ledger.release(lease)))

    async def _settle(self, lease: Lease, outcome: Outcome) -> None:
        try:
            await to_the_end(self._backlog.write(lambda: self._ledger.settle(lease, outcome)))
        except Exception as error:
            log.error("a lease could not be settled", extra={"action": "settle", "error": type(error).__name__})
