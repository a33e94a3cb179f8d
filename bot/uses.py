"""Who used what in a community: per person and day, from the day's own events, so it says what every share says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from bot.messages import CommunityId, Member, ModelId
from bot.people import People


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What one member did on one day in one community."""

    day: int
    """Counted from 1970."""
    member: Member
    asked: int = 0
    taken: int = 0
    """Units charged in the end."""
    refused: int = 0
    paid: int = 0
    """Questions that were paid for."""
    usd: Decimal = Decimal(0)
    """What these cost."""

    def together(self, other: Use) -> Use:
        """Both, on the first one's day."""
        return Use(
            day=self.day,
            member=self.member,
            asked=self.asked + other.asked,
            taken=self.taken + other.taken,
            refused=self.refused + other.refused,
            paid=self.paid + other.paid,
            usd=self.usd + other.usd,
        )


class UsesStore(Protocol):
    """Counts. `bot.storage.uses.SqlUses` is the one."""

    async def of(self, community: CommunityId, *, first: int, last: int) -> Sequence[Use]:
        """By day and by the names they were counted under."""
        ...

    async def by(self, names: Collection[Member], *, first: int, last: int) -> Sequence[Use]:
        """The same of those who are counted under these names, in all communities together."""
        ...

    async def models(self, community: CommunityId, *, first: int, last: int) -> Counter[ModelId]:
        """How many answers each model gave, as far as turns are kept."""
        ...

    async def any(self, names: Collection[Member], community: CommunityId) -> bool:
        """Somebody who is counted under one of these names has asked there, as far as counts are kept."""
        ...


class Uses:
    """See the module."""

    def __init__(self, *, store: UsesStore, people: People) -> None:
        self._store, self._people = store, people

    async def daily(self, community: CommunityId, *, first: int, last: int) -> Sequence[Use]:
        """A row a day and person, in order of days, who took most first. A person is shown as they are known there."""
        days: dict[tuple[int, Member], Use] = {}
        for use in await self._store.of(community, first=first, last=last):
            person = self._people.of(use.member)
            found = days.get((use.day, person))
            shown = Use(day=use.day, member=self._people.here(person, community))
            days[use.day, person] = (found or shown).together(use)
        return sorted(days.values(), key=lambda use: (use.day, *_order(use)))

    async def mine(self, member: Member, *, first: int, last: int) -> Sequence[Use]:
        """What one person did wherever they asked: a row a day, those without a question included, oldest first."""
        person = self._people.of(member)
        days = {day: Use(day=day, member=person) for day in range(first, last + 1)}
        for use in await self._store.by(self._people.names(member), first=first, last=last):
            days[use.day] = days[use.day].together(use)
        return list(days.values())

    async def asked_in(self, member: Member, community: CommunityId) -> bool:
        """The person is one of those who ask there: who manages it may know how they stand."""
        return await self._store.any(self._people.names(member), community)

    async def top(self, community: CommunityId, *, first: int, last: int) -> Sequence[Use]:
        """A row a person over all those days, who took most first."""
        people: dict[Member, Use] = {}
        for use in await self.daily(community, first=first, last=last):
            known = people.get(use.member)
            people[use.member] = use if known is None else known.together(use)
        return sorted(people.values(), key=_order)

    async def models(self, community: CommunityId, *, first: int, last: int) -> Counter[ModelId]:
        """How many answers each model gave, as far as it is kept who answered."""
        return await self._store.models(community, first=first, last=last)


def _order(use: Use) -> tuple[int, Decimal, int, str]:
    return -use.taken, -use.usd, -use.asked, use.member.key
