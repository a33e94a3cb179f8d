"""Who shares one level: all members of the pool, or each community's with a share of its own.

A room finds its level for what is left to it. Between communities, what is left is divided by the same water:
all of them up to one height by weight, each up to what its members want, asked day by day of the past.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from bot.quota.demand import Crowd
from bot.quota.history import SLOT, Array
from bot.quota.level import Caution, Forecast, forecast
from bot.quota.past import History, Outlook, Past
from bot.quota.wants import heights, wants

_IDLE_TICK = 300.0
"""Seconds for which the wants of a community stand in which nothing happens."""
_TICKS = 3
"""Of which the wants are kept: since something last changed, the last quarter of an hour, and now."""


class Room:
    """The members who share one level. Whoever changes a standing here counts it out of `crowd` and in again."""

    def __init__(self, day: int, history: History, weight: float = 1.0) -> None:
        self.crowd = Crowd(day)
        self.weight = weight
        self.members = 0
        """Seen today, the one who asks now included."""
        self.taken = 0
        """Units they have taken or been promised, which count against their share."""
        self.version = 0
        """Grows with every change here."""
        self.history = history
        self._totals = (-1, np.empty(0))

    def outlook(self, second: float, reach: int) -> Outlook:
        """See `History.outlook`."""
        return self.history.outlook(second, self.members, reach)

    def totals(self) -> Array:
        """`Crowd.totals`, kept while nothing changes here."""
        if self._totals[0] != self.version:
            self._totals = (self.version, self.crowd.totals())
        return self._totals[1]

    def wants(self, second: float) -> Array:
        """[day] what its members would still take today if nothing held them back."""
        return _all_wants([self], second)[:, 0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """The levels of a room at one moment, one for each degree of caution."""

    first: float
    """For a member's first unit of the day."""
    more: float
    soft: float
    forecast: Forecast
    """The days' answers at that moment."""

    def not_below(self, earlier: Levels) -> Levels:
        """Time alone takes nothing away: as high as it was."""
        return Levels(
            first=max(self.first, earlier.first),
            more=max(self.more, earlier.more),
            soft=max(self.soft, earlier.soft),
            forecast=self.forecast,
        )


@dataclass(slots=True)
class _Climb:
    """The levels since something last changed."""

    key: tuple[int, float, float]
    start: float
    edges: list[Levels]
    """Then, and at each quarter of an hour that has passed since. Looking ahead climbs far, and the next look again."""
    second: float
    now: Levels
    """The last that were asked for."""


class Rooms:
    """All rooms of one day."""

    def __init__(self, past: Past, *, caution: Caution, between_communities: bool) -> None:
        self._past = past
        self._caution = caution
        self._between = between_communities
        self._weights: Mapping[str, float] = {}
        self._rooms: dict[str, Room] = {}
        self._climbs: dict[int, _Climb] = {}
        self._wanted: dict[float, tuple[list[int], Array]] = {}
        """By tick, the rooms' versions and their wants."""
        for community in past.communities if between_communities else ("",):
            self.of(community)

    def prepare(self) -> None:
        """Have each history's tables stacked, which otherwise the first decision would wait for."""
        for room in self._rooms.values():
            room.outlook(0.0, 1)

    def weigh(self, weights: Mapping[str, float]) -> None:
        """How much each community counts, 1 where it is not named."""
        self._weights = weights
        for name, room in self._rooms.items():
            room.weight = weights.get(name, 1.0)

    def of(self, community: str) -> Room:
        """The room a member of this community shares; the only one unless communities share by themselves."""
        name = community if self._between else ""
        if name not in self._rooms:
            history = self._past.of(name) if self._between else self._past.everyone
            self._rooms[name] = Room(self._past.day, history, self._weights.get(name, 1.0))
        return self._rooms[name]

    def levels(self, room: Room, second: float, left: float, *, version: int, since: float) -> Levels:
        """The room's levels when `left` requests can still be answered in all of them.

        Nothing has changed since the second `since`, and time alone never lowers a level: days look more or less
        like today as it goes on, which may not take back what a member could have had a quarter of an hour ago.
        """
        key = (version, left, since)
        climb = self._climbs.get(id(room))
        if climb is None or climb.key != key or second < climb.start:
            start = min(since, second)
            levels = self._levels(room, start, left)
            climb = self._climbs[id(room)] = _Climb(key, start, [levels], start, levels)
        first = climb.start // SLOT
        passed = int(second // SLOT - first)
        for number in range(len(climb.edges), passed + 1):
            edge = self._levels(room, (first + number) * SLOT, left)
            climb.edges.append(edge.not_below(climb.edges[-1]))
        if climb.second != second:
            at_edge = climb.edges[passed]
            climb.second, climb.now = second, self._levels(room, second, left).not_below(at_edge)
        return climb.now

    def _levels(self, room: Room, second: float, left: float) -> Levels:
        answers, sure = self._forecasts(room, second, left)
        more = self._caution.next_units(answers, sure)
        return Levels(
            # As careful, but nobody waits for a first unit while others go on to their next.
            first=max(sure.level(self._caution.first), min(answers.level(self._caution.first), more)),
            more=more,
            soft=sure.level(self._caution.soft),
            forecast=answers,
        )

    def _forecasts(self, room: Room, second: float, left: float) -> tuple[Forecast, Forecast]:
        """The days' answers for what is left to the room, and for what is surely left to it.

        The two differ between communities only, and only where what is kept too long is given out later.
        """
        outlook = partial(room.outlook, second)
        if not self._between:
            answers = forecast(room.crowd, outlook, np.full(room.history.outlooks, left))
            return answers, answers
        share, least = self._shares(room, second, left)
        answers = forecast(room.crowd, outlook, share)
        if not self._caution.waits_for_few or not (least < share).any():
            return answers, answers
        return answers, forecast(room.crowd, outlook, least)

    def _shares(self, room: Room, second: float, left: float) -> tuple[Array, Array]:
        """[day] what is left for one community: as the others' wants are that day, and as they are on the day on which
        they leave the least. What a community gets beyond its part early, others may turn out to need."""
        rooms = list(self._rooms.values())
        wanted = self._wants(rooms, second // _IDLE_TICK * _IDLE_TICK)
        taken = np.array([each.taken for each in rooms], dtype=float)
        weights = np.array([each.weight for each in rooms])
        height, own = heights(wanted, taken, weights, left), wanted[:, rooms.index(room)]
        share = np.clip(height * room.weight - room.taken, 0, own)
        return share, np.clip(height.min() * room.weight - room.taken, 0, own)

    def _wants(self, rooms: Sequence[Room], second: float) -> Array:
        """[day, room] at a tick, worked out again only where something has changed."""
        versions = [room.version for room in rooms]
        known = self._wanted.get(second)
        if known is None or len(known[0]) != len(rooms):
            if len(self._wanted) >= _TICKS:
                self._wanted.pop(min(self._wanted))
            self._wanted[second] = versions, _all_wants(rooms, second)
        elif changed := [at for at, version in enumerate(versions) if known[0][at] != version]:
            known[1][:, changed] = _all_wants([rooms[at] for at in changed], second)
            known[0][:] = versions
        return self._wanted[second][1]


def _all_wants(rooms: Sequence[Room], second: float) -> Array:
    totals = np.stack([room.totals() for room in rooms])
    seen = np.array([room.members for room in rooms], dtype=float)
    return wants([room.history for room in rooms], totals, seen, second)
