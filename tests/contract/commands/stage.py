"""One case on one platform: people in a community of their own, what is so before, and what must be so after.

What a case changes beyond its community is put back at its end: all cases of a platform share one Potluck.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from babel.numbers import format_decimal
from sqlalchemy import Connection, select

from bot.commands.all import ALL
from bot.commands.command import Command, Rank
from bot.messages import Member
from bot.office.edits import EVERYWHERE, Change, Edit, Wish, to
from bot.office.own_terms import OwnTerms
from bot.storage.tables import metadata, processes
from tests.contract.commands.bindings.binding import Binding, Everybody, Given, Group, Person, Place, Reply
from tests.fakes.deployment import Deployment

Dump: TypeAlias = Mapping[str, Sequence[str]]
"""The rows of each table."""


def differing(before: Dump, after: Dump) -> dict[str, list[str]]:
    """By table, the rows that are in one alone."""
    found = {table: sorted({*before[table]} ^ {*after[table]}) for table in before}
    return {table: rows for table, rows in found.items() if rows}


@dataclass(frozen=True)
class Someone:
    """A member of the case's community, by name."""

    name: str


@dataclass(frozen=True)
class Here:
    """The channel the case is played in."""


@dataclass(frozen=True)
class Elsewhere:
    """Another community, by its name."""


@dataclass(frozen=True)
class Helpers:
    """Some of the case's community: a role, or a user group."""


@dataclass(frozen=True)
class Noted:
    """A text that was read out of an earlier answer; 1 where there was none."""

    name: str


Written: TypeAlias = "str | int | float | bool | Someone | Here | Elsewhere | Helpers | Noted | Everybody"
"""A value as a case has it."""


class Stage:
    """See the module."""

    def __init__(self, binding: Binding, place: Place) -> None:
        self.binding, self.place = binding, place
        self.notes: dict[str, str] = {}
        self._people: dict[str, Person] = {}
        self._elsewhere: Place | None = None
        self._helpers: Group | None = None
        self.remember()

    @classmethod
    async def of(cls, binding: Binding) -> Stage:
        return cls(binding, await binding.place())

    @property
    def potluck(self) -> Deployment:
        return self.binding.potluck

    @property
    def office(self) -> Any:
        return self.potluck.running.office

    # --- people ------------------------------------------------------------------------------------------

    def rank(self, wanted: Rank) -> Rank:
        """The lowest that there is on the platform and that may do what the wanted one may."""
        order: Sequence[Rank] = ("anyone", "admin", "owner")
        return next(rank for rank in order[order.index(wanted) :] if rank in self.binding.ranks)

    async def caller(self, rank: Rank = "anyone") -> Person:
        return await self._person(f"a {rank}", "ann", self.rank(rank))

    def cast(self, person: Person) -> None:
        """Who is anybody here, is this person."""
        self._people["a anyone"] = person

    async def someone(self, name: str) -> Person:
        return await self._person(name, name, "anyone")

    async def _person(self, key: str, name: str, rank: Rank) -> Person:
        if key not in self._people:
            self._people[key] = await self.binding.person(self.place, name, rank)
        return self._people[key]

    async def given(self, written: Mapping[str, Written]) -> dict[str, Given]:
        return {name: await self._given(value) for name, value in written.items()}

    async def _given(self, value: Written) -> Given:
        match value:
            case Someone(name=name):
                return await self.someone(name)
            case Here():
                return self.place
            case Elsewhere():
                return str((await self.elsewhere()).community)
            case Helpers():
                return await self.helpers()
            case Noted(name=name):
                return self.notes.get(name, "1")
            case _:
                return value

    async def elsewhere(self) -> Place:
        """Another community."""
        if self._elsewhere is None:
            self._elsewhere = await self.binding.place()
        return self._elsewhere

    async def helpers(self) -> Group:
        """Some of this one."""
        if self._helpers is None:
            self._helpers = await self.binding.group(self.place)
        return self._helpers

    # --- doing -------------------------------------------------------------------------------------------

    async def use(self, words: str, *, by: Rank | Someone = "anyone", **written: Written) -> Reply:
        """Use a command as the caller of that rank, or as somebody."""
        person = await self.someone(by.name) if isinstance(by, Someone) else await self.caller(by)
        return await self.binding.use(self.place, person, words, await self.given(written))

    async def caught_up(self) -> None:
        """What happened is in the database."""
        for pool in self.potluck.running.pools.at_hand:
            await pool.scheduler.caught_up()

    def remember(self) -> None:
        """What is laid down now is what `tidy` goes back to."""
        self._stood = dict(self.office.laid_down)

    async def tidy(self) -> None:
        """All that was laid down since the stage was set is gone again."""
        office, now = self.office, dict(self.office.laid_down)
        edits = [
            Edit(address, to(self._stood.get(address)))
            for address in {*now, *self._stood}
            if now.get(address) != self._stood.get(address)
            and (address.kind != "key" or address in now)  # one that was removed is kept nowhere
        ]
        if edits:
            by = Member("web", "stage")
            await office.change(Wish(by=by, community=EVERYWHERE, command="tidy"), edits)

    # --- what is so --------------------------------------------------------------------------------------

    async def dump(self) -> Dump:
        """The whole database, but for who is alive."""

        def unit(connection: Connection) -> Dump:
            return {
                table.name: sorted(str(tuple(row)) for row in connection.execute(select(table)))
                for table in metadata.sorted_tables
                if table is not processes
            }

        return await self.potluck.running.database.read(unit)

    async def newest_change(self) -> Change | None:
        """The last line of the record."""
        found: Sequence[Change] = await self.office.history(None, limit=1)
        return found[0] if found else None

    def laid(self, kind: str, key: str, *, everywhere: bool = False) -> Any:
        """What stands at an address in the case's community."""
        return self.office.at(kind, EVERYWHERE if everywhere else self.place.community, key)

    async def own(self, name: str) -> OwnTerms:
        """What is laid down for somebody here."""
        return OwnTerms.read(self.laid("member", (await self.someone(name)).member.key))

    def shown(self, value: object) -> str:
        """How the platform writes a value."""
        if isinstance(value, Member):
            return self.binding.name_of(value)
        return format_decimal(value, locale="en") if isinstance(value, int | float) else str(value)


Step: TypeAlias = Callable[[Stage], Awaitable[None]]
Read: TypeAlias = Callable[[Stage], Awaitable[Mapping[str, object]]]
Pairs: TypeAlias = Callable[[Stage], Awaitable[Mapping[str, tuple[object, object]]]]
Check: TypeAlias = Callable[[Stage, Reply], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A use of a command, and what must come of it on every platform."""

    words: str
    given: Mapping[str, Written] = field(default_factory=dict)
    by: Rank | None = None
    """Who uses it; None: whoever may."""
    first: Sequence[Step] = ()
    """What happens before."""
    does: Pairs | None = None
    """What there is afterwards, asked from the core, with what there must be. None: the database is what it was."""
    for_good: bool = False
    """It is on the record, and cannot be taken back."""
    not_in: Collection[str] = ()
    """Platforms that have the command and refuse it."""
    facts: Read | None = None
    """Figures that the answer must show by these names, asked from the core once it is given."""
    row: Callable[[Stage], Awaitable[Sequence[object]]] | None = None
    """A row that a table of the answer must begin with, asked from the core."""
    says: str = ""
    """A piece of what it says."""
    check: Check | None = None
    """What else must be so."""

    @property
    def command(self) -> Command:
        return next(command for command in ALL if command.name == self.words)

    @property
    def id(self) -> str:
        return " ".join([self.words, *(f"{name}={_brief(value)}" for name, value in self.given.items())])


def _brief(value: Written) -> str:
    return str(getattr(value, "name", type(value).__name__ if not isinstance(value, str | int | float) else value))


def used(words: str, *, by: Rank | Someone = "admin", **written: Written) -> Step:
    """Beforehand a command was used."""

    async def step(stage: Stage) -> None:
        reply = await stage.use(words, by=by, **written)
        assert not reply.refused, reply.text

    return step


def asked(name: str = "", *, times: int = 1) -> Step:
    """Beforehand somebody, or the caller, has asked, and has their answer."""

    async def step(stage: Stage) -> None:
        person = await stage.someone(name) if name else await stage.caller()
        for _ in range(times):
            await stage.binding.ask(stage.place, person, "hello")
        await stage.caught_up()

    return step


def scarce(left: int) -> Step:
    """Beforehand the day's pool has that many units left, and two people have asked for some."""

    async def step(stage: Stage) -> None:
        for name in ("ben", "cara"):
            await asked(name)(stage)
        used_up = stage.potluck.running.scheduler.used
        await used("admin pool limits", by="owner", rpd=used_up + left)(stage)

    return step
