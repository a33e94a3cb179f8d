"""One pool's day: who stands where, what is left, and whether the next question may go.

All of it follows from the day's events, which the ledger has; told the same events in the same order, two
days give the same decisions, so a restart only has to read them back. Every method that changes something
is one such event. Nothing here waits, and nothing reads a clock.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bot.clock import DAY, Instant, day_start
from bot.quota.demand import Standing, lot
from bot.quota.level import HOLDING, Caution, DayAnswer, Forecast
from bot.quota.past import Past
from bot.quota.rooms import Levels, Room, Rooms
from bot.quota.terms import NO_TERMS, Terms

TICK = 20.0
"""Seconds a level stands while nothing changes. Ticks are counted from midnight: a restart sees the same ones."""
PROMISE_SECONDS = 3600.0
_ANSWERED_PRIOR = 20

Verdict: TypeAlias = Literal["promised", "granted", "within_level", "above_level", "pool_spent", "pool_promised"]
ADMITTED: frozenset[Verdict] = frozenset(("promised", "granted", "within_level"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether a member's next question may go now, and why. Units are requests."""

    verdict: Verdict
    level: float
    """What the member may have taken today: the day's level times the weight, plus grants. May be infinite."""
    weight: float
    granted_left: int
    """Units an admin has granted the member and that are not used yet."""
    taken: int
    left: int
    """Units of the pool that nobody has been promised or granted."""
    held_back_for_others: int
    """How many of them are kept for others, most of whom have not asked yet."""
    probably: int
    """Units the member will nearly always still get today, beyond those taken. No promise."""
    resets_at: Instant
    forecast: Forecast
    """The days looked at and what each would allow."""

    @property
    def days(self) -> tuple[DayAnswer, ...]:
        return self.forecast.answers

    @property
    def admitted(self) -> bool:
        return self.verdict in ADMITTED


class FairDay:
    """See the module. Members are named by any stable string; a community matters only between communities."""

    def __init__(
        self,
        day: int,
        *,
        rpd: int,
        past: Past,
        caution: Caution = HOLDING,
        between_communities: bool = False,
        promise_units: int = 0,
        terms: Terms = NO_TERMS,
    ) -> None:
        self.day = day
        self.rpd = rpd
        self.promise_units = promise_units
        self.foreign = 0
        """Units the account says are gone beyond those we sent; below 0 where it counted fewer."""
        self.sent = 0
        """Units that left for OpenRouter today, second attempts and failures included."""
        self.pending = 0
        """Units let through and not yet sent."""
        self.promised = 0
        self.granted = 0
        """Units granted and not yet used."""
        self._terms = NO_TERMS
        self._begins = day_start(day)
        self._rooms = Rooms(past, caution=caution, between_communities=between_communities)
        self._settled, self._answered = 0, 0
        self._standings: dict[str, Standing] = {}
        self._room_of: dict[str, Room] = {}
        self._promises: list[tuple[float, str]] = []
        self._version = 0
        self._since = 0.0
        """The tick of the day in which a question last came or went through."""
        self._known: tuple[tuple[Room, float, int, int], Levels] | None = None
        """The levels asked for last: where many held questions are looked at, all ask for the same."""
        self.lay_down(terms)

    # --- events ------------------------------------------------------------------------------------------

    def lay_down(self, terms: Terms) -> None:
        """An admin's terms hold from now on. What is granted is set aside, also for members not seen yet."""
        before, self._terms = self._terms, terms
        for member in {*before.members, *terms.members}:
            old, new = before.member(member), terms.member(member)
            if standing := self._standings.get(member):
                with self._changing(standing):
                    standing.weight, standing.grant = new.weight, new.grant(self.day)
                    standing.grant_after = new.after.get(self.day, 0)
            else:
                self.granted += new.grant(self.day) - old.grant(self.day)
        self._rooms.weigh(terms.communities)
        self._version += 1

    def meet(self, member: str, community: str = "") -> None:
        """The member is about to be named by an event, perhaps for the first time. Who never asks is not counted."""
        self._standing(member, community)

    def ask(self, member: str, moment: Instant, community: str = "") -> None:
        """A question has been asked. Not for one looked at again, nor for a refused one asked once more."""
        self._since = self._tick(moment)
        standing = self._standing(member, community)
        if standing.asks == 0:
            self._room_of[member].members += 1
        with self._changing(standing):
            standing.asks += 1

    def refuse(self, member: str) -> None:
        """The question was turned away."""
        with self._changing(self._standings[member]) as standing:
            standing.refused = True

    def hold(self, member: str, community: str = "") -> None:
        """The question waits for room. It may have been asked just before this day began."""
        with self._changing(self._standing(member, community)) as standing:
            standing.refused = True
            standing.waiting += 1

    def release(self, member: str) -> None:
        """A held question no longer waits: it was let through, given up or has expired."""
        with self._changing(self._standings[member]) as standing:
            standing.waiting = max(0, standing.waiting - 1)

    def let_through(self, member: str, moment: Instant) -> None:
        """The question may go: the member and the pool are charged, a promise is used up first."""
        self._since = self._tick(moment)
        self.pending += 1
        with self._changing(self._standings[member]) as standing:
            if standing.promised:
                standing.promised -= 1
            standing.taken += 1
            standing.refused = False

    def give_back(self, member: str, *, unsent: bool) -> None:
        """The member gets the unit back: it was never sent (the pool gets it too), or upstream failed."""
        self.pending -= unsent
        with self._changing(self._standings[member]) as standing:
            standing.taken = max(0, standing.taken - 1)

    def send(self, *, first: bool = True) -> None:
        """A unit leaves for OpenRouter. A second attempt was not let through before: `first=False`."""
        self.pending -= first
        self.sent += 1
        self._version += 1

    def unsend(self, *, first: bool = True) -> None:
        """A unit that was to leave did not, after all. One that was let through is so again."""
        self.pending += first
        self.sent -= 1
        self._version += 1

    def settle(self, *, answered: bool) -> None:
        """An attempt has ended; how many it takes per answer is what makes failures count."""
        self._settled += 1
        self._answered += answered
        self._version += 1

    def set_aside(self, member: str, moment: Instant, units: int) -> None:
        """So many units are the member's for an hour, in place of those that were."""
        self._expire(moment)
        with self._changing(self._standings[member]) as standing:
            standing.promised = units
            standing.promised_until = moment + PROMISE_SECONDS
        heapq.heappush(self._promises, (standing.promised_until, member))

    def join(self, member: str, other: str, moment: Instant, community: str = "") -> None:
        """Two members turn out to be one person: what `other` has asked, taken and been promised is the member's now.

        Nothing of `other`'s may be under way: what ended after this would be counted for nobody.
        """
        gone = self._standings.get(other)
        if gone is None or other == member:
            return
        self._since = self._tick(moment)
        asks, taken, promised, until = gone.asks, gone.taken, gone.promised, gone.promised_until
        waiting, refused = gone.waiting, gone.refused
        with self._changing(gone):
            gone.asks = gone.taken = gone.promised = gone.waiting = 0
            gone.refused = False
        standing = self._standing(member, community)
        self._room_of[other].members -= asks > 0
        self._room_of[member].members += asks > 0 and standing.asks == 0
        with self._changing(standing):
            standing.asks += asks
            standing.taken += taken
            standing.promised += promised
            standing.waiting += waiting
            standing.refused = standing.refused or refused
            standing.promised_until = max(standing.promised_until, until)
        if standing.promised:
            heapq.heappush(self._promises, (standing.promised_until, member))

    def recount(self, foreign: int, rpd: int | None = None) -> None:
        """The account's own count differs from ours by `foreign` units, or its limit has changed."""
        self.foreign = foreign
        self.rpd = self.rpd if rpd is None else rpd
        self._version += 1

    def prepare(self) -> None:
        """Work out the tables that every decision of the day uses."""
        self._rooms.prepare()

    # --- what follows from them --------------------------------------------------------------------------

    def left_in_all(self) -> int:
        """Units the pool can still send today beyond those already let through; never below 0."""
        return max(0, self.rpd - self.sent - self.pending - self.foreign)

    def left(self, moment: Instant) -> int:
        """Units nobody has been promised or granted and no event waits for."""
        set_aside = sum(reserve.units for reserve in self._terms.reserves if moment < reserve.until)
        return max(0, self.left_in_all() - self.promised - self.granted - set_aside)

    def within_reach(self, member: str, moment: Instant) -> int:
        """Units the member could take at any level: those that are nobody's and the member's own."""
        standing = self._standings.get(member) or self._newcomer(member)
        own = standing.promised + standing.granted_left
        return min(self.left_in_all(), self.left(moment) + own)

    @property
    def cost(self) -> float:
        """Units per answered question, lately."""
        return max(1.0, (self._settled + _ANSWERED_PRIOR) / (self._answered + _ANSWERED_PRIOR))

    def standing(self, member: str) -> Standing | None:
        """The member's own count; not to be changed by the caller. None: not seen today."""
        return self._standings.get(member)

    def decide(self, member: str, moment: Instant, community: str = "") -> Decision:
        """Whether the member's next question may go now, at `moment`. Changes nothing but promises that ran out."""
        self._expire(moment)
        standing = self._standings.get(member) or self._newcomer(member)
        levels = self._levels(standing, moment, community)
        level, left = self._level(standing, levels), self.left(moment)
        allowed = level + standing.grant
        if standing.granted_left:  # they may be taken also by who is above the level
            allowed = max(allowed, standing.taken + standing.granted_left)
        return Decision(
            verdict=self._verdict_without_level(standing, left) or self._verdict_of_level(standing, level),
            level=allowed,
            weight=standing.weight,
            granted_left=standing.granted_left,
            taken=standing.taken,
            left=left,
            held_back_for_others=left - int(min(left, max(0.0, allowed - standing.taken))),
            probably=self.probably(member, moment, community),
            resets_at=day_start(self.day + 1),
            forecast=levels.forecast,
        )

    def verdict(self, member: str, moment: Instant, community: str = "") -> Verdict:
        """The same without its reasons: all that is asked of most members most of the time."""
        self._expire(moment)
        return self.foreseen(member, moment, community)

    def foreseen(self, member: str, moment: Instant, community: str = "") -> Verdict:
        """The verdict at a moment that may be to come, if nothing happens until then.

        Changes nothing at all. A promise that will have run out counts as if it still stood: it may be kept till then.
        """
        standing = self._standings.get(member) or self._newcomer(member)
        left = self.left(moment)
        plain = self._verdict_without_level(standing, left)
        return plain or self._verdict_of_level(
            standing, self._level(standing, self._levels(standing, moment, community))
        )

    def probably(self, member: str, moment: Instant, community: str = "") -> int:
        """Units the member will probably get today beyond those taken: held nearly always, but no promise."""
        standing = self._standings.get(member) or self._newcomer(member)
        level = standing.weight * self._levels(standing, moment, community).soft
        room = max(level + standing.grant - standing.taken, float(standing.granted_left))
        room = min(room, self.within_reach(member, moment))
        return max(standing.promised, int(room))

    def promise(self, member: str, moment: Instant) -> int:
        """Right after an answer: set aside what can be promised. Returns how many units are promised now."""
        units = self.promisable(member, moment)
        if units:
            self.set_aside(member, moment, units)
        return units

    def promisable(self, member: str, moment: Instant) -> int:
        """Units to promise the member right after an answer, those promised already included."""
        if not self.promise_units:
            return 0
        decision, standing = self.decide(member, moment), self._standings[member]
        own = standing.promised
        units = min(
            max(own - 1, self.promise_units),
            decision.level - standing.taken,
            (decision.left + own) / self.cost,
        )
        return max(own, int(units))  # what was promised stays so, whatever the level does

    # --- inside ------------------------------------------------------------------------------------------

    def _level(self, standing: Standing, levels: Levels) -> float:
        """Units that may be charged to the member."""
        return standing.weight * (levels.first if standing.charged == 0 else levels.more)

    def _verdict_without_level(self, standing: Standing, left: int) -> Verdict | None:
        """What holds at any level; None: the level decides."""
        if self.left_in_all() <= 0:
            return "pool_spent"
        if standing.promised:
            return "promised"
        if standing.granted_left:
            return "granted"
        if left <= 0:
            return "pool_promised"
        return None

    def _verdict_of_level(self, standing: Standing, level: float) -> Verdict:
        room = level - standing.charged
        within = room >= 1 or room > lot(standing.member, self.day, standing.charged)
        return "within_level" if within else "above_level"

    def _levels(self, standing: Standing, moment: Instant, community: str) -> Levels:
        second = self._tick(moment)
        room = self._room_of.get(standing.member) or self._rooms.of(community)
        left = self.left(moment)
        key = (room, second, left, self._version)
        if self._known is None or self._known[0] != key:
            levels = self._rooms.levels(room, second, self._answers(left), version=self._version, since=self._since)
            self._known = key, levels
        return self._known[1]

    def _answers(self, left: int) -> float:
        """Questions that can still be answered besides those under way, which are expected to cost as much as others.

        Were they counted as one unit each, a question let through would leave more for everyone else than before.
        """
        under_way = self.pending + self.sent - self._settled
        return (left + under_way) / self.cost - under_way

    def _tick(self, moment: Instant) -> float:
        return min(max(0.0, (moment - self._begins) // TICK * TICK), DAY)

    def _expire(self, moment: Instant) -> None:
        while self._promises and self._promises[0][0] <= moment:
            until, member = heapq.heappop(self._promises)
            standing = self._standings[member]
            if standing.promised and standing.promised_until == until:
                self._since = max(self._since, self._tick(Instant(until)))
                with self._changing(standing):
                    standing.promised = 0

    def _standing(self, member: str, community: str) -> Standing:
        if member not in self._standings:
            self._standings[member] = self._newcomer(member)
            self._room_of[member] = self._rooms.of(community)
        return self._standings[member]

    def _newcomer(self, member: str) -> Standing:
        terms = self._terms.member(member)
        after = terms.after.get(self.day, 0)
        return Standing(member=member, weight=terms.weight, grant=terms.grant(self.day), grant_after=after)

    @contextmanager
    def _changing(self, standing: Standing) -> Iterator[Standing]:
        """The crowd counts a member by where the member stands: out, change, in again."""
        room = self._room_of[standing.member]
        room.crowd.place(standing, -1)
        taken, promised, granted = standing.taken, standing.promised, standing.granted_left
        yield standing
        room.taken += standing.taken + standing.promised - taken - promised
        self.promised += standing.promised - promised
        self.granted += standing.granted_left - granted
        room.crowd.place(standing)
        room.version += 1
        self._version += 1
