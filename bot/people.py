"""Who is one person: accounts on several platforms that were joined, under the name of the first of them.

A person has one share and one history of use. What is counted, granted or kept is so under the person; what is
delivered goes to the account that asked. Joining accounts is `bot.joining`'s, deleting what is kept `bot.belongings`'.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from bot.clock import Instant
from bot.messages import CommunityId, Member

ERASED = "erased"
"""In place of a platform: somebody whose name was deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An account that is one of a person's, beside the first."""

    account: Member
    person: Member
    joined_at: Instant
    parts_on: int | None = None
    """The first day on which it is by itself again; None: it is to stay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """Who has deleted what was kept of them. Digests tell whether an account is one of theirs, and name none."""

    today: Mapping[str, Member]
    """By the digest of an account: the nameless member their units of today are counted under."""
    payers: Collection[str]
    """Digests whose spending is counted on without their name, so that budgets hold."""


class PeopleStore(Protocol):
    """Keeps who is one. `bot.storage.people.SqlPeople` is the one."""

    async def links(self) -> Sequence[Link]: ...

    async def erased(self) -> Erased: ...


class People:
    """See the module. `open` before use.

    Args:
        digest: of an account's name, so that nothing tells the name who does not know it.
    """

    def __init__(self, *, store: PeopleStore, digest: Callable[[str], str]) -> None:
        self._store, self._hash = store, digest
        self._links: dict[Member, Link] = {}
        self._accounts: dict[Member, tuple[Member, ...]] = {}
        self._erased = Erased(today={}, payers=frozenset())
        self._moving: dict[Member, asyncio.Event] = {}

    async def open(self) -> None:
        """Read who is one, again."""
        links, self._erased = await self._store.links(), await self._store.erased()
        self._links = {link.account: link for link in links}
        self._accounts = {}
        for link in links:
            self._accounts[link.person] = (*self._accounts.get(link.person, (link.person,)), link.account)

    def of(self, member: Member) -> Member:
        """The person an account is one of: the person's first account, or itself."""
        if self._erased.today and (nameless := self._erased.today.get(self.digest(member))) is not None:
            return nameless
        link = self._links.get(member)
        return member if link is None else link.person

    def accounts(self, member: Member) -> tuple[Member, ...]:
        """All accounts of the person a member is, the first one first."""
        link = self._links.get(member)
        person = member if link is None else link.person
        return self._accounts.get(person, (person,))

    def names(self, member: Member) -> tuple[Member, ...]:
        """All that anything of the person's may be kept under: their accounts, and what stands for a deleted name."""
        accounts = self.accounts(member)
        return (*accounts, *(self.nameless(account) for account in accounts))

    def payer(self, member: Member) -> Member:
        """Whom a person's spending is counted under, also after they have deleted their name."""
        person = self.accounts(member)[0]
        return self.nameless(person) if self.digest(person) in self._erased.payers else person

    def here(self, person: Member, community: CommunityId) -> Member:
        """The account a person is known by in a community: what they are elsewhere is not shown there."""
        platform, _, tenant = community.partition(":")
        for account in self.accounts(person):
            if account.platform == platform and account.tenant in ("", tenant):
                return account
        return person

    def parts_on(self, member: Member) -> int | None:
        """The day on which accounts of the person go apart; None: none does."""
        days = [link.parts_on for link in self._links.values() if link.person == self.accounts(member)[0]]
        return min((day for day in days if day is not None), default=None)

    def erased_today(self, member: Member) -> bool:
        """What was kept of them was deleted today; what they took today is counted on."""
        return self.of(member).platform == ERASED

    def digest(self, member: Member) -> str:
        return self._hash(f"person {member.key}")

    def nameless(self, member: Member) -> Member:
        """What stands for a member who has deleted their name."""
        return member if member.platform == ERASED else Member(platform=ERASED, user=self.digest(member))

    # --- while it changes --------------------------------------------------------------------------------

    async def settled(self, member: Member) -> None:
        """Wait while it is being changed whose account this is. Mostly no wait at all."""
        while (moving := self._moving.get(member)) is not None:
            await moving.wait()

    @contextmanager
    def moving(self, members: Collection[Member]) -> Iterator[None]:
        """Let nobody begin anything for these until it is known whose they are."""
        done = asyncio.Event()
        self._moving |= dict.fromkeys(members, done)
        try:
            yield
        finally:
            for member in members:
                self._moving.pop(member, None)
            done.set()
