"""Everything that is kept of a person: told, handed over as a file, and deleted.

What is deleted leaves the counts that the caps rest on, without the name: how many units the pool gave on a day, what
was spent in all. What the person has taken today goes on counting for them until 00:00 UTC, and what they have spent
until its budget is whole again, under a keyed hash; so deleting wins nobody a unit or a cent. What admins have laid
down (a block, a grant, a budget) is theirs, and stays; so does the audit, in which they are somebody from then on.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from bot.clock import Clock, day_of
from bot.conversation.finishing import to_the_end
from bot.errors import PotluckError
from bot.messages import CommunityId, Member
from bot.people import People
from bot.quota.events import DayEvent, EventKind
from bot.quota.scheduler import Scheduler


class BusyError(PotluckError):
    """A question of the person's is in line, held or being answered. Nothing was deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """For how many days what is kept by itself is kept."""

    messages: int
    counts: int
    audit: int


class BelongingsStore(Protocol):
    """Finds and deletes. `bot.storage.belongings.SqlBelongings` is the one."""

    async def all(self, names: Sequence[Member]) -> Mapping[str, Sequence[Mapping[str, object]]]:
        """Every row that is of one of these, by table. A sealed key is left out."""
        ...

    async def erase(
        self, names: Sequence[Member], *, nameless: Member, digests: Sequence[str], today: int, part: bool
    ) -> None:
        """Delete it all, in one transaction. `nameless` stands for who it was, where counts go on; `part`: the accounts
        are no longer one."""
        ...


class Belongings:
    """See the module.

    Args:
        idle: nothing of the person's is in line, under way or held.
        held_back: an admin keeps something from the person: then it stays known which accounts are theirs.
        schedulers: of all pools that are open.
        moved: whoever keeps names in memory reads them again.
    """

    def __init__(
        self,
        *,
        people: People,
        store: BelongingsStore,
        clock: Clock,
        retention: Retention,
        idle: Callable[[Member], bool],
        held_back: Callable[[Member], bool],
        schedulers: Callable[[], Iterable[Scheduler]],
        moved: Callable[[], Awaitable[None]],
    ) -> None:
        self._people, self._store, self._clock = people, store, clock
        self._idle, self._held_back, self._schedulers, self._moved = idle, held_back, schedulers, moved
        self.retention = retention

    async def counted(self, member: Member) -> Mapping[str, int]:
        """How many rows are kept of the person, by table."""
        found = await self._store.all(self._people.names(member))
        return {table: len(rows) for table, rows in found.items() if rows}

    async def export(self, member: Member) -> bytes:
        """All of it, as JSON."""
        found = await self._store.all(self._people.names(member))
        told = {
            "made_at": f"{datetime.fromtimestamp(self._clock.now(), UTC):%Y-%m-%dT%H:%M:%SZ}",
            "accounts": [account.key for account in self._people.accounts(member)],
            "kept": {table: rows for table, rows in found.items() if rows},
        }
        return json.dumps(told, ensure_ascii=False, indent=2).encode(errors="replace")

    async def erase(self, member: Member, community: CommunityId) -> None:
        """Delete all of it.

        Raises:
            BusyError: a question of the person's waits or is being answered.
        """
        await to_the_end(self._erase(member, community))

    async def _erase(self, member: Member, community: CommunityId) -> None:
        people = self._people
        person, accounts, names = people.of(member), people.accounts(member), people.names(member)
        nameless = people.nameless(person)
        for scheduler in self._schedulers():
            await scheduler.caught_up()
        with people.moving(accounts):
            # No wait between this look and what is closed to them: nothing of theirs can begin any more.
            if not self._idle(person):
                raise BusyError
            now = self._clock.now()
            await self._store.erase(
                names,
                nameless=nameless,
                digests=[people.digest(account) for account in accounts],
                today=day_of(now),
                part=not self._held_back(member),
            )
            await people.open()
            if person != nameless:
                gone = DayEvent(kind=EventKind.JOINED, at=now, member=nameless, community=community, other=person)
                for scheduler in self._schedulers():
                    scheduler.join(gone)
            await self._moved()
