"""Every combination of wish, grant, budget, habit, pool and catalogue, through all the code that decides.

The table of who may is written here once more, by hand and the other way round: by name, not by rule.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Literal, TypeAlias

import pytest
from sqlalchemy import delete

from bot.backlog import Backlog
from bot.chat_model import ChatRequest, ModelEnd, ModelEvent, ModelText
from bot.clock import Instant, day_of
from bot.conversation.answering import Answering
from bot.conversation.exchange import Exchange
from bot.conversation.guarding import Guarding
from bot.conversation.lessons import Lessons
from bot.conversation.paying import Paying
from bot.errors import AccountTrouble, Refused, ReplyError
from bot.messages import (
    CommunityId,
    ConversationId,
    Finished,
    IncomingMessage,
    Member,
    MessageId,
    ModelId,
    Standing,
    Usage,
)
from bot.openrouter import wire
from bot.openrouter.sandbox.catalogue import listing
from bot.quota.aside import Aside
from bot.quota.ledger import Caps, PoolId
from bot.quota.line import FirstCome
from bot.quota.scheduler import Scheduler
from bot.quota.sharing import FirstComeDays
from bot.routing.access import Grantee, Reach, Rule, RuleId, ToCommunity, ToGroup, ToMember, ToRole
from bot.routing.budget import PICO, Budget, Pico, Spend
from bot.routing.catalogue import Catalogue, is_free_id
from bot.routing.chain import Chain
from bot.routing.prices import Rates
from bot.routing.shelf import Shelf
from bot.storage.access import SqlAccess
from bot.storage.database import Database
from bot.storage.ledger import SqlLedger
from bot.storage.money import SqlMoney
from bot.storage.tables import access_rules
from bot.storage.till import SqlTill
from bot.storage.transcripts import SqlTranscripts
from bot.telemetry.metrics import Metrics
from tests.fakes.databases import HOME, opened
from tests.fakes.virtual import VirtualClock, VirtualLoop

pytestmark = pytest.mark.virtual

ACCOUNT, WEB = PoolId("default"), CommunityId("web")
ANN, BEN = Member("web", "ann"), Member("web", "ben")
CHEAP, DEAR, AUTO = ModelId("sandbox/meadow-8b"), ModelId("sandbox/summit-120b"), ModelId("openrouter/auto")
COST = Decimal("0.0005")

Pool: TypeAlias = Literal["open", "spent", "shut"]
WISHES: Sequence[ModelId | None] = (
    None,
    *(ModelId(id) for id in ("openrouter/free", "sandbox/harbor-24b:free", "sandbox/gone:free")),
    CHEAP,
    DEAR,
    AUTO,
    *(ModelId(id) for id in ("sandbox/summit-120b:online", "sandbox/none", "sandbox/gatekeeper-4b:free")),
)
BOUGHT = (CHEAP, DEAR, AUTO)
FREE = ModelId("openrouter/free")
PRICE: dict[ModelId, int] = {CHEAP: 1, DEAR: 2}


def rule(to: Grantee, reach: Reach = Reach(), *, allows: bool = True, ends_at: float | None = None) -> Rule:  # noqa: B008
    return Rule(id=RuleId(1), allows=allows, to=to, reach=reach, ends_at=None if ends_at is None else Instant(ends_at))


MINE = rule(ToMember(ANN))
CEILING = Reach(ceiling=Rates.per_million(Decimal(1), Decimal(5)))
LOW = Reach(ceiling=Rates.per_million(Decimal("0.5"), Decimal("0.5")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """Rules, and by hand what they let Ann have."""

    rules: tuple[Rule, ...]
    has: frozenset[ModelId]
    standing: Standing = "full"


LISTED = frozenset({CHEAP, DEAR})
RIGHTS: Mapping[str, Right] = {
    "none": Right(rules=(), has=frozenset()),
    "all": Right(rules=(MINE,), has=LISTED),
    "one": Right(rules=(rule(ToMember(ANN), Reach(models=frozenset({DEAR}))),), has=frozenset({DEAR})),
    "ceiling": Right(rules=(rule(ToMember(ANN), CEILING),), has=frozenset({CHEAP, AUTO})),
    "somebody else's": Right(rules=(rule(ToMember(BEN)),), has=frozenset()),
    "elsewhere": Right(rules=(rule(ToMember(ANN, CommunityId("slack:T1"))),), has=frozenset()),
    "community": Right(rules=(rule(ToCommunity(WEB)),), has=LISTED),
    "role": Right(rules=(rule(ToRole(WEB, "r1")),), has=LISTED),
    "group": Right(rules=(rule(ToGroup(WEB, "g1")),), has=LISTED),
    "other group": Right(rules=(rule(ToGroup(WEB, "g2")),), has=frozenset()),
    "community, a guest": Right(rules=(rule(ToCommunity(WEB)),), has=frozenset(), standing="guest"),
    "by name, a guest": Right(rules=(MINE,), has=LISTED, standing="stranger"),
    "ended": Right(rules=(rule(ToMember(ANN), ends_at=1.0),), has=frozenset()),
    "denied": Right(rules=(MINE, rule(ToCommunity(WEB), allows=False)), has=frozenset(), standing="guest"),
    "denied above a price": Right(rules=(MINE, rule(ToCommunity(WEB), CEILING, allows=False)), has=frozenset({CHEAP})),
    "a router that could pick what is denied": Right(
        rules=(rule(ToMember(ANN), CEILING), rule(ToMember(ANN), LOW, allows=False)), has=frozenset({CHEAP})
    ),
    "one denied": Right(
        rules=(MINE, rule(ToMember(ANN), Reach(models=frozenset({DEAR})), allows=False)), has=frozenset({CHEAP})
    ),
}
BUDGETS: Mapping[str, tuple[Budget, ...]] = {
    "none": (),
    "enough": (Budget(account=ACCOUNT, member=None, community=None, period="month", limit=Pico(5 * PICO)),),
    "a trace": (Budget(account=ACCOUNT, member=None, community=None, period="month", limit=Pico(1)),),
    "somebody else's": (Budget(account=ACCOUNT, member=BEN, community=None, period="day", limit=Pico(5 * PICO)),),
    "another community's": (
        Budget(account=ACCOUNT, member=None, community=CommunityId("slack:T1"), period="ever", limit=Pico(5 * PICO)),
    ),
    "enough, but for the day": (
        Budget(account=ACCOUNT, member=None, community=None, period="ever", limit=Pico(5 * PICO)),
        Budget(account=ACCOUNT, member="each", community=None, period="day", limit=Pico(1)),
    ),
}


class Given:
    """Rules and a habit as the combination has them: `bot.routing.access.Access`."""

    def __init__(self) -> None:
        self.rules: Sequence[Rule] = ()
        self.habit = False
        self.chosen: ModelId | None = None
        """What the member has chosen, where a message names nothing and the pool is spent."""

    async def refresh(self) -> None:
        pass

    def pays_when_spent(self, member: Member) -> bool:
        return self.habit


class Answers:
    """A model that answers at once and keeps what it was sent: `bot.chat_model.ChatModel`."""

    def __init__(self) -> None:
        self.sent: list[ChatRequest] = []

    async def stream(
        self,
        request: ChatRequest,
        *,
        on_sent: Callable[[], None],
        check: Callable[[Mapping[str, object]], None] | None = None,
        on_generation: Callable[[str], None] | None = None,
    ) -> AsyncGenerator[ModelEvent]:
        assert check is not None, "nothing leaves unseen"
        check(wire.chat_document(request))
        on_sent()
        self.sent.append(request)
        yield ModelText(text="Hello.", model=request.model)
        cost = Decimal(0) if request.max_price is None else COST
        yield ModelEnd(model=request.model, generation="gen-1", usage=Usage(cost_usd=cost))


class Listed:
    """`bot.routing.shelf.Listed`."""

    def __init__(self, catalogue: Catalogue | None) -> None:
        self.catalogue = catalogue

    def missing(self, model: ModelId) -> None:
        raise AssertionError(model)


class Trusting:
    """`bot.conversation.lessons.AccountWatch`."""

    def limited(self) -> None:
        pass

    def suspect(self, trouble: AccountTrouble) -> None:
        raise AssertionError(trouble)


@dataclass(frozen=True, slots=True, kw_only=True)
class Everything:
    answering: Answering
    given: Given
    model: Answers
    money: SqlMoney
    scheduler: Scheduler
    clock: VirtualClock
    database: Database

    async def lay_down(self, rules: Sequence[Rule]) -> None:
        """These hold, in memory and in the database."""
        if rules == self.given.rules:
            return
        await self.database.write(lambda connection: connection.execute(delete(access_rules)) and None)
        kept = SqlAccess(self.database, ACCOUNT)
        for rule in rules:
            await kept.add(allows=rule.allows, to=rule.to, reach=rule.reach, ends_at=rule.ends_at)
        self.given.rules = rules


@asynccontextmanager
async def everything(
    database: Database, clock: VirtualClock, pool: Pool, offered: frozenset[ModelId] | None
) -> AsyncIterator[Everything]:
    ledger, money, metrics = SqlLedger(database, clock), SqlMoney(database, clock), Metrics()
    await ledger.add_pool(ACCOUNT)
    scheduler = Scheduler(
        pool=ACCOUNT,
        caps=Caps(rpm=100_000, rpd=100_000),
        line=FirstCome(),
        days=FirstComeDays(),
        ledger=ledger,
        clock=clock,
        max_wait=60,
    )
    await scheduler.open()
    if pool == "spent":
        scheduler.spend_rest(day_of(clock.now()))
    elif pool == "shut":
        scheduler.shut("admin")
    catalogue = Catalogue.of(wire.model_list(listing()), fetched_at=clock.now(), personal=True)
    gone = ALL - (offered or frozenset())
    shelf = Shelf(models=Listed(None if offered is None else catalogue.without(gone)), chain=Chain(), clock=clock)
    guarding = Guarding(scheduler=scheduler, shelf=shelf, metrics=metrics)
    lessons = Lessons(scheduler=scheduler, shelf=shelf, account=Trusting(), clock=clock)
    given, model, transcripts = Given(), Answers(), SqlTranscripts(database, clock)
    paying = Paying(
        aside=Aside(most=4, max_wait=60),
        access=given,
        backlog=Backlog(),
        till=SqlTill(database, clock, money),
        scheduler=scheduler,
        model=model,
        shelf=shelf,
        lessons=lessons,
        guarding=guarding,
        transcripts=transcripts,
        clock=clock,
        pseudonym=lambda name: name,
        metrics=metrics,
        unknown_cost=lambda: None,
        prefers=lambda _: given.chosen,
        payer=lambda member: member,
    )
    answering = Answering(
        scheduler=scheduler,
        model=model,
        shelf=shelf,
        lessons=lessons,
        guarding=guarding,
        paying=paying,
        transcripts=transcripts,
        clock=clock,
        pseudonym=lambda name: name,
        metrics=metrics,
    )
    try:
        yield Everything(
            answering=answering,
            given=given,
            model=model,
            money=money,
            scheduler=scheduler,
            clock=clock,
            database=database,
        )
    finally:
        await scheduler.close()


async def asked(everything: Everything, number: int, wish: ModelId | None, right: Right) -> Finished | ReplyError:
    """What comes of a question, the way the service asks it."""
    message = IncomingMessage(
        id=MessageId(f"web:{number}"),
        conversation=ConversationId(f"c{number}"),
        community=WEB,
        author=ANN,
        author_name="ann",
        place="a test",
        text="hello",
        received_at=everything.clock.now(),
        model=wish,
        standing=right.standing,
        roles=frozenset({"r1"}),
        groups=frozenset({"g1"}),
    )
    try:
        everything.answering.route(message)
        finished = await everything.answering.answer(Exchange(message))
    except ReplyError as error:
        return error
    assert finished is not None
    return finished


ALL, ONE_GONE = frozenset(BOUGHT), frozenset({CHEAP, AUTO})


@pytest.mark.parametrize(
    ("pool", "offered"),
    [
        *(pytest.param(pool, ALL, id=f"{pool}, all on offer") for pool in ("open", "spent", "shut")),
        pytest.param("spent", ONE_GONE, id="spent, one gone"),
        *(pytest.param(pool, None, id=f"{pool}, no catalogue") for pool in ("open", "spent", "shut")),
    ],
)
async def test_no_money_without_a_right_and_a_budget_and_no_refusal_without_a_reason(
    tmp_path: Path, clock: VirtualClock, loop: VirtualLoop, pool: Pool, offered: frozenset[ModelId] | None
) -> None:
    number, bought = 0, 0
    async with (
        opened(HOME.where(tmp_path), clock, loop) as database,
        everything(database, clock, pool, offered) as all_of_it,
    ):
        # What the member prefers counts only where something else takes the pool's place; elsewhere the habit is the
        # bolder half.
        spent = pool == "spent"
        prefers = (None, DEAR, AUTO) if spent and offered else (None,)
        rights_and_habits = product(BUDGETS.items(), RIGHTS.items(), (False, True) if spent else (True,), prefers)
        for (budget_name, budgets), (name, right), habit, chosen in rights_and_habits:
            for budget in budgets:
                await all_of_it.money.set_budget(budget)
            has = right.has & (offered or frozenset())
            await all_of_it.lay_down(right.rules)
            all_of_it.given.habit, all_of_it.given.chosen = habit, chosen
            for wish in WISHES if chosen is None else (None, FREE):
                number += 1
                all_of_it.model.sent.clear()
                came = await asked(all_of_it, number, wish, right)
                about = (wish, name, budget_name, habit, chosen, came)
                best = chosen if chosen in has & LISTED else min(has & LISTED, key=lambda one: PRICE[one], default=None)
                can_pay = budget_name == "enough" and pool != "shut"
                may = can_pay and best is not None
                goes_on = wish is None and habit and pool == "spent" and may
                paid = (can_pay and wish in has) or goes_on
                requests = [one for one in all_of_it.model.sent if one.max_price is not None]
                assert bool(requests) is paid, about
                bought += paid
                for request in all_of_it.model.sent:
                    assert is_free_id(request.model) is not paid, about
                    if paid:
                        assert request.model == (wish if wish is not None else best), about
                        assert request.model in has, about
                        assert not request.fallbacks, about
                        assert request.max_completion_tokens, about
                if isinstance(came, Finished):
                    assert came.lane == ("paid" if paid else "free"), about
                    assert came.usage.cost_usd == (COST if paid else 0), about
                else:
                    explained(came, wish, has, pool, offered or frozenset(), best if may else None)
            for budget in budgets:
                await all_of_it.money.remove_budget(budget)
        whole = replace(BUDGETS["enough"][0], period="ever")
        await all_of_it.money.set_budget(whole)
        # By the counter of everything: what was bought was counted, once each, and nothing else.
        assert await all_of_it.money.left(_nothing()) == (whole, whole.limit - bought * int(COST * PICO))
        assert (bought > 0) is (bool(offered) and pool != "shut"), "the table has something in it"


def _nothing() -> Spend:
    return Spend(account=ACCOUNT, member=ANN, community=WEB, model=CHEAP, most=Pico(0))


def explained(
    error: ReplyError,
    wish: ModelId | None,
    has: frozenset[ModelId],
    pool: Pool,
    offered: frozenset[ModelId],
    best: ModelId | None,
) -> None:
    """A refusal has a reason, and it is the right one."""
    assert isinstance(error, Refused), error.code
    match error.code:
        case "model_not_allowed":
            assert error.why is not None
            assert wish is not None
            assert (error.why == "unknown") is (wish not in offered), (wish, error.why)
            assert wish not in has, wish
        case "budget_spent":
            assert wish in has
        case "pool_spent":
            assert pool == "spent"
            assert error.resets_at is not None
            assert wish is None or wish.endswith(("free", ":free"))
            assert (None if error.offer is None else error.offer.model) == best, (wish, has, error.offer)
            assert error.offer is None or error.offer.most > 0
        case "pool_paused":
            assert pool == "shut"
        case other:
            raise AssertionError(other)
