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

from bot.belongings import Belongings, Retention
from bot.choices import Choices
from bot.clock import DAY, Clock, Instant, day_of, day_start
from bot.conversation.answering import Answering
from bot.conversation.guarding import Guarding
from bot.conversation.lessons import Lessons
from bot.conversation.own_lane import OwnLane
from bot.conversation.paying import Paying
from bot.conversation.service import ConversationService
from bot.day_book import LedgerDayBook
from bot.errors import FailureKind, PotluckError, StorageError
from bot.fairness import Fairness
from bot.joining import Joining, held_back
from bot.messages import Member
from bot.openrouter.account import Account
from bot.openrouter.client import OpenRouter
from bot.openrouter.costs import Costs
from bot.openrouter.linking import site
from bot.openrouter.models import Models
from bot.own_keys import OwnKeys
from bot.people import People
from bot.personal import PersonalChoices, PersonalKeys
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
from bot.storage.belongings import SqlBelongings
from bot.storage.byok import SqlByok
from bot.storage.catalogue import SqlCatalogues
from bot.storage.choices import SqlChoices
from bot.storage.database import Database
from bot.storage.fairness import SqlFairness
from bot.storage.held import SqlHeldQuestions
from bot.storage.keys import SqlKeys
from bot.storage.ledger import SqlLedger
from bot.storage.migration import migrate
from bot.storage.money import SqlMoney
from bot.storage.people import SqlPeople
from bot.storage.terms import SqlTerms
from bot.storage.till import SqlTill
from bot.storage.transcripts import SqlTranscripts
from bot.storage.uses import SqlUses
from bot.telemetry.logs import logger
from bot.telemetry.metrics import Metrics
from bot.uses import Uses

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
    keys: PersonalKeys
    """The same for adapters, which know accounts."""
    choices: PersonalChoices
    people: People
    joining: Joining
    belongings: Belongings
    uses: Uses
    access: SqlAccess
    """Who may spend on which models."""
    money: SqlMoney
    """How much may be spent, and what has been."""
    paying: Paying
    day: LedgerDayBook
    fairness: Fairness
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
        vault = secret.vault()
        people_kept = SqlPeople(database, SqlKeys(database, clock, vault))
        people = People(store=people_kept, digest=secret.pseudonym())
        scheduler = Scheduler(
            pool=pool,
            caps=Caps(rpm=settings.pool_rpm, rpd=settings.pool_rpd or DEFAULT_RPD),
            line=FairLine() if settings.fair_policy == "fair" else FirstCome(),
            days=_days(settings),
            ledger=ledger,
            clock=clock,
            max_wait=settings.max_wait_seconds,
            watched=True,
            person=people.of,
        )
        # Who is one person comes first: today's terms and counts are over persons.
        await people_kept.part_due(today=day_of(clock.now()))
        await people.open()
        terms = SqlTerms(database, pool)
        await scheduler.open(await terms.load())
        stack.push_async_callback(scheduler.close)
        models = Models(
            client=client, store=SqlCatalogues(database), pool=pool, clock=clock, chance=random.SystemRandom().random
        )
        await models.open()
        account = Account(
            client=client,
            scheduler=scheduler,
            models=models,
            byok=SqlByok(database, clock, pool),
            clock=clock,
            learn_rpd=settings.pool_rpd is None,
        )
        await _first_look(account, models)
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
        chosen = SqlChoices(database, clock)
        choices = Choices(store=chosen, access=access, offer=lambda _: shelf.offer(), own_key=own_keys.has)
        await choices.open()
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
            payer=people.payer,
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
            terms=terms,
            choices=choices,
            clock=clock,
            metrics=metrics,
            sandbox=settings.sandbox,
            people=people,
        )
        await conversations.open()
        stack.push_async_callback(conversations.close)
        fairness = Fairness(
            scheduler=lambda community: scheduler,
            schedulers=lambda: (scheduler,),
            ledger=ledger,
            store=SqlFairness(database),
            person=people.of,
            clock=clock,
            weights=(lambda _: scheduler.terms.communities) if settings.fair_between == "communities" else None,
        )

        async def moved() -> None:
            for kept in (own_keys, choices):
                await kept.open()
            await access.load()

        def kept_back(member: Member) -> bool:
            return held_back(people, scheduler.terms, access.rules, member, clock.now())

        belongings = Belongings(
            people=people,
            store=SqlBelongings(database, lambda: secrets.token_hex(16)),
            clock=clock,
            retention=Retention(messages=settings.retain_messages_days, counts=settings.retain_counts_days),
            idle=conversations.idle,
            held_back=kept_back,
            schedulers=lambda: (scheduler,),
            moved=moved,
        )
        joining = Joining(
            people=people,
            store=people_kept,
            clock=clock,
            idle=conversations.idle,
            held_back=kept_back,
            schedulers=lambda: (scheduler,),
            moved=moved,
            letter=secrets.randbelow,
            digest=secret.pseudonym(),
        )
        metrics.watch_pool(conversations.pool)
        metrics.watch("potluck_pool_elsewhere", "Units of the day that other programs used.", lambda: scheduler.drift)
        metrics.watch("potluck_catalogue_age_seconds", "Since the models were last listed.", lambda: models.age)
        metrics.watch(
            "potluck_byok_month_usd",
            "List price of what providers' own keys answered this month, by the account.",
            lambda: None if account.byok_month is None else float(account.byok_month),
        )
        pruning = _prune(transcripts, ledger, money, chosen, clock, settings)
        for chore in (account.watch(), models.watch(), costs.watch(), fairness.watch(), joining.watch(), pruning):
            task = asyncio.create_task(chore)
            stack.push_async_callback(_end, task)
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
            keys=PersonalKeys(own_keys, people),
            choices=PersonalChoices(choices, people),
            people=people,
            joining=joining,
            belongings=belongings,
            uses=Uses(store=SqlUses(database), people=people),
            access=access,
            money=money,
            paying=paying,
            day=LedgerDayBook(scheduler=lambda community: scheduler, ledger=ledger, clock=clock),
            fairness=fairness,
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
    transcripts: SqlTranscripts,
    ledger: SqlLedger,
    money: SqlMoney,
    choices: SqlChoices,
    clock: Clock,
    settings: Settings,
) -> None:
    while True:
        gone = await transcripts.prune(before=Instant(clock.now() - settings.retain_messages_days * DAY))
        if gone:
            log.info("old turns were deleted", extra={"action": "prune", "turns": gone})
        oldest = day_of(clock.now()) - settings.retain_counts_days
        await ledger.prune(before_day=oldest)
        await money.prune(before=day_start(oldest))
        await choices.prune(before=day_start(oldest))
        await asyncio.sleep(_PRUNE_EVERY)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
