"""The composition root: settings → database → pool → conversation service, and an end in order."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from bot.account_clients import AccountClients
from bot.alone import alone_with
from bot.backlog import Backlog
from bot.belongings import Belongings, Retention
from bot.choices import Choices
from bot.chores import Chores
from bot.clock import Clock, SharedClock, day_of
from bot.community_keys import CommunityKeys, PoolsFed
from bot.conversation.service import ConversationService
from bot.day_book import LedgerDayBook
from bot.desk_of import open_office, registry_of
from bot.fairness import Fairness
from bot.joining import Joining, held_back
from bot.messages import Member
from bot.open_links import OpenLinks
from bot.openrouter.client import OpenRouter
from bot.openrouter.costs import Costs
from bot.openrouter.linking import site
from bot.own_keys import OwnKeys
from bot.people import People
from bot.personal import PersonalChoices, PersonalKeys
from bot.pool import DEFAULT_RPD, Shared, open_pool, pool_of
from bot.pools import Pools
from bot.quota.aside import Aside
from bot.secrets import load_secret
from bot.service import Service
from bot.settings import Settings
from bot.storage.attachments import SqlFiles
from bot.storage.belongings import SqlBelongings
from bot.storage.board import SqlBoard
from bot.storage.choices import SqlChoices
from bot.storage.database import Database
from bot.storage.fairness import SqlFairness
from bot.storage.held import SqlHeldQuestions
from bot.storage.keys import SqlKeys
from bot.storage.ledger import SqlLedger
from bot.storage.migration import migrate
from bot.storage.money import SqlMoney
from bot.storage.office import SqlArchive
from bot.storage.people import SqlPeople
from bot.storage.posts import SqlPosts
from bot.storage.probing import Probing
from bot.storage.transcripts import SqlTranscripts
from bot.storage.uses import SqlUses
from bot.telemetry.logs import logger
from bot.telemetry.metrics import Metrics
from bot.upkeep import PRUNE_EVERY, KeepingUp, Pruning
from bot.uses import Uses
from bot.vault import Vault

if TYPE_CHECKING:
    from bot.openrouter.sandbox import SandboxSettings

log = logger(__name__)

_CONNECTIONS = 1000
_PAID_AT_ONCE = 32
"""Paid requests under way at most."""


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
        if settings.server:
            clock = SharedClock(clock)
        else:
            stack.callback(alone_with(settings).release)
        migrate(settings.database)
        secret = load_secret(settings)
        metrics, backlog = Metrics(), Backlog()
        database = database or Database(settings.database, clock)
        database.times.measured = metrics.unit_took
        await database.open()
        stack.push_async_callback(database.close)
        stack.push_async_callback(backlog.close)
        metrics.watch_backlog(backlog.__len__)

        def new_chores() -> Chores:
            return Chores(metrics.chore_failed)

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
        ledger, money = SqlLedger(database, clock), SqlMoney(database, clock)
        board = None if database.process is None else SqlBoard(database, ledger, money, clock)
        if board is not None:
            await board.join()
            stack.push_async_callback(board.part)
        # Of several, one that lives may not have been able to say so: it settles what it answers all the same.
        recovered = await (ledger.recover() if board is None else ledger.give_up())
        await money.recover()
        vault = secret.vault()
        keys = SqlKeys(database, clock, vault)
        people_kept = SqlPeople(database, keys)
        people = People(store=people_kept, digest=secret.pseudonym())
        # Who is one person comes first: today's terms and counts are over persons.
        await people_kept.part_due(today=day_of(clock.now()))
        await people.open()
        front = await open_office(database, clock, people, default=pool_of(settings))
        own_keys = OwnKeys(kept=keys, links=_links(vault, client, upstream, clock), client=client)
        await own_keys.open()
        transcripts = SqlTranscripts(database, clock)
        chosen = SqlChoices(database, clock)
        clients = AccountClients(default=pool_of(settings), client=client, keys=keys)
        costs = Costs(clients=clients, money=money, clock=clock)
        choices = Choices(
            store=chosen,
            access=lambda community: pools.now(community).access,
            offer=lambda who: pools.now(who.community).shelf.offer(who.community),
            own_key=own_keys.has,
            opened=lambda community: pools.of(community),
        )
        await choices.open()
        shared = Shared(
            settings=settings,
            clock=clock,
            database=database,
            front=front,
            ledger=ledger,
            backlog=backlog,
            money=money,
            transcripts=transcripts,
            own_keys=own_keys,
            aside=Aside(most=_PAID_AT_ONCE, max_wait=settings.max_wait_seconds),
            metrics=metrics,
            pseudonym=secret.pseudonym(),
            chores=new_chores,
            unknown_cost=costs.expect,
            prefers=choices.prefers,
            people=people,
            board=board,
        )
        pools = Pools(
            shared=shared,
            default=await open_pool(shared, pool_of(settings), client, own=False),
            clients=clients,
            keys=keys,
        )
        stack.push_async_callback(pools.close)
        if board is not None:
            among_others = new_chores()
            among_others.begin("board", board.run)
            stack.push_async_callback(among_others.close)
        await pools.open()
        front.pool_id_of = pools.id_of
        await front.moved()
        conversations = ConversationService(
            pools=pools,
            transcripts=transcripts,
            held=SqlHeldQuestions(database),
            door=front.door,
            files=SqlFiles(database),
            choices=choices,
            backlog=backlog,
            clock=clock,
            metrics=metrics,
            sandbox=settings.sandbox,
            people=people,
        )
        front.more_room_for = conversations.look_soon
        await conversations.open()
        stack.push_async_callback(conversations.close)
        fairness = Fairness(
            scheduler=pools.line_at_hand,
            schedulers=pools.lines,
            ledger=ledger,
            store=SqlFairness(database),
            person=people.of,
            clock=clock,
            weights=pools.weights if settings.fair_between == "communities" else None,
        )

        async def moved() -> None:
            await front.office.open()
            await asyncio.gather(own_keys.open(), choices.open(), *(pool.access.load() for pool in pools.at_hand))
            await front.moved()
            for scheduler in pools.lines():
                scheduler.regroup()

        def kept_back(member: Member) -> bool:
            now = clock.now()
            return any(
                held_back(people, pool.scheduler.terms, pool.access.rules, member, now) for pool in pools.at_hand
            )

        belongings = Belongings(
            people=people,
            store=SqlBelongings(database, lambda: secrets.token_hex(16)),
            clock=clock,
            retention=Retention(
                messages=settings.retain_messages_days,
                counts=settings.retain_counts_days,
                audit=settings.retain_audit_days,
            ),
            idle=conversations.idle,
            held_back=kept_back,
            schedulers=pools.lines,
            moved=moved,
        )
        joining = Joining(
            people=people,
            store=people_kept,
            clock=clock,
            idle=conversations.idle,
            held_back=kept_back,
            schedulers=pools.lines,
            moved=moved,
            letter=secrets.randbelow,
            digest=secret.pseudonym(),
        )
        metrics.watch_pools(lambda: [pool.measured() for pool in pools.at_hand])
        pruning = Pruning(
            settings=settings,
            clock=clock,
            transcripts=transcripts,
            posts=SqlPosts(database, clock),
            ledger=ledger,
            money=money,
            choices=chosen,
            archive=SqlArchive(database, clock),
        )
        chores = new_chores()
        stack.push_async_callback(chores.close)
        chores.begin("held questions", conversations.watch)
        chores.begin("pools", pools.watch)
        chores.begin("costs", costs.watch)
        chores.begin("fairness", fairness.watch)
        chores.begin("joining", joining.watch)
        chores.every(PRUNE_EVERY, "pruning", pruning.prune)
        if board is not None:
            chores.begin("keeping up", KeepingUp(board, database, people.open, moved).watch)
        probing = Probing(database, clock)
        stack.push_async_callback(probing.close)
        day = LedgerDayBook(scheduler=pools.line_at_hand, opened=pools.line, ledger=ledger, clock=clock)
        personal, preferences = PersonalKeys(own_keys, people), PersonalChoices(choices, people)
        community_keys = CommunityKeys(
            kept=keys,
            links=_links(vault, client, upstream, clock),
            client=client,
            feeds=PoolsFed(pools),
            office=front.office,
            pseudonym=secret.pseudonym(),
        )
        front.office.enforce(pools.refresh, "key")
        uses = Uses(store=SqlUses(database), people=people)
        registry = registry_of(
            front,
            pools,
            database=database,
            owners=settings.owner_ids,
            conversations=conversations,
            keys=personal,
            choices=preferences,
            people=people,
            uses=uses,
            joining=joining,
            belongings=belongings,
            day=day,
            fairness=fairness,
            byok_rule=settings.byok_rule,
            community_keys=community_keys,
        )
        yield Service(
            settings=settings,
            clock=clock,
            secret=secret,
            database=database,
            board=board,
            probing=probing,
            backlog=backlog,
            chores=chores,
            conversations=conversations,
            pools=pools,
            own_keys=own_keys,
            community_keys=community_keys,
            keys=personal,
            choices=preferences,
            people=people,
            joining=joining,
            belongings=belongings,
            uses=uses,
            money=money,
            day=day,
            fairness=fairness,
            office=front.office,
            registry=registry,
            metrics=metrics,
            upstream=upstream,
            recovered=recovered,
        )


def _links(vault: Vault, client: OpenRouter, upstream: str, clock: Clock) -> OpenLinks:
    return OpenLinks(vault=vault, client=client, page=site(upstream), clock=clock, entropy=secrets.token_bytes)


async def _start_sandbox(stack: AsyncExitStack, settings: Settings, clock: Clock, given: SandboxSettings | None) -> str:
    from bot.openrouter.sandbox import Sandbox, SandboxSettings

    sandbox = Sandbox(given or SandboxSettings(rpm=settings.pool_rpm, rpd=settings.pool_rpd or DEFAULT_RPD), clock)
    url = await sandbox.start()
    stack.push_async_callback(sandbox.close)
    return url
