"""The composition root: settings → database → pool → conversation service, and an end in order."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from bot.clock import DAY, Clock, Instant, day_of, day_start
from bot.commands.registry import Registry
from bot.conversation.answering import Answering
from bot.conversation.guarding import Guarding
from bot.conversation.lessons import Lessons
from bot.conversation.own_lane import OwnLane
from bot.conversation.paying import Paying
from bot.conversation.service import ConversationService
from bot.desk_of import desk_of, open_office, pool_for_desk, registry_of
from bot.errors import FailureKind, PotluckError, StorageError
from bot.office.office import Office
from bot.office.roster import Unlinked
from bot.openrouter.account import Account
from bot.openrouter.client import OpenRouter
from bot.openrouter.costs import Costs
from bot.openrouter.linking import site
from bot.openrouter.models import Models
from bot.own_keys import OwnKeys
from bot.quota.aside import Aside
from bot.quota.ledger import Caps, PoolId
from bot.quota.line import FairLine, FirstCome
from bot.quota.scheduler import Scheduler
from bot.quota.sharing import Days, FairDays, FirstComeDays
from bot.routing.chain import Chain
from bot.routing.shelf import Shelf
from bot.secrets import Secret, load_secret
from bot.settings import Settings
from bot.storage.access import SqlAccess
from bot.storage.catalogue import SqlCatalogues
from bot.storage.database import Database
from bot.storage.held import SqlHeldQuestions
from bot.storage.keys import SqlKeys
from bot.storage.ledger import SqlLedger
from bot.storage.migration import migrate
from bot.storage.money import SqlMoney
from bot.storage.till import SqlTill
from bot.storage.transcripts import SqlTranscripts
from bot.telemetry.logs import logger
from bot.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from bot.openrouter.sandbox import SandboxSettings

log = logger(__name__)

DEFAULT_RPD = 50
"""OpenRouter's free requests a day for an account that never bought ten credits; used until the account tells."""
_CONNECTIONS = 1000
_PAID_AT_ONCE = 32
"""Paid requests under way at most."""
_PRUNE_EVERY = 3600.0
_FIRST_LOOK = 3.0
"""Seconds a start waits for what OpenRouter says of the account. It can do without, and must still end when told."""


class StartError(PotluckError):
    """The service cannot start; its text is one line that says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Everything that is running, but for the adapters."""

    settings: Settings
    clock: Clock
    secret: Secret
    database: Database
    scheduler: Scheduler
    conversations: ConversationService
    account: Account
    models: Models
    own_keys: OwnKeys
    access: SqlAccess
    """Who may spend on which models."""
    money: SqlMoney
    """How much may be spent, and what has been."""
    paying: Paying
    office: Office
    """What admins have laid down. `follow` it where others may change it beside this process."""
    registry: Registry
    """The commands."""
    metrics: Metrics
    upstream: str
    """The base URL requests go to."""
    recovered: int
    """Leases the last run left open."""


@asynccontextmanager
async def service(
    settings: Settings, clock: Clock, *, sandbox: SandboxSettings | None = None, database: Database | None = None
) -> AsyncIterator[Service]:
    """Start everything but the adapters; end it in order on the way out.

    `sandbox` says how the built-in one behaves, `database` is one to open in place of the settings' own.

    Raises:
        PotluckError: it cannot start; one line says why.
    """
    async with AsyncExitStack() as stack:
        stack.callback(_alone_with(settings).release)
        migrate(settings.database_file)
        secret = load_secret(settings)
        database = database or Database(settings.database_file, clock)
        await database.open()
        stack.push_async_callback(database.close)
        upstream = settings.openrouter_base_url
        if settings.sandbox:
            upstream = await _start_sandbox(stack, settings, clock, sandbox)
        key = settings.openrouter_api_key
        client = OpenRouter(
            base_url=upstream,
            api_key=key.get_secret_value() if key else "sandbox",
            clock=clock,
            max_connections=_CONNECTIONS,
            # The site a request is attributed to is whoever runs this: the address of its own page.
            referer=f"http://{settings.web_host}:{settings.web_port}",
        )
        stack.push_async_callback(client.close)
        metrics = Metrics()
        ledger = SqlLedger(database, clock)
        money = SqlMoney(database, clock)
        recovered = await ledger.recover()
        await money.recover()
        pool = pool_of(settings)
        await ledger.add_pool(pool)
        scheduler = Scheduler(
            pool=pool,
            caps=Caps(rpm=settings.pool_rpm, rpd=settings.pool_rpd or DEFAULT_RPD),
            line=FairLine() if settings.fair_policy == "fair" else FirstCome(),
            days=_days(settings),
            ledger=ledger,
            clock=clock,
            max_wait=settings.max_wait_seconds,
            watched=True,
        )
        front = await open_office(database, clock, Unlinked())
        await scheduler.open(front.roster.in_force)
        stack.push_async_callback(scheduler.close)
        models = Models(
            client=client, store=SqlCatalogues(database), pool=pool, clock=clock, chance=random.SystemRandom().random
        )
        await models.open()
        account = Account(
            client=client, scheduler=scheduler, models=models, clock=clock, learn_rpd=settings.pool_rpd is None
        )
        await _first_look(account, models)
        vault = secret.vault()
        own_keys = OwnKeys(
            kept=SqlKeys(database, clock, vault),
            vault=vault,
            client=client,
            page=site(upstream),
            clock=clock,
            entropy=secrets.token_bytes,
        )
        await own_keys.open()
        shelf = Shelf(models=models, chain=Chain.of(settings.free_models), clock=clock)
        transcripts = SqlTranscripts(database, clock)
        access = SqlAccess(database, pool)
        await access.load()
        lessons = Lessons(scheduler=scheduler, shelf=shelf, account=account, clock=clock)
        guarding = Guarding(scheduler=scheduler, shelf=shelf, metrics=metrics)
        costs = Costs(client=client, money=money, clock=clock)
        paying = Paying(
            aside=Aside(most=_PAID_AT_ONCE, max_wait=settings.max_wait_seconds),
            access=access,
            till=SqlTill(database, clock, money),
            scheduler=scheduler,
            model=client,
            shelf=shelf,
            lessons=lessons,
            guarding=guarding,
            transcripts=transcripts,
            clock=clock,
            pseudonym=secret.pseudonym(),
            metrics=metrics,
            unknown_cost=costs.expect,
        )
        conversations = ConversationService(
            answering=Answering(
                scheduler=scheduler,
                model=client,
                shelf=shelf,
                lessons=lessons,
                guarding=guarding,
                paying=paying,
                transcripts=transcripts,
                clock=clock,
                pseudonym=secret.pseudonym(),
                metrics=metrics,
            ),
            own_lane=OwnLane(
                accounts=own_keys,
                ledger=ledger,
                scheduler=scheduler,
                shelf=shelf,
                transcripts=transcripts,
                clock=clock,
                pseudonym=secret.pseudonym(),
                metrics=metrics,
            ),
            scheduler=scheduler,
            transcripts=transcripts,
            held=SqlHeldQuestions(database),
            door=front.door,
            clock=clock,
            metrics=metrics,
            sandbox=settings.sandbox,
        )
        at_desk = await pool_for_desk(front, scheduler=scheduler, access=access, shelf=shelf)
        at_desk.rules.changed, front.roster.lay_down = conversations.look_soon, conversations.lay_down
        await conversations.open()
        stack.push_async_callback(conversations.close)
        metrics.watch_pool(conversations.pool)
        metrics.watch("potluck_pool_elsewhere", "Units of the day that other programs used.", lambda: scheduler.drift)
        metrics.watch("potluck_catalogue_age_seconds", "Since the models were last listed.", lambda: models.age)
        pruning = _prune(transcripts, ledger, money, clock, settings)
        for chore in (account.watch(), models.watch(), costs.watch(), pruning):
            task = asyncio.create_task(chore)
            stack.push_async_callback(_end, task)
        desk = desk_of(
            front, at_desk, clock=clock, owners=settings.owner_ids, conversations=conversations, keys=own_keys
        )
        yield Service(
            settings=settings,
            clock=clock,
            secret=secret,
            database=database,
            scheduler=scheduler,
            conversations=conversations,
            account=account,
            models=models,
            own_keys=own_keys,
            access=access,
            money=money,
            paying=paying,
            office=front.office,
            registry=registry_of(desk),
            metrics=metrics,
            upstream=upstream,
            recovered=recovered,
        )


def pool_of(settings: Settings) -> PoolId:
    """The pool and the account that these settings speak of."""
    return PoolId("sandbox" if settings.sandbox else "default")


def _days(settings: Settings) -> Days:
    if settings.fair_policy == "fcfs":
        return FirstComeDays()
    return FairDays(between_communities=settings.fair_between == "communities", promise_units=settings.promise_units)


def _alone_with(settings: Settings) -> FileLock:
    """One process per SQLite database: a second one would take the first one's open leases for a crash's."""
    lock = FileLock(f"{settings.database_file}.lock", blocking=False)
    try:
        settings.database_file.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise StartError(
            f"Another Potluck is using {settings.database_file}. Stop it, or set DATABASE_URL to another file."
        ) from None
    except OSError as error:
        raise StorageError(
            f"{settings.database_file} cannot be used: {error.strerror}. Set DATABASE_URL to a file Potluck may write."
        ) from None
    return lock


async def _start_sandbox(stack: AsyncExitStack, settings: Settings, clock: Clock, given: SandboxSettings | None) -> str:
    from bot.openrouter.sandbox import Sandbox, SandboxSettings

    sandbox = Sandbox(given or SandboxSettings(rpm=settings.pool_rpm, rpd=settings.pool_rpd or DEFAULT_RPD), clock)
    url = await sandbox.start()
    stack.push_async_callback(sandbox.close)
    return url


async def _first_look(account: Account, models: Models) -> None:
    """Ask before the first question comes, where that is quick. Models that were kept need no look now."""
    try:
        async with asyncio.timeout(_FIRST_LOOK):
            await account.look()
            if models.catalogue is None:
                await models.look()
    except TimeoutError:
        account.trouble = account.trouble or FailureKind.TIMEOUT.value


async def _prune(
    transcripts: SqlTranscripts, ledger: SqlLedger, money: SqlMoney, clock: Clock, settings: Settings
) -> None:
    while True:
        gone = await transcripts.prune(before=Instant(clock.now() - settings.retain_messages_days * DAY))
        if gone:
            log.info("old turns were deleted", extra={"action": "prune", "turns": gone})
        oldest = day_of(clock.now()) - settings.retain_counts_days
        await ledger.prune(before_day=oldest)
        await money.prune(before=day_start(oldest))
        await asyncio.sleep(_PRUNE_EVERY)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
