"""The commands of admins from a shell, over the database alone: beside the process that runs, or with none.

Nothing here touches a lease or asks for the file's lock. A change is made as any other, in one transaction with its
line of the audit; the process that runs sees within a second that there is a new line, and puts it in force.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, cast

from bot.clock import Clock
from bot.commands.all import ALL
from bot.commands.changing import ALL as EVERY_COMMUNITY
from bot.commands.command import BadInput, Caller
from bot.commands.desk import DeskPool, OfficeDesk
from bot.commands.registry import Registry
from bot.commands.saying import Code, say
from bot.community_keys import CommunityKeys, whose
from bot.desk_of import find_member, models_of, open_office, rights_of
from bot.errors import UpstreamFailure
from bot.messages import CommunityId, Member, ModelId
from bot.office.edits import Json
from bot.office.front import FrontOffice
from bot.office.office import Office
from bot.openrouter.client import OpenRouter
from bot.openrouter.wire import KeyInfo
from bot.people import People
from bot.pool import DEFAULT_RPD, days_of, pool_of
from bot.pools import account_pool
from bot.ports import WhoseAccount
from bot.quota.ledger import Caps, PoolId
from bot.quota.line import FirstCome
from bot.quota.scheduler import Scheduler
from bot.routing.catalogue import Catalogue
from bot.routing.chain import Chain
from bot.routing.shelf import Shelf
from bot.secrets import load_secret
from bot.settings import Settings
from bot.storage.byok import SqlByok
from bot.storage.catalogue import SqlCatalogues
from bot.storage.communities import communities
from bot.storage.database import Database
from bot.storage.keys import SqlKeys
from bot.storage.ledger import SqlLedger
from bot.storage.migration import migrate
from bot.storage.people import SqlPeople
from bot.storage.uses import SqlUses
from bot.uses import Uses

if TYPE_CHECKING:
    from bot.commands.desk import Desk

OWNER = Member("shell", "owner")
"""Who sits at the machine Potluck runs on, and may read its database anyway."""
_KEY = "OPENROUTER_API_KEY"
_PATIENCE = 2.0
"""Seconds OpenRouter may take to say how many requests a day the account has."""


def caller(community: str | None = None) -> Caller:
    """Who calls: an owner, about all communities unless one is named."""
    place = EVERY_COMMUNITY if community is None else CommunityId(community)
    return Caller(member=OWNER, name="owner", community=place, standing="full")


@asynccontextmanager
async def shell(settings: Settings, clock: Clock) -> AsyncIterator[Registry]:
    """The commands of admins.

    Raises:
        PotluckError: the database cannot be used; one line says why.
    """
    async with AsyncExitStack() as stack:
        migrate(settings.database)
        database = Database(settings.database, clock)
        await database.open()
        stack.push_async_callback(database.close)
        secret = load_secret(settings)
        keys = SqlKeys(database, clock, secret.vault())
        people = People(store=SqlPeople(database, keys), digest=secret.pseudonym())
        await people.open()
        front = await open_office(database, clock, people, default=pool_of(settings))
        client = _client(settings, clock, stack)
        beside = _Beside(settings, front.office, client, secret.pseudonym())
        linked = await beside.pools()
        front.pool_id_of = lambda community: linked.get(community, pool_of(settings))
        pools = _Pools(front, settings, database, clock, stack)
        desk = OfficeDesk(
            clock=clock,
            rights=rights_of(front, {OWNER}),
            find_member=find_member(front.known),
            models=models_of(pools.of),
            office=front.office,
            people=people,
            uses=Uses(store=SqlUses(database), people=people),
            rules=front.rules,
            pool=pools.of,
            communities=partial(communities, database, clock),
            community_keys=CommunityKeys(
                kept=keys,
                links=None,
                client=client,
                feeds=beside,
                office=front.office,
                pseudonym=secret.pseudonym(),
            ),
        )
        # Commands of admins use nothing of a desk but what is an office's.
        yield Registry(cast("Desk", desk), [command for command in ALL if command.path[0] == "admin"])


class _Beside:
    """`bot.community_keys.Feeds` where nothing runs: the process that does takes up what is linked here."""

    def __init__(self, settings: Settings, office: Office, client: OpenRouter, pseudonym: Callable[[str], str]) -> None:
        self._settings, self._office, self._client, self._pseudonym = settings, office, client, pseudonym

    async def know(self) -> None:
        if self._settings.sandbox:
            raise BadInput(
                say("{name} is unset, so the sandbox stands in for OpenRouter: set it first.", name=Code(_KEY))
            )

    async def refused(self, community: CommunityId) -> bool:
        return False  # that is for `potluck doctor` to find out

    async def whose(self, community: CommunityId) -> WhoseAccount | None:
        accounts = {address.community: _account(value) for address, value in self._office.of("key")}
        own = accounts.pop(community, None)
        if own is None:
            return None
        return "everybodys" if own == await self._everybodys() else whose(own, set(accounts.values()))

    async def pools(self) -> Mapping[CommunityId, PoolId]:
        """The pools of communities that have one of their own."""
        linked = {address.community: _account(value) for address, value in self._office.of("key")}
        same = await self._everybodys() if linked else None
        return {community: pool for community, pool in linked.items() if pool != same}

    async def _everybodys(self) -> PoolId | None:
        """What everybody's account would be as a community's; None: it is not told soon enough."""
        key = self._settings.openrouter_api_key
        info = None if key is None else await _told(self._client)
        return None if key is None or info is None else account_pool(info, key, self._pseudonym)


def _account(kept: Json) -> PoolId:
    assert isinstance(kept, Mapping), "as `bot.storage.keys.KeyRegister` reads it"
    return PoolId(str(kept["account"]))


class _Kept:
    """`bot.routing.shelf.Listed`: the catalogue that was kept last."""

    def __init__(self, catalogue: Catalogue | None) -> None:
        self.catalogue = catalogue

    def missing(self, model: ModelId) -> None:
        """Nothing is asked here, so nothing is found to be missing."""


class _Pools:
    """Pools as the ledger has them: for figures, not for questions. Each is opened when it is asked for."""

    def __init__(
        self, front: FrontOffice, settings: Settings, database: Database, clock: Clock, stack: AsyncExitStack
    ) -> None:
        self._front, self._settings, self._database, self._clock = front, settings, database, clock
        self._stack = stack
        self._open: dict[PoolId, DeskPool] = {}

    async def of(self, community: CommunityId) -> DeskPool:
        id = self._front.pool_id_of(community)
        if id not in self._open:
            self._open[id] = await self._opened(id)
        return self._open[id]

    async def _opened(self, id: PoolId) -> DeskPool:
        settings, shared = self._settings, id == pool_of(self._settings)
        rpd = settings.pool_rpd if shared else None
        if rpd is None and shared and not settings.sandbox:
            info = await _told(_client(settings, self._clock, self._stack))
            rpd = None if info is None else info.free_limit
        branch = await self._front.branch(id)
        scheduler = Scheduler(
            pool=id,
            caps=Caps(rpm=settings.pool_rpm, rpd=rpd or DEFAULT_RPD),
            line=FirstCome(),
            days=days_of(settings),
            ledger=SqlLedger(self._database, self._clock),
            clock=self._clock,
            max_wait=settings.max_wait_seconds,
        )
        await scheduler.open(branch.roster.in_force)
        self._stack.push_async_callback(scheduler.close)
        await branch.govern(scheduler, _nothing)
        kept = _Kept(await SqlCatalogues(self._database).load(id))
        return DeskPool(
            id=id,
            shared=shared,
            scheduler=scheduler,
            roster=branch.roster,
            rules=branch.rules,
            shelf=Shelf(
                models=kept,
                chain=Chain.of(settings.free_models),
                clock=self._clock,
                house=self._front.rules,
            ),
            byok=partial(SqlByok(self._database, self._clock, id).so_far, settings.byok_rule),
        )


def _client(settings: Settings, clock: Clock, stack: AsyncExitStack) -> OpenRouter:
    key = settings.openrouter_api_key
    client = OpenRouter(
        base_url=settings.openrouter_base_url,
        api_key="none" if key is None else key.get_secret_value(),
        clock=clock,
        max_connections=1,
        referer=f"http://{settings.web_host}:{settings.web_port}",
    )
    stack.push_async_callback(client.close)
    return client


async def _told(client: OpenRouter) -> KeyInfo | None:
    """What OpenRouter says of the account, if it does soon enough."""
    try:
        async with asyncio.timeout(_PATIENCE):
            return await client.key()
    except (UpstreamFailure, TimeoutError):
        return None


async def _nothing() -> None:
    """Nobody is answered here, so who may spend matters to nobody."""
