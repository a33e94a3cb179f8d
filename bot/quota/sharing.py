"""How one day of a pool is shared: what each policy makes of the day's events. No clock, no I/O.

`FairSharing` lets a member take units up to the level; `FirstComeSharing` lets whoever asks take what is there, and
stays for comparison.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Sequence
from typing import Protocol, assert_never

from bot.clock import Instant, day_start
from bot.errors import RefusalCode
from bot.messages import CommunityId, Member, Share
from bot.quota.day import ADMITTED, PROMISE_SECONDS, Decision, FairDay
from bot.quota.events import DayEvent, EventKind
from bot.quota.history import DAYS, SLOT, Ask, DayTable, tabulate
from bot.quota.level import HOLDING, Caution
from bot.quota.past import Past
from bot.quota.terms import Terms

_ESTIMATE = 300.0
"""Seconds to which an estimate of the day is worth anything."""


class Sharing(Protocol):
    """One day of one pool under one policy."""

    day: int

    @property
    def used(self) -> int:
        """Units our own leases took."""
        ...

    def prepare(self) -> None:
        """Work out what every decision of the day uses, so that the first does not take longer."""
        ...

    def apply(self, event: DayEvent) -> None:
        """Take an event into account."""
        ...

    def recount(self, *, elsewhere: int, rpd: int) -> None:
        """The account's cap, and the units it says are gone beyond ours."""
        ...

    def lay_down(self, terms: Terms) -> None:
        """An admin's terms hold from now on."""
        ...

    def refusal(self, member: Member, community: CommunityId, moment: Instant) -> RefusalCode | None:
        """Why a member's next question may not go now; None: it may."""
        ...

    def share(self, member: Member, community: CommunityId, moment: Instant) -> Share:
        """Where the member stands."""
        ...

    def decision(self, member: Member, community: CommunityId, moment: Instant) -> Decision | None:
        """The same with its reasons, where the policy has any."""
        ...

    def room_at(self, member: Member, community: CommunityId, moment: Instant) -> Instant | None:
        """The earliest a member's next question can be expected to find room today: as if nobody took anything until
        then. None: not even so. Others do take units, so most find it hours later, and some not at all.
        """
        ...

    def spare(self, moment: Instant) -> int:
        """Units that are nobody's: not let through, promised, granted or held back."""
        ...

    def promise(self, member: Member, moment: Instant) -> int:
        """Units to be set aside for a member who has just been answered. Changes nothing."""
        ...

    def promised(self, member: Member) -> tuple[int, Instant] | None:
        """Units that are set aside for a member, and when they were. None: none are."""
        ...


class Days(Protocol):
    """Begins each day under one policy, with what it needs of the days before."""

    def remember(self, day: int, asks: Sequence[Ask]) -> None:
        """A day that is over, in order; days on which nobody asked too."""
        ...

    def begin(self, day: int, rpd: int) -> Sharing: ...


class FirstComeSharing:
    """Whoever asks may go while there are units."""

    def __init__(self, day: int, rpd: int) -> None:
        self.day, self.used = day, 0
        self._rpd, self._elsewhere, self._pending = rpd, 0, 0
        self._taken: Counter[Member] = Counter()

    def prepare(self) -> None:
        """There is nothing to work out."""

    def apply(self, event: DayEvent) -> None:
        match event.kind:
            case EventKind.SENT:
                self.used, self._pending = self.used + 1, self._pending - 1
            case EventKind.RETRIED:
                self.used += 1
            case EventKind.UNRETRIED | EventKind.UNCOUNTED:
                self.used -= 1
            case EventKind.UNSENT:
                self.used, self._pending = self.used - 1, self._pending + 1
            case EventKind.LET_THROUGH:
                self._taken[event.member] += 1
                self._pending += 1
            case EventKind.WITHDRAWN:
                self._taken[event.member] -= 1
                self._pending -= 1
            case EventKind.GIVEN_BACK:
                self._taken[event.member] -= 1
            case EventKind.JOINED:
                assert event.other is not None
                taken = self._taken.pop(event.other, 0)
                self._taken[event.member] += taken
            case _:
                pass  # what is no unit does not count here

    def recount(self, *, elsewhere: int, rpd: int) -> None:
        self._elsewhere, self._rpd = elsewhere, rpd

    def lay_down(self, terms: Terms) -> None:
        """Changes nothing: here nobody has a share that could weigh more or less."""

    def refusal(self, member: Member, community: CommunityId, moment: Instant) -> RefusalCode | None:
        return None if self._left() else "pool_spent"

    def share(self, member: Member, community: CommunityId, moment: Instant) -> Share:
        taken, left = self._taken[member], self._left()
        return Share(used=taken, level=taken + left, left_now=left, left_sure=0, resets_at=day_start(self.day + 1))

    def decision(self, member: Member, community: CommunityId, moment: Instant) -> Decision | None:
        return None

    def room_at(self, member: Member, community: CommunityId, moment: Instant) -> Instant | None:
        return moment if self._left() else None

    def spare(self, moment: Instant) -> int:
        return max(0, self._left() - self._pending)

    def promise(self, member: Member, moment: Instant) -> int:
        return 0

    def promised(self, member: Member) -> None:
        return None

    def _left(self) -> int:
        return max(0, self._rpd - self.used - self._elsewhere)


class FairSharing:
    """Everyone may take up to the level, which days like this one tell."""

    def __init__(self, fair: FairDay) -> None:
        self.day, self._fair = fair.day, fair

    @property
    def used(self) -> int:
        return self._fair.sent

    def prepare(self) -> None:
        self._fair.prepare()

    def apply(self, event: DayEvent) -> None:
        fair, member = self._fair, event.member.key
        # A ledger that lost part of a day must not keep anyone out of the rest: what it still has counts.
        fair.meet(member, event.community)
        match event.kind:
            case EventKind.ASKED:
                fair.ask(member, event.at, event.community)
            case EventKind.REFUSED:
                fair.refuse(member)
            case EventKind.HELD:
                fair.hold(member, event.community)
            case EventKind.RELEASED:
                fair.release(member)
            case EventKind.LET_THROUGH:
                fair.let_through(member, event.at)
            case EventKind.WITHDRAWN:
                fair.give_back(member, unsent=True)
            case EventKind.SENT:
                fair.send()
            case EventKind.RETRIED:
                fair.send(first=False)
            case EventKind.UNRETRIED | EventKind.UNCOUNTED:
                fair.unsend(first=False)
            case EventKind.UNSENT:
                fair.unsend()
            case EventKind.ANSWERED | EventKind.FAILED:
                fair.settle(answered=event.kind is EventKind.ANSWERED)
            case EventKind.GIVEN_BACK:
                fair.give_back(member, unsent=False)
            case EventKind.PROMISED:
                fair.set_aside(member, event.at, event.units)
            case EventKind.JOINED:
                assert event.other is not None
                fair.join(member, event.other.key, event.at, event.community)
            case _:
                assert_never(event.kind)

    def recount(self, *, elsewhere: int, rpd: int) -> None:
        self._fair.recount(elsewhere, rpd)

    def lay_down(self, terms: Terms) -> None:
        self._fair.lay_down(terms)

    def refusal(self, member: Member, community: CommunityId, moment: Instant) -> RefusalCode | None:
        verdict = self._fair.verdict(member.key, moment, community)
        if verdict in ADMITTED:
            return None
        return "pool_spent" if verdict == "pool_spent" else "daily_share_spent"

    def share(self, member: Member, community: CommunityId, moment: Instant) -> Share:
        decision = self.decision(member, community, moment)
        standing = self._fair.standing(member.key)
        promised = standing.promised if standing else 0
        # As far as the pool goes: what the level allows beyond it nobody could take.
        most = decision.taken + self._fair.within_reach(member.key, moment)
        level = min(decision.level, float(most))
        left_now = max(promised, math.floor(level) - decision.taken, 0)
        if self._fair.left_in_all() == 0:
            left_now = promised = 0
        if not left_now and decision.admitted:
            left_now = 1  # the fraction of the level decides for this member's next unit
        return Share(
            used=decision.taken,
            level=round(level, 2),
            left_now=left_now,
            left_sure=promised,
            resets_at=decision.resets_at,
        )

    def decision(self, member: Member, community: CommunityId, moment: Instant) -> Decision:
        return self._fair.decide(member.key, moment, community)

    def room_at(self, member: Member, community: CommunityId, moment: Instant) -> Instant | None:
        # Time alone only raises the level: quarter by quarter up to the first with room, and halving that one.
        first, last, end = moment, moment, Instant(day_start(self.day + 1) - 60)
        while self._fair.foreseen(member.key, last, community) not in ADMITTED:
            if last >= end:
                return None
            first, last = last, Instant(min(end, (last // SLOT + 1) * SLOT))
        while last - first > _ESTIMATE:
            middle = Instant((first + last) / 2)
            if self._fair.foreseen(member.key, middle, community) in ADMITTED:
                last = middle
            else:
                first = middle
        return last

    def spare(self, moment: Instant) -> int:
        return self._fair.left(moment)

    def promise(self, member: Member, moment: Instant) -> int:
        return self._fair.promisable(member.key, moment)

    def promised(self, member: Member) -> tuple[int, Instant] | None:
        standing = self._fair.standing(member.key)
        if standing is None or not standing.promised:
            return None
        return standing.promised, Instant(standing.promised_until - PROMISE_SECONDS)


class FirstComeDays:
    """`FirstComeSharing` day by day; it learns from nothing."""

    def remember(self, day: int, asks: Sequence[Ask]) -> None:
        pass

    def begin(self, day: int, rpd: int) -> Sharing:
        return FirstComeSharing(day, rpd)


class FairDays:
    """`FairSharing` day by day, over the tables of the last `DAYS`."""

    def __init__(
        self, *, between_communities: bool = False, promise_units: int = 0, caution: Caution = HOLDING
    ) -> None:
        self._between, self._promise_units, self._caution = between_communities, promise_units, caution
        self._everyone: deque[DayTable] = deque(maxlen=DAYS)
        self._communities: dict[str, deque[DayTable]] = {}

    def remember(self, day: int, asks: Sequence[Ask]) -> None:
        self._everyone.append(tabulate(day, asks))
        if self._between:
            by_community: dict[str, list[Ask]] = {}
            for ask in asks:
                by_community.setdefault(ask.community, []).append(ask)
            for name, own in by_community.items():
                self._communities.setdefault(name, deque(maxlen=DAYS)).append(tabulate(day, own))

    def begin(self, day: int, rpd: int) -> FairSharing:
        first = day - DAYS
        # Copied first, in one step: a day may be learned from in a thread meanwhile.
        everyone, communities = list(self._everyone), list(self._communities.items())
        return FairSharing(
            FairDay(
                day,
                rpd=rpd,
                past=Past(
                    day,
                    [table for table in everyone if table.day >= first],
                    {name: [table for table in list(tables) if table.day >= first] for name, tables in communities},
                ),
                caution=self._caution,
                between_communities=self._between,
                promise_units=self._promise_units,
            )
        )
