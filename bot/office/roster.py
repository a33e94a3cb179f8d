"""How each member is treated as things stand: what admins laid down for them, and for the roles they came with.

Which roles a member has is known from their last message; so what is laid down for a role is in force for a member
from the first time they ask, and at once for whoever has. A member of several communities is one person in line: what
holds is what the community they asked in last has laid down, and what holds everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Protocol

from bot.clock import Clock, Instant
from bot.errors import StorageError
from bot.messages import CommunityId, IncomingMessage, Member
from bot.office.edits import EVERYWHERE, Json
from bot.office.office import Office
from bot.office.own_terms import NOT_SET, OwnTerms, best, together
from bot.quota.ledger import PoolId
from bot.quota.terms import NO_TERMS, Block, MemberTerms, Reserve, Terms

EVERYONE = "everyone"
"""Key of the terms of all full members of a community. Else `role:ID` or `group:ID`."""


class Persons(Protocol):
    """Who is linked with whom."""

    def of(self, member: Member) -> Member:
        """The person an account is of, as their first account."""
        ...

    def accounts(self, member: Member) -> Collection[Member]:
        """All the accounts of the person a member is, themselves included."""
        ...


@dataclass(frozen=True, slots=True)
class _Came:
    """Where a member asked last, and with what."""

    community: CommunityId
    groups: frozenset[str]
    """Keys of terms for many."""


class Roster:
    """The terms of one pool. `refresh` before use.

    Args:
        serves: a community's questions go to this pool.
    """

    def __init__(
        self,
        *,
        office: Office,
        persons: Persons,
        clock: Clock,
        pool: PoolId,
        serves: Callable[[CommunityId], bool],
    ) -> None:
        self._office, self._persons, self._clock = office, persons, clock
        self._pool, self._serves = pool, serves
        self._own: dict[tuple[CommunityId, str], OwnTerms] = {}
        self._groups: dict[tuple[CommunityId, str], OwnTerms] = {}
        self._came: dict[Member, _Came] = {}
        self.in_force = NO_TERMS
        self.lay_down: Callable[[], None] = lambda: None
        """Puts what is in force into force for the line, once there is one."""

    async def refresh(self) -> None:
        """Put in force what stands now.

        Raises:
            StorageError: what is kept cannot be read.
        """
        self._own = self._read("member")
        self._groups = self._read("group")
        members = {Member.parse(key) for _, key in self._own}
        persons = {self._persons.of(member) for member in members} | set(self._came)
        terms = {person.key: self._terms(person) for person in persons}
        self.in_force = Terms(
            members={key: own for key, own in terms.items() if own != _DEFAULT},
            communities={
                address.key: _number(value)
                for address, value in self._office.of("weight")
                if self._serves(CommunityId(address.key))
            },
            reserves=tuple(self._reserves()),
            blocks=self._blocks(),
        )
        self.lay_down()

    def came(self, message: IncomingMessage) -> None:
        """A member asks: what holds for them here is put in force, if it is not."""
        many = {f"role:{one}" for one in message.roles} | {f"group:{one}" for one in message.groups}
        if message.standing == "full":
            many.add(EVERYONE)
        person = self._persons.of(message.author)
        came = _Came(message.community, frozenset(many))
        if self._came.get(person) == came:
            return
        self._came[person] = came
        own = self._terms(person)
        if own == self.in_force.member(person.key):
            return
        members = {**self.in_force.members, person.key: own}
        if own == _DEFAULT:
            del members[person.key]
        self.in_force = replace(self.in_force, members=members)
        self.lay_down()

    def own(self, member: Member, community: CommunityId) -> OwnTerms:
        """What is laid down for a member in a community, by name."""
        return self._own.get((community, member.key), NOT_SET)

    def of_many(self, key: str, community: CommunityId) -> OwnTerms:
        """What is laid down for a role, a group or everyone of a community."""
        return self._groups.get((community, key), NOT_SET)

    def holds(self, member: Member) -> MemberTerms:
        """What is in force for a member in this pool."""
        return self.in_force.member(self._persons.of(member).key)

    def block(self, member: Member, community: CommunityId) -> Block | None:
        """What keeps a member out of a community now."""
        return self.in_force.barred(self._persons.of(member).key, community, self._clock.now())

    def _read(self, kind: str) -> dict[tuple[CommunityId, str], OwnTerms]:
        return {
            (address.community, address.key): OwnTerms.read(value)
            for address, value in self._office.laid_down.items()
            if address.kind == kind and (address.community == EVERYWHERE or self._serves(address.community))
        }

    def _terms(self, person: Member) -> MemberTerms:
        accounts = [account.key for account in self._persons.accounts(person)]
        came = self._came.get(person)
        if came is None:  # nobody knows where they will ask: the best there is for them
            named = [own for (place, key), own in self._own.items() if key in accounts and place != EVERYWHERE]
            many: list[OwnTerms] = []
        else:
            named = [own for key in accounts if (own := self._own.get((came.community, key))) is not None]
            many = [own for key in came.groups if (own := self._groups.get((came.community, key))) is not None]
        everywhere = [own for key in accounts if (own := self._own.get((EVERYWHERE, key))) is not None]
        return together([best(named), best(everywhere), best(many)])

    def _blocks(self) -> dict[tuple[str, CommunityId], Block]:
        blocks: dict[tuple[str, CommunityId], Block] = {}
        for (community, key), own in self._own.items():
            if own.block is not None:
                whose = (self._persons.of(Member.parse(key)).key, community)
                blocks[whose] = max(blocks.get(whose, own.block), own.block, key=_lasts)
        return blocks

    def _reserves(self) -> list[Reserve]:
        now = self._clock.now()
        kept = [
            Reserve(units=int(_number(value)), until=until)
            for address, value in self._office.of("reserve")
            if (until := reserve_until(address.key, self._pool)) is not None
        ]
        return sorted((one for one in kept if one.until > now), key=lambda one: one.until)


def reserve_key(pool: PoolId, until: Instant) -> str:
    """Of what is held back in a pool until a moment."""
    return f"{pool} {float(until)!r}"


def reserve_until(key: str, pool: PoolId) -> Instant | None:
    """The moment; None: it is another pool's."""
    whose, _, until = key.rpartition(" ")
    return Instant(float(until)) if whose == pool else None


def _number(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise StorageError(f"What admins laid down holds a {value!r} where a number stands.")
    return value


def _lasts(block: Block) -> float:
    return math.inf if block.until is None else block.until


_DEFAULT = MemberTerms()
