"""Puts together what admins' commands work with: the office, and all that reads what stands in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

from bot.clock import Clock
from bot.commands.all import ALL
from bot.commands.command import Call, Caller
from bot.commands.desk import Desk, DeskPool
from bot.commands.registry import Registry
from bot.commands.rights import Rights
from bot.messages import Member
from bot.office.acquaintances import Acquaintances
from bot.office.door import Door
from bot.office.edits import EVERYWHERE
from bot.office.house_rules import Community, HouseRules
from bot.office.named import NamedAdmins
from bot.office.office import Office
from bot.office.pool_rules import PoolRules
from bot.office.roster import Persons, Roster
from bot.ports import Conversations, KeyLinks
from bot.quota.scheduler import Scheduler
from bot.routing.shelf import Shelf
from bot.storage.access import SqlAccess
from bot.storage.authors import authors
from bot.storage.communities import communities
from bot.storage.database import Database
from bot.storage.office import SqlArchive


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontOffice:
    """The office of a process, with what it knows of people and places."""

    office: Office
    persons: Persons
    rules: HouseRules
    known: Acquaintances
    roster: Roster
    """Of the shared pool."""
    door: Door
    communities: Callable[[], Awaitable[Sequence[Community]]]


async def open_office(database: Database, clock: Clock, persons: Persons) -> FrontOffice:
    """Take up what admins laid down. Nothing is in force for a pool yet: see `Roster.lay_down` and `PoolRules`.

    Raises:
        StorageError: what is kept cannot be read.
    """
    office = Office(SqlArchive(database, clock))
    await office.open()
    roster = Roster(office=office, persons=persons, clock=clock)
    await roster.refresh()
    rules, known = HouseRules(office), Acquaintances(await authors(database))
    door = Door(rules=rules, roster=lambda _: roster, known=known)
    return FrontOffice(
        office=office,
        persons=persons,
        rules=rules,
        known=known,
        roster=roster,
        door=door,
        communities=partial(communities, database, clock),
    )


async def pool_for_desk(front: FrontOffice, *, scheduler: Scheduler, access: SqlAccess, shelf: Shelf) -> DeskPool:
    """The shared pool as commands see it, with what stands for it in force from now on."""
    rules = PoolRules(office=front.office, scheduler=scheduler)
    await rules.refresh()
    front.office.enforce(access.load, "paid_rule")
    return DeskPool(
        scope=EVERYWHERE,
        scheduler=scheduler,
        roster=front.roster,
        rules=rules,
        account=access.account,
        shelf=shelf,
    )


def rights_of(front: FrontOffice, owners: Collection[Member]) -> Rights:
    return Rights(
        owners=owners,
        named=NamedAdmins(front.office),
        accounts=front.persons.accounts,
        blocked=front.roster.blocked,
    )


def desk_of(
    front: FrontOffice,
    pool: DeskPool,
    *,
    clock: Clock,
    owners: Collection[Member],
    conversations: Conversations,
    keys: KeyLinks,
) -> Desk:
    """The desk of a process that runs."""
    return Desk(
        clock=clock,
        rights=rights_of(front, owners),
        find_member=find_member(front.known),
        models=models_of(front.rules, pool.shelf),
        office=front.office,
        persons=front.persons,
        rules=front.rules,
        pool=lambda _: pool,
        communities=front.communities,
        conversations=conversations,
        keys=keys,
    )


def registry_of(desk: Desk) -> Registry:
    return Registry(desk, ALL)


def models_of(rules: HouseRules, shelf: Shelf) -> Callable[[Call, str], Awaitable[Sequence[str]]]:
    """The free models a caller may use where they are."""

    async def models(call: Call, typed: str) -> Sequence[str]:
        offer, hidden = shelf.offer(), rules.models(call.community).hidden
        listed = offer.catalogue.free_models(offer.now) if offer.catalogue is not None else offer.chain.models
        ids = sorted({str(getattr(one, "id", one)) for one in listed} - set(hidden))
        return [one for one in ids if typed.lower() in one.lower()]

    return models


def find_member(known: Acquaintances) -> Callable[[str, Caller], Member | None]:
    return lambda text, caller: known.find(text, caller.member)
