"""One pool: all that belongs to one OpenRouter account, from its key to the lanes its members' questions take."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import get_args

from bot.backlog import Backlog
from bot.chores import Chores
from bot.clock import Clock
from bot.conversation.answering import Answering
from bot.conversation.guarding import Guarding
from bot.conversation.lessons import Lessons
from bot.conversation.own_lane import Accounts, OwnLane
from bot.conversation.paying import Paying
from bot.errors import AccountTrouble, FailureKind
from bot.messages import IncomingMessage, Member, ModelId
from bot.office.front import Branch, FrontOffice
from bot.openrouter.account import Account
from bot.openrouter.client import OpenRouter
from bot.openrouter.models import Models
from bot.people import People
from bot.ports import PoolView
from bot.quota.aside import Aside
from bot.quota.board import Board
from bot.quota.ledger import Caps, PoolId
from bot.quota.line import FairLine, FirstCome
from bot.quota.scheduler import Scheduler
from bot.quota.sharing import Days, FairDays, FirstComeDays
from bot.routing.chain import Chain
from bot.routing.router import Route
from bot.routing.shelf import Shelf
from bot.settings import Settings
from bot.storage.access import SqlAccess
from bot.storage.byok import SqlByok
from bot.storage.catalogue import SqlCatalogues
from bot.storage.database import Database
from bot.storage.ledger import SqlLedger
from bot.storage.money import SqlMoney
from bot.storage.till import SqlTill
from bot.storage.transcripts import SqlTranscripts
from bot.telemetry.metrics import Metrics, PoolMeasures

DEFAULT_RPD = 50
"""OpenRouter's free requests a day for an account that never bought ten credits; used until the account tells."""
_FIRST_LOOK = 3.0
"""Seconds a pool that opens waits for what OpenRouter says of the account. It can do without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What every pool of the process has in common."""

    settings: Settings
    clock: Clock
    database: Database
    front: FrontOffice
    """What admins laid down."""
    ledger: SqlLedger
    backlog: Backlog
    """Where what could not be written down waits."""
    money: SqlMoney
    transcripts: SqlTranscripts
    own_keys: Accounts
    """Members' own accounts, which no pool has a part in."""
    aside: Aside
    """Places for what no pool pays for."""
    metrics: Metrics
    pseudonym: Callable[[str], str]
    chores: Callable[[], Chores]
    """Makes the ones of a pool."""
    unknown_cost: Callable[[], None]
    """Called when the cost of a request has to be found out."""
    prefers: Callable[[Member], ModelId | None]
    """The model a member has chosen for themselves."""
    people: People
    board: Board | None = None
    """Where other processes tell what they do; None: there are none."""
    own_under_way: Counter[Member] = field(default_factory=Counter)
    """Questions by members' own accounts, which belong to no pool."""


@dataclass(slots=True, kw_only=True, eq=False)
class Pool:
    """See the module. Made by `open_pool`; `close` when done."""

    id: PoolId
    """Also names the account in grants, budgets and charges."""
    client: OpenRouter
    scheduler: Scheduler
    account: Account
    models: Models
    shelf: Shelf
    access: SqlAccess
    """Who may spend on which models."""
    branch: Branch
    """What admins have laid down."""
    paying: Paying
    answering: Answering
    own_lane: OwnLane
    own: bool
    """The account is a community's own; else it is everybody's who has none."""
    clock: Clock
    used_at: float
    """When somebody last asked for it, by the monotonic clock."""
    left: bool = False
    """No community has it any more: nothing starts here, and it ends when what is under way has."""
    chores: Callable[[], Chores]
    """Makes new ones."""
    _chores: Chores | None = None

    def route(self, message: IncomingMessage, *, images: int = 0) -> Route:
        """Where a message would go if it was sent now, whatever its length. Raises as the router does."""
        lane = self.own_lane if self.own_lane.takes(message.author) else self.answering
        return lane.route(message, images=images)

    def view(self, *, sandbox: bool) -> PoolView:
        """As anyone may see it."""
        scheduler = self.scheduler
        return PoolView(
            sandbox=sandbox,
            own=self.own,
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

    def measured(self) -> PoolMeasures:
        """For the metrics."""
        view = self.view(sandbox=False)
        return PoolMeasures(
            id=self.id,
            view=view,
            elsewhere=self.scheduler.drift,
            catalogue_age=self.models.age,
            byok_month=self.account.byok_month,
        )

    @property
    def quiet(self) -> bool:
        """Nobody waits here, and nothing is under way."""
        return not (self.scheduler.waiting or self.scheduler.answering)

    def idle(self, seconds: float) -> bool:
        """It has been of no use for so long, and closing it would lose nothing that cannot be found out again."""
        if self.left or not self.quiet:
            return self.quiet
        found_out = self.scheduler.shut_for is None or self.scheduler.shut_for in get_args(AccountTrouble)
        settled = found_out and self.scheduler.paused_until is None
        return settled and self.clock.monotonic() - self.used_at >= seconds

    async def look(self) -> None:
        """Hear what the account says, where that is quick. Models that were kept need no look now."""
        try:
            async with asyncio.timeout(_FIRST_LOOK):
                await self.account.look()
                if self.models.catalogue is None:
                    await self.models.look()
        except TimeoutError:
            self.account.trouble = self.account.trouble or FailureKind.TIMEOUT.value

    def watch(self) -> None:
        """Ask the account and the catalogue whenever it is time."""
        if self._chores is None:
            self._chores = self.chores()
            self._chores.begin("account", self.account.watch)
            self._chores.begin("models", self.models.watch)

    async def rest(self) -> None:
        """Ask no more. What is under way goes on."""
        chores, self._chores = self._chores, None
        if chores is not None:
            await chores.close()

    async def close(self) -> None:
        """Finish what is under way in the ledger."""
        self.branch.close()
        await self.rest()
        await self.scheduler.close()


async def open_pool(shared: Shared, id: PoolId, client: OpenRouter, *, own: bool) -> Pool:
    """Take up where the ledger stands, hear what the account says, where that is quick, and watch it from then on.

    Raises:
        StorageError: what is kept of it cannot be read.
    """
    settings, clock, database = shared.settings, shared.clock, shared.database
    await shared.ledger.add_pool(id)
    rpd = None if own else settings.pool_rpd
    scheduler = Scheduler(
        pool=id,
        caps=Caps(rpm=settings.pool_rpm, rpd=rpd or DEFAULT_RPD),
        line=FairLine() if settings.fair_policy == "fair" else FirstCome(),
        days=days_of(settings),
        ledger=shared.ledger,
        clock=clock,
        max_wait=settings.max_wait_seconds,
        watched=True,
        learns_rpd=rpd is None,
        person=shared.people.of,
        board=shared.board,
        backlog=shared.backlog,
    )
    branch = await shared.front.branch(id)
    await scheduler.open(branch.roster.in_force)
    models = Models(
        client=client, store=SqlCatalogues(database), pool=id, clock=clock, chance=random.SystemRandom().random
    )
    await models.open()
    account = Account(
        client=client,
        scheduler=scheduler,
        models=models,
        byok=SqlByok(database, clock, id),
        clock=clock,
        learn_rpd=rpd is None,
        own=own,
    )
    shelf = Shelf(models=models, chain=Chain.of(settings.free_models), clock=clock, house=shared.front.rules)
    access = SqlAccess(database, id)
    await access.load()
    await branch.govern(scheduler, access.load)
    lessons = Lessons(scheduler=scheduler, shelf=shelf, account=account, clock=clock)
    guarding = Guarding(scheduler=scheduler, shelf=shelf, metrics=shared.metrics)
    paying = Paying(
        aside=shared.aside,
        access=access,
        till=SqlTill(database, clock, shared.money),
        backlog=shared.backlog,
        scheduler=scheduler,
        model=client,
        shelf=shelf,
        lessons=lessons,
        guarding=guarding,
        transcripts=shared.transcripts,
        clock=clock,
        pseudonym=shared.pseudonym,
        metrics=shared.metrics,
        unknown_cost=shared.unknown_cost,
        prefers=shared.prefers,
        payer=shared.people.payer,
    )
    pool = Pool(
        id=id,
        client=client,
        scheduler=scheduler,
        account=account,
        models=models,
        shelf=shelf,
        access=access,
        branch=branch,
        paying=paying,
        answering=Answering(
            scheduler=scheduler,
            model=client,
            shelf=shelf,
            lessons=lessons,
            guarding=guarding,
            paying=paying,
            transcripts=shared.transcripts,
            clock=clock,
            pseudonym=shared.pseudonym,
            metrics=shared.metrics,
        ),
        own_lane=OwnLane(
            accounts=shared.own_keys,
            ledger=shared.ledger,
            backlog=shared.backlog,
            scheduler=scheduler,
            shelf=shelf,
            transcripts=shared.transcripts,
            clock=clock,
            pseudonym=shared.pseudonym,
            metrics=shared.metrics,
            under_way=shared.own_under_way,
        ),
        own=own,
        clock=clock,
        chores=shared.chores,
        used_at=clock.monotonic(),
    )
    await pool.look()
    pool.watch()
    return pool


def pool_of(settings: Settings) -> PoolId:
    """The pool and the account that these settings speak of."""
    return PoolId("sandbox" if settings.sandbox else "default")


def days_of(settings: Settings) -> Days:
    """How days are shared, as is set."""
    if settings.fair_policy == "fcfs":
        return FirstComeDays()
    return FairDays(between_communities=settings.fair_between == "communities", promise_units=settings.promise_units)
