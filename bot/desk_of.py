"""Puts together what commands work with, of the parts of a process that runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial

from bot.belongings import Belongings
from bot.clock import Clock
from bot.commands.all import ALL
from bot.commands.command import Call, Caller
from bot.commands.desk import Desk, DeskPool
from bot.commands.registry import Registry
from bot.commands.rights import Rights
from bot.fairness import Fairness
from bot.joining import Joining
from bot.messages import CommunityId, Member
from bot.office.acquaintances import Acquaintances
from bot.office.front import FrontOffice
from bot.office.office import Office
from bot.office.roster import Persons
from bot.people import People
from bot.pools import Pools
from bot.ports import CommunityLinks, Conversations, DayBook, KeyLinks, ModelChoices
from bot.quota.ledger import PoolId
from bot.routing.byok import ByokRule
from bot.storage.authors import authors
from bot.storage.byok import SqlByok
from bot.storage.communities import communities
from bot.storage.database import Database
from bot.storage.office import SqlArchive
from bot.uses import Uses


async def open_office(database: Database, clock: Clock, persons: Persons, *, default: PoolId) -> FrontOffice:
    """Take up what admins laid down. It is in force for a pool when that opens.

    Raises:
        StorageError: what is kept cannot be read.
    """
    office = Office(SqlArchive(database, clock))
    await office.open()
    known = await authors(database)
    return FrontOffice(office=office, persons=persons, clock=clock, default=default, known=known)


def rights_of(front: FrontOffice, owners: Collection[Member]) -> Rights:
    """Who may do what."""
    return Rights(owners=owners, named=front.named, accounts=front.persons.accounts, blocked=front.blocked)


def registry_of(
    front: FrontOffice,
    pools: Pools,
    *,
    database: Database,
    owners: Collection[Member],
    conversations: Conversations,
    keys: KeyLinks,
    choices: ModelChoices,
    people: People,
    uses: Uses,
    joining: Joining,
    belongings: Belongings,
    day: DayBook,
    fairness: Fairness,
    byok_rule: ByokRule,
    community_keys: CommunityLinks,
) -> Registry:
    """All commands, at the desk of this process."""

    async def pool_of(community: CommunityId) -> DeskPool:
        pool = await pools.of(community)
        return DeskPool(
            id=pool.id,
            shared=not pool.own,
            scheduler=pool.scheduler,
            roster=pool.branch.roster,
            rules=pool.branch.rules,
            shelf=pool.shelf,
            byok=partial(SqlByok(database, front.clock, pool.id).so_far, byok_rule),
        )

    desk = Desk(
        clock=front.clock,
        rights=rights_of(front, owners),
        find_member=find_member(front.known),
        models=models_of(pool_of),
        office=front.office,
        choices=choices,
        people=people,
        uses=uses,
        joining=joining,
        belongings=belongings,
        day=day,
        fairness=fairness,
        rules=front.rules,
        pool=pool_of,
        communities=partial(communities, database, front.clock),
        conversations=conversations,
        keys=keys,
        community_keys=community_keys,
    )
    return Registry(desk, ALL)


def models_of(pool_of: Callable[[CommunityId], Awaitable[DeskPool]]) -> Callable[[Call, str], Awaitable[Sequence[str]]]:
    """The free models a caller may use where they are."""

    async def models(call: Call, typed: str) -> Sequence[str]:
        offer = (await pool_of(call.community)).shelf.offer(call.community)
        listed = [one.id for one in offer.catalogue.free_models(offer.now)] if offer.catalogue is not None else []
        return [one for one in listed or offer.chain.models if one not in offer.hidden and typed.lower() in one.lower()]

    return models


def find_member(known: Acquaintances) -> Callable[[str, Caller], Member | None]:
    """Whom a text means."""
    return lambda text, caller: known.find(text, caller.member)
