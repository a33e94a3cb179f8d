"""Who shares one level: all members of the pool, or each community's with a share of its own.

A room finds its level for what is left to it. Between communities, what is left is divided by the same water:
all of them up to one height by weight, each up to what its members want, asked day by day of the past.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bot.quota.demand import Crowd
from bot.quota.history import SLOT, Array, History, Outlook, Past
from bot.quota.level import Caution, Forecast, forecast, unbounded

_IDLE_TICK = 300.0
"""Seconds for which the wants of a community stand in which nothing happens."""
_HALVINGS = 40


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
        self._wants: tuple[tuple[int, float], Array] | None = None

    def outlook(self, second: float) -> Outlook:
        return self.history.outlook(second, self.members)

    def wants(self, second: float) -> Array:
        """[day] what its members would still take today if nothing held them back."""
        key = (self.version, second // _IDLE_TICK * _IDLE_TICK)
        if self._wants is None or self._wants[0] != key:
            self._wants = (key, unbounded(self.crowd, self.outlook(key[1])))
        return self._wants[1]


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
    """The levels since something last changed: at the last quarter of an hour passed, and now."""

    key: tuple[int, float, float]
    edge: float
    at_edge: Levels
    second: float
    now: Levels


class Rooms:
    """All rooms of one day."""

    def __init__(
        self, past: Past, *, caution: Caution, between_communities: bool, weights: Mapping[str, float] | None = None
    ) -> None:
        self._past = past
        self._caution = caution
        self._between = between_communities
        self._weights = dict(weights or {})
        self._rooms: dict[str, Room] = {}
        self._climbs: dict[int, _Climb] = {}
        for community in past.communities if between_communities else ("",):
            self.of(community)

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
        if climb is None or climb.key != key or second < climb.second:
            start = min(since, second)
            levels = self._levels(room, start, left)
            climb = self._climbs[id(room)] = _Climb(key, start, levels, start, levels)
        while climb.edge // SLOT < second // SLOT:
            climb.edge = (climb.edge // SLOT + 1) * SLOT
            climb.at_edge = self._levels(room, climb.edge, left).not_below(climb.at_edge)
            climb.second, climb.now = climb.edge, climb.at_edge
        if climb.second < second:
            climb.second, climb.now = second, self._levels(room, second, left).not_below(climb.at_edge)
        return climb.now

    def _levels(self, room: Room, second: float, left: float) -> Levels:
        outlook = room.outlook(second)
        share = self._share(room, second, left) if self._between else np.full(len(outlook.days), left)
        answers = forecast(room.crowd, outlook, share)
        return Levels(
            first=answers.level(self._caution.first),
            more=answers.level(self._caution.more),
            soft=answers.level(self._caution.soft),
            forecast=answers,
        )

    def _share(self, room: Room, second: float, left: float) -> Array:
        """[day] what is left for one community."""
        rooms = list(self._rooms.values())
        wants = np.stack([each.wants(second) for each in rooms], axis=1)
        taken = np.array([each.taken for each in rooms], dtype=float)
        weights = np.array([each.weight for each in rooms])
        low, high = np.zeros(len(wants)), np.full(len(wants), ((taken + left) / weights).max())
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            fits = np.clip(middle[:, np.newaxis] * weights - taken, 0, wants).sum(axis=1) <= left
            low, high = np.where(fits, middle, low), np.where(fits, high, middle)
        return np.clip(high * room.weight - room.taken, 0, wants[:, rooms.index(room)])
