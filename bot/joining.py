"""Joining accounts into one person by a code that is good once, and parting them again.

A code is made as one account and given back as another. It is short-lived, kept as a keyed hash, compared in constant
time, and tries are counted per person and in all. Before anything is joined the second account is shown whose code it
is, so that nobody becomes one with a stranger by pasting what the stranger sent.

When two persons become one, today's counts add up. When their accounts part they do so at 00:00 UTC: until then they
share one share, so that joining and parting, however often, wins nobody a unit.
"""

from __future__ import annotations

import asyncio
import hmac
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from bot.clock import Clock, Instant, day_of, day_start
from bot.conversation.finishing import to_the_end
from bot.errors import PotluckError
from bot.messages import CommunityId, Member
from bot.office.edits import EVERYWHERE
from bot.people import People
from bot.quota.events import DayEvent, EventKind
from bot.quota.scheduler import Scheduler
from bot.quota.terms import Terms
from bot.routing.access import Rule, ToMember
from bot.telemetry.logs import logger

log = logger(__name__)

CODE_SECONDS = 600.0
LETTERS = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Of a code: none that are mistaken for another when read aloud or copied by hand."""
CODE_LENGTH = 10
"""About 49 bits: at `TRIES_IN_ALL` in ten minutes, one open code is guessed once in some million years."""
TRIES = 5
TRIES_IN_ALL = 60
"""Wrong codes within `CODE_SECONDS`: of one person, and of all together."""
ACCOUNTS_MAX = 10
_AFTER_MIDNIGHT = 5.0

JoinFault: TypeAlias = Literal[
    "wrong_code",
    "too_many_tries",
    "already_one",
    "too_many_accounts",
    "busy",
    "erased_today",
    "not_linked",
    "held_back",
]
"""Why accounts were not joined or parted. `busy`: a question of one of them is in line, under way or held.
`held_back`: an admin keeps something from the person, which parting would undo."""


class JoinError(PotluckError):
    """Accounts were not joined or parted, and nothing has changed."""

    def __init__(self, fault: JoinFault, *, again_at: Instant | None = None) -> None:
        super().__init__(fault)
        self.fault: JoinFault = fault
        self.again_at = again_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What the other account gives back. Shown once, to who made it."""

    text: str
    expires_at: Instant

    def __repr__(self) -> str:
        return "Code()"


class JoinStore(Protocol):
    """Keeps codes and joins. `bot.storage.people.SqlPeople` is the one."""

    async def keep_code(self, digest: str, member: Member, *, expires_at: Instant, now: Instant) -> None:
        """In place of the one the member had. Codes that are over are forgotten."""
        ...

    async def codes(self, *, now: Instant) -> Mapping[str, Member]:
        """Those that are good, by digest."""
        ...

    async def join(
        self,
        person: Member,
        others: Sequence[Member],
        *,
        spent_as: Sequence[Member],
        payer: Member,
        code: str,
        community: CommunityId,
        now: Instant,
    ) -> bool:
        """Use up the code, and make everything of the others' the person's, in one transaction.

        `spent_as`: all that the others' spending may stand under. `payer`: what the person's does.
        False: the code is no longer good, and nothing has changed.
        """
        ...

    async def stay(self, accounts: Sequence[Member], *, code: str, now: Instant) -> bool:
        """Use up the code: accounts that were to part stay together. False as above."""
        ...

    async def part(self, accounts: Sequence[Member], *, on: int) -> None:
        """They are to be by themselves from that day on."""
        ...

    async def part_due(self, *, today: int) -> int:
        """Part those whose day has come, and forget whose names were deleted before today. Returns how many parted."""
        ...


class Joining:
    """See the module.

    Args:
        idle: nothing of the person's is in line, under way or held.
        held_back: an admin keeps something from the person.
        schedulers: of all pools that are open.
        moved: somebody's things stand under another name now: whoever keeps names in memory reads them again.
        letter: one of so many, at random, for a code.
    """

    def __init__(
        self,
        *,
        people: People,
        store: JoinStore,
        clock: Clock,
        idle: Callable[[Member], bool],
        held_back: Callable[[Member], bool],
        schedulers: Callable[[], Iterable[Scheduler]],
        moved: Callable[[], Awaitable[None]],
        letter: Callable[[int], int],
        digest: Callable[[str], str],
    ) -> None:
        self._people, self._store, self._clock = people, store, clock
        self._idle, self._held_back, self._schedulers, self._moved = idle, held_back, schedulers, moved
        self._letter, self._digest = letter, digest
        self._one_at_a_time = asyncio.Lock()
        self._parted = day_of(clock.now())
        """The day for which it has been done: whoever opens this has done it for the first."""
        self._wrong: dict[Member, deque[Instant]] = {}
        self._wrong_in_all: deque[Instant] = deque()

    async def open(self) -> None:
        """Read who is one, and part whose day has come while nothing ran."""
        await self._store.part_due(today=day_of(self._clock.now()))
        await self._people.open()

    async def offer(self, member: Member) -> Code:
        """A code to give back as another account, in place of the one there was."""
        text = "".join(LETTERS[self._letter(len(LETTERS))] for _ in range(CODE_LENGTH))
        now = self._clock.now()
        code = Code(text=f"{text[:5]}-{text[5:]}", expires_at=Instant(now + CODE_SECONDS))
        await self._store.keep_code(self._hashed(text), member, expires_at=code.expires_at, now=now)
        return code

    async def whose(self, member: Member, typed: str) -> Member:
        """Whose code it is, for the member to say yes to. It stays good.

        Raises:
            JoinError: `wrong_code`, `too_many_tries`, `already_one`.
        """
        host, _ = await self._find(member, typed)
        return host

    async def join(self, member: Member, typed: str, community: CommunityId) -> Member:
        """Make the member, with all their accounts, one person with whose code it is. Returns the person.

        Raises:
            JoinError: nothing has changed.
        """
        async with self._one_at_a_time:
            return await to_the_end(self._join(member, typed, community))

    async def part(self, member: Member, account: Member | None = None) -> Instant:
        """Let an account of the person's, or all of them, be by themselves from the next day on. Returns its beginning.

        Raises:
            JoinError: `not_linked`, `held_back`.
        """
        accounts = self._people.accounts(member)
        if len(accounts) == 1 or account not in (None, *accounts):
            raise JoinError("not_linked")
        if self._held_back(member):
            raise JoinError("held_back")
        tomorrow = day_of(self._clock.now()) + 1
        going = accounts[1:] if account in (None, accounts[0]) else [one for one in accounts if one == account]
        async with self._one_at_a_time:
            await self._store.part(going, on=tomorrow)
            await self._people.open()
        return day_start(tomorrow)

    async def watch(self) -> None:
        """Part after every midnight whose day has come, for ever. They are one person for longer where it cannot be
        done at once: nobody wins by it."""
        while True:
            if self._parted != (today := day_of(self._clock.now())):
                await self.turn()
                self._parted = today
            now = self._clock.now()
            await asyncio.sleep(day_start(day_of(now) + 1) + _AFTER_MIDNIGHT - now)

    async def turn(self) -> None:
        """A new day has begun: part whose day has come."""
        async with self._one_at_a_time:
            await self._store.part_due(today=day_of(self._clock.now()))
            await self._people.open()
            for scheduler in self._schedulers():
                scheduler.regroup()
            await self._moved()

    # --- inside ------------------------------------------------------------------------------------------

    async def _find(self, member: Member, typed: str) -> tuple[Member, str]:
        """Whose code it is, and its digest. Raises as `whose`."""
        self._may_try(member)
        given, found = self._hashed(_letters(typed)), None
        for digest, host in (await self._store.codes(now=self._clock.now())).items():
            # Each is compared, and each takes as long, whether one fits or not.
            if hmac.compare_digest(digest, given):
                found = host
        if found is None:
            self._tried(member)
            raise JoinError("wrong_code")
        if self._people.accounts(found) == self._people.accounts(member) and not self._people.parts_on(member):
            raise JoinError("already_one")
        return found, given

    async def _join(self, member: Member, typed: str, community: CommunityId) -> Member:
        host, code = await self._find(member, typed)
        person, others = self._people.accounts(host)[0], self._people.accounts(member)
        if self._people.accounts(host) == others:
            if not await self._store.stay(others, code=code, now=self._clock.now()):
                raise JoinError("wrong_code")
            await self._people.open()
            return person
        everyone = (*self._people.accounts(host), *others)
        if len(everyone) > ACCOUNTS_MAX:
            raise JoinError("too_many_accounts")
        if any(self._people.erased_today(one) for one in (host, member)):
            raise JoinError("erased_today", again_at=day_start(day_of(self._clock.now()) + 1))
        for scheduler in self._schedulers():
            await scheduler.caught_up()
        with self._people.moving(everyone):
            # No wait between this look and what is closed to them: nothing of theirs can begin any more.
            if not all(self._idle(one) for one in (person, others[0])):
                raise JoinError("busy")
            now = self._clock.now()
            done = await self._store.join(
                person,
                others,
                spent_as=self._people.names(member),
                payer=self._people.payer(host),
                code=code,
                community=community,
                now=now,
            )
            if not done:
                raise JoinError("wrong_code")
            await self._people.open()
            joined = DayEvent(kind=EventKind.JOINED, at=now, member=person, community=community, other=others[0])
            for scheduler in self._schedulers():
                scheduler.join(joined)
            await self._moved()
        return person

    def _hashed(self, code: str) -> str:
        return self._digest(f"link code {code}")

    def _may_try(self, member: Member) -> None:
        person, since = self._people.accounts(member)[0], self._clock.now() - CODE_SECONDS
        for tries, most in ((self._wrong.get(person, deque()), TRIES), (self._wrong_in_all, TRIES_IN_ALL)):
            while tries and tries[0] <= since:
                tries.popleft()
            if len(tries) >= most:
                raise JoinError("too_many_tries", again_at=Instant(tries[0] + CODE_SECONDS))

    def _tried(self, member: Member) -> None:
        now, person = self._clock.now(), self._people.accounts(member)[0]
        self._wrong = {one: tries for one, tries in self._wrong.items() if tries and tries[-1] > now - CODE_SECONDS}
        self._wrong.setdefault(person, deque()).append(now)
        self._wrong_in_all.append(now)


def _letters(typed: str) -> str:
    """A code as it was made, however it was typed."""
    return "".join(letter for letter in typed.upper() if letter in LETTERS)[: CODE_LENGTH + 1]


def held_back(people: People, terms: Terms, rules: Iterable[Rule], member: Member, now: Instant) -> bool:
    """An admin keeps something from a person: a block, a smaller weight, a model."""
    key = people.of(member).key
    barred = any(block.stands(now) for (whose, _), block in terms.blocks.items() if whose == key)
    if terms.member(key).weight < 1 or barred or terms.barred(key, EVERYWHERE, now) is not None:
        return True
    accounts = people.accounts(member)
    return any(
        not rule.allows and not rule.ended(now) and isinstance(rule.to, ToMember) and rule.to.member in accounts
        for rule in rules
    )
