"""A question on the paid lane, from the wish to its ending.

1. The wish is one for money, or the pool is spent and the member wants to go on for money without being asked.
2. The member's turn comes: one paid question of theirs at a time.
3. What is to be sent is put together, and so it is known what it costs at most. Whether the member may have that
   model, and what the budgets leave, is asked anew at that moment.
4. Lease and money are reserved in one transaction, which alone decides about the budgets.
5. The guard reads the body that is to leave: the one model, the prices, the length that were reckoned with.
6. What was sent is settled with what it cost. Where nobody says it, the money stays set aside until `/generation` does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import assert_never

from bot.backlog import Backlog
from bot.chat_model import ChatModel, ChatRequest
from bot.clock import Clock, Instant
from bot.conversation.context import Context, needed
from bot.conversation.exchange import Exchange
from bot.conversation.failures import reply_error
from bot.conversation.finishing import to_the_end
from bot.conversation.guarding import Guarding
from bot.conversation.lessons import Lessons
from bot.conversation.question import TURNS, asking, claim, fitted, tell_first
from bot.conversation.reading import read
from bot.conversation.till import Purchase, Till
from bot.conversation.transcripts import Transcripts
from bot.errors import FailureKind, Refused, UpstreamFailure
from bot.messages import Finished, IncomingMessage, Member, ModelId, Started, Usage
from bot.quota.aside import Aside
from bot.quota.ledger import AlreadyHandled, Outcome
from bot.quota.scheduler import Scheduler
from bot.routing import paid
from bot.routing.access import Access, Covered, NotCovered, Rule, Who
from bot.routing.budget import Budget, NoBudget, OverBudget, Pico, Spend, ends_at, pico, usd
from bot.routing.catalogue import ModelInfo
from bot.routing.lanes import Free, NoLane, OwnKey, Paid, PaidWay, Purse, Way, Wish, lane
from bot.routing.prices import Size, max_price, prompt_tokens
from bot.routing.router import Needs, Route
from bot.routing.shelf import Shelf
from bot.telemetry.logs import logger
from bot.telemetry.metrics import Metrics
from bot.telemetry.operators import for_operator

log = logger(__name__)

_MAY_GO_ON = frozenset({FailureKind.EDGE_HTML, FailureKind.TIMEOUT, FailureKind.CUT_OFF, FailureKind.ENDLESS})
"""Failures after which somebody may still be writing, and charging for, an answer nobody reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """A question put together, with what it would cost."""

    entry: ModelInfo
    route: Route
    sending: Context
    size: Size
    way: PaidWay


class Paying:
    """See the module."""

    def __init__(
        self,
        *,
        aside: Aside,
        access: Access,
        till: Till,
        backlog: Backlog,
        scheduler: Scheduler,
        model: ChatModel,
        shelf: Shelf,
        lessons: Lessons,
        guarding: Guarding,
        transcripts: Transcripts,
        clock: Clock,
        pseudonym: Callable[[str], str],
        metrics: Metrics,
        unknown_cost: Callable[[], None],
        prefers: Callable[[Member], ModelId | None],
        payer: Callable[[Member], Member],
    ) -> None:
        """`unknown_cost` is called when the cost of a request has to be found out.

        `prefers` is what a member chose, `payer` whom a member's spending is counted under.
        """
        self._payer = payer
        self._aside, self._access, self._till, self._scheduler = aside, access, till, scheduler
        self._model, self._shelf, self._lessons, self._guarding = model, shelf, lessons, guarding
        self._transcripts, self._clock, self._pseudonym, self._metrics = transcripts, clock, pseudonym, metrics
        self._unknown_cost, self._prefers, self._backlog = unknown_cost, prefers, backlog

    # --- what is wished for ------------------------------------------------------------------------------

    def wished(self, message: IncomingMessage) -> bool:
        """The message names a model that costs."""
        return paid.wish_of(message.model, self._shelf.offer(message.community)) == "paid_model"

    def route(self, message: IncomingMessage, *, images: int = 0) -> Route:
        """Where a message that names one goes, whatever its length.

        Raises:
            Refused: `model_not_allowed`, as far as the budgets have no say in it; `attachment_refused`.
        """
        entry = self._entry(message.model)
        offer = self._shelf.offer(message.community)
        size = Size(
            prompt_tokens=prompt_tokens([message.text], images=images),
            completion_tokens=offer.answer(entry.id),
            images=images,
        )
        way = paid.quote(entry, size, message.who, self._access.rules, self._clock.now())
        if isinstance(way.access, NotCovered):
            raise Refused("model_not_allowed", why=way.access.reason)
        return paid.route(entry, offer, Needs(images=images > 0))

    # --- answering ---------------------------------------------------------------------------------------

    async def answer(self, exchange: Exchange) -> Finished | None:
        """Answer a question that names a model which costs. None: one of its messages was handled before.

        Raises:
            ReplyError: there is no whole answer; part of one may have been told.
        """
        return await self._buy(exchange, "paid_model", spent_until=None, after=None)

    async def instead(self, exchange: Exchange, spent: Refused) -> Finished | None:
        """Answer for money a question that the spent pool has refused, if its member wants that without being asked.

        Raises:
            ReplyError: as `answer`; else the refusal, with what could be had for money where the member may have it.
        """
        await self._access.refresh()
        wish = paid.wish_of(exchange.first.model, self._shelf.offer(exchange.first.community))
        if wish not in ("open", "free_model"):
            raise spent
        if wish == "open" and self._access.pays_when_spent(exchange.first.author):
            return await self._buy(exchange, "open", spent_until=spent.resets_at, after=spent)
        raise await self._offered(exchange, wish, spent)

    async def _offered(self, exchange: Exchange, wish: Wish, spent: Refused) -> Refused:
        """The refusal, with an offer where there is one to make."""
        if not self._may_ask(exchange.first):
            return spent
        order = await self._order(exchange, wish)
        if order is None:
            return spent
        way = self._lane(exchange, wish, order, spent_until=spent.resets_at)
        if not isinstance(way, NoLane) or way.offer is None:
            return spent
        return Refused("pool_spent", resets_at=spent.resets_at, limit=spent.limit, offer=way.offer)

    def _may_ask(self, message: IncomingMessage) -> bool:
        try:
            self._bar(message)
        except Refused:
            return False
        return True

    def _bar(self, message: IncomingMessage) -> None:
        """Who is kept out is kept out here, too; and so is everyone while the account's key is in doubt."""
        self._scheduler.bar(message.author, message.community)
        if self._scheduler.shut_for not in (None, "no_free_models"):
            raise Refused("pool_paused")

    async def _buy(
        self, exchange: Exchange, wish: Wish, *, spent_until: Instant | None, after: Refused | None
    ) -> Finished | None:
        first = exchange.first
        self._bar(first)
        async with self._aside.slot(first.author):
            self._bar(first)  # it may have waited
            exchange.sealed = True
            order = await self._order(exchange, wish)
            if order is None:
                assert after is not None
                raise after
            way = self._lane(exchange, wish, order, spent_until=spent_until)
            match way:
                case Paid():
                    return await self._paid(exchange, order, way)
                case NoLane():
                    if after is not None:
                        raise after
                    why = None if way.why is None else way.why.reason
                    raise Refused(way.code, resets_at=way.resets_at, why=why, offer=way.offer)
                case Free() | OwnKey():
                    raise AssertionError("what is for money went another way")
                case _:
                    assert_never(way)

    def _lane(self, exchange: Exchange, wish: Wish, order: _Order, *, spent_until: Instant | None) -> Way:
        return lane(
            wish,
            own_key=False,
            pool_spent_until=spent_until,
            paid=order.way,
            pay_when_spent=self._access.pays_when_spent(exchange.first.author),
        )

    async def _order(self, exchange: Exchange, wish: Wish) -> _Order | None:
        """What would be sent, and at what cost. None: the member names no model, and may have none for money.

        Raises:
            Refused: `model_not_allowed`, `too_long`, `attachment_refused`.
        """
        await self._access.refresh()  # it may have waited
        first, asked = exchange.first, asking(exchange)
        offer = self._shelf.offer(first.community)
        tokens = needed(asked)
        entry: ModelInfo | None
        if wish == "paid_model":
            entry = self._entry(first.model)
        else:
            preferred, rules = self._prefers(first.author), self._access.rules
            entry = paid.instead(preferred, offer, tokens, first.who, rules, images=asked.images)
            if entry is None:
                return None
        # What is paid for goes along whole, as far as the model's window allows.
        tokens = max(tokens, min(needed(asked, whole=True), offer.room(entry.id)))
        route = paid.route(entry, offer, Needs(images=asked.images > 0, tokens=tokens))
        kept = await self._transcripts.turns(first.conversation, limit=TURNS)
        sending = await fitted(exchange, kept, route, self._transcripts)
        size = Size(
            prompt_tokens=prompt_tokens((message.text for message in sending.messages), images=sending.images),
            completion_tokens=route.answer,
            images=sending.images,
        )
        way = paid.quote(entry, size, first.who, self._access.rules, self._clock.now())
        left = await self._till.left(self._spend(first, entry.id, Pico(0)))
        return _Order(entry=entry, route=route, sending=sending, size=size, way=replace(way, purse=self._purse(left)))

    def _entry(self, model: ModelId | None) -> ModelInfo:
        entry = None if model is None else paid.entry_of(model, self._shelf.offer())
        if entry is None:
            raise Refused("model_not_allowed", why="unknown")
        return entry

    def _purse(self, left: tuple[Budget, Pico] | None) -> Purse | None:
        if left is None:
            return None
        budget, amount = left
        return Purse(left=usd(amount), resets_at=ends_at(budget.period, self._clock.now()))

    def _spend(self, message: IncomingMessage, model: ModelId, most: Pico) -> Spend:
        return Spend(
            account=self._scheduler.pool,
            member=self._payer(message.author),
            community=message.community,
            model=model,
            most=most,
            accounts=message.accounts,
        )

    async def _paid(self, exchange: Exchange, order: _Order, way: Paid) -> Finished | None:
        """Lease, set aside, send."""
        first, most = exchange.first, pico(way.most)
        wanted = claim(exchange, self._scheduler.pool, order.route)
        opened = await to_the_end(
            self._till.open(wanted, self._spend(first, way.model, most), partial(self._covers, first.who, order))
        )
        match opened:
            case Purchase():
                return await self._attempt(exchange, order, way, opened)
            case AlreadyHandled():
                return None
            case OverBudget():
                raise Refused("budget_spent", resets_at=opened.resets_at)
            case NoBudget():
                raise Refused("budget_spent")
            case NotCovered():
                raise Refused("model_not_allowed", why=opened.reason)
            case _:
                assert_never(opened)

    def _covers(self, who: Who, order: _Order, rules: Iterable[Rule]) -> Covered | NotCovered:
        return paid.quote(order.entry, order.size, who, rules, self._clock.now()).access

    async def _attempt(self, exchange: Exchange, order: _Order, way: Paid, purchase: Purchase) -> Finished:
        route, prices = order.route, max_price(way.limit)
        outcome, cost, sent = Outcome(result="failed"), _NOTHING_SAID, False
        generation, noting = "", list[asyncio.Task[None]]()

        def on_sent() -> None:
            nonlocal sent
            sent = True
            exchange.say(Started(model=route.model, lane="paid"))

        def on_generation(id: str) -> None:
            nonlocal generation
            generation = id
            noting.append(asyncio.create_task(self._till.began(purchase, id)))

        request = ChatRequest(
            model=route.model,
            messages=order.sending.take(),
            user=self._pseudonym(exchange.first.author.key),
            session=self._pseudonym(exchange.first.conversation),
            attempt=str(purchase.lease.id),
            max_completion_tokens=route.answer,
            max_price=prices,
        )
        try:
            tell_first(exchange, route, order.sending, warn=False)
            check = self._guarding.check_paid(model=route.model, completion_tokens=route.answer, max_price=prices)
            events = self._model.stream(request, on_sent=on_sent, check=check, on_generation=on_generation)
            del request  # see Context.take
            end = await read(events, exchange, may_judge=lambda _: False, on_text=lambda: None)
            outcome = Outcome(
                result="answered", whole=True, model=end.model, generation=end.generation, usage=end.usage
            )
            cost = _told(end.usage, purchase)
            self._metrics.used("paid", end.usage)
            return Finished(
                model=end.model,
                lane="paid",
                attempts=0,
                share=self._scheduler.share(exchange.first.author, exchange.first.community),
                usage=end.usage,
            )
        except UpstreamFailure as failure:
            outcome = Outcome(
                result="failed", generation=failure.generation or generation, usage=failure.usage or Usage()
            )
            cost = _cost_of(failure, purchase)
            log.warning(
                for_operator(failure.kind, failure.route),
                extra={"action": "upstream", "kind": failure.kind.value, "status": failure.status, "lane": "paid"},
            )
            self._metrics.attempts.labels(outcome=failure.kind.value).inc()
            self._lessons.take(failure, route, day=purchase.lease.day)
            raise reply_error(failure, day_resets_at=self._scheduler.resets_at, named=True) from failure
        except asyncio.CancelledError:
            outcome = Outcome(result="stopped", generation=generation)
            raise
        finally:
            if sent and outcome.result != "failed":
                self._metrics.attempts.labels(outcome=outcome.result).inc()
            closing = replace(outcome, answer=exchange.text, generation=outcome.generation or generation)
            await to_the_end(self._close(purchase, closing, cost if sent else None, sent=sent, noting=noting))

    async def _close(
        self,
        purchase: Purchase,
        outcome: Outcome,
        cost: Pico | None,
        *,
        sent: bool,
        noting: list[asyncio.Task[None]],
    ) -> None:
        for noted in await asyncio.gather(*noting, return_exceptions=True):
            if isinstance(noted, BaseException):  # what it cost is known from the answer, unless a crash comes now
                log.warning("an answer's id could not be kept", extra={"action": "began", "error": repr(noted)})
        try:
            if not sent:
                await self._backlog.write(lambda: self._till.release(purchase))
                return
            await self._backlog.write(lambda: self._till.close(purchase, outcome, cost))
        except Exception as error:
            # The answer has been shown. The money stays set aside, and is looked into when the service next starts.
            log.error("a paid request could not be settled", extra={"action": "settle", "error": repr(error)})
            return
        if cost is None:
            self._unknown_cost()
        elif cost > purchase.charge.spend.most:
            log.warning(
                "a paid answer cost more than was set aside: the catalogue's price of its model is not what is charged",
                extra={"action": "cost", "charge": purchase.charge.id},
            )


_NOTHING_SAID: Pico | None = None


def _told(usage: Usage | None, purchase: Purchase) -> Pico | None:
    """The cost that came with an answer; None: none did. Zero for what costs is no word to rely on.

    What a provider charged for its own key is money of the account's owner, too: it counts with OpenRouter's fee.
    """
    if usage is not None and (usage.whole_usd > Decimal(0) or not purchase.charge.spend.most):
        return pico(usage.whole_usd)
    return None


def _cost_of(failure: UpstreamFailure, purchase: Purchase) -> Pico | None:
    """What a failed request cost, as far as is known.

    OpenRouter charges nothing for what it or a provider refused before an answer was named.
    """
    if (told := _told(failure.usage, purchase)) is not None:
        return told
    refused = failure.status is not None and not failure.generation and failure.kind not in _MAY_GO_ON
    return Pico(0) if refused else None
