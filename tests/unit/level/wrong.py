"""Rules that look right and break what must always hold of the level: the controls of the tests beside this."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from bot.clock import Instant
from bot.messages import CommunityId, Member
from bot.quota.day import ADMITTED, FairDay
from bot.quota.demand import Standing
from bot.quota.history import Array
from bot.quota.level import FEW, HOLDING, Caution, Forecast
from bot.quota.rooms import Levels, Room, Rooms
from bot.quota.sharing import FairSharing


class Sudden(Caution):
    """Generous where there are few units for each, and careful from some number on, with a step where it begins."""

    __slots__ = ()

    def next_units(self, answers: Forecast, sure: Forecast) -> float:
        roomy = answers.level(self.more)
        return sure.level(self.scarce) if roomy >= FEW else roomy


SUDDEN = Sudden(first=HOLDING.first, more=HOLDING.more, scarce=HOLDING.scarce, soft=HOLDING.soft)


class Envious(FairDay):
    """The more is gone, the more each may have: whoever sees others take takes as much."""

    def _levels(self, standing: Standing, moment: Instant, community: str) -> Levels:
        levels = super()._levels(standing, moment, community)
        gone = 1 - self.left_in_all() / max(1, self.rpd)
        return replace(levels, first=1 + 10 * gone, more=1 + 10 * gone)


class Hourly(FairSharing):
    """Looks for room at each full hour from now on."""

    def room_at(self, member: Member, community: CommunityId, moment: Instant) -> Instant | None:
        return next((at for at in _hours(moment) if self._fair.foreseen(member.key, at, community) in ADMITTED), None)


def _hours(moment: Instant) -> Iterator[Instant]:
    return (Instant(moment + 3600 * number) for number in range(24))


class Forgetting(Rooms):
    """Takes back what time has given."""

    def levels(self, room: Room, second: float, left: float, *, version: int, since: float) -> Levels:
        return self._levels(room, second, left)


class OneEach(Rooms):
    """One unit for each member, however much there is."""

    def _levels(self, room: Room, second: float, left: float) -> Levels:
        return replace(super()._levels(room, second, left), first=1.0, more=1.0)


class Parted(Rooms):
    """Each community has its part, and what it does not want of it is nobody's."""

    def _shares(self, room: Room, second: float, left: float) -> tuple[Array, Array]:
        rooms = self._rooms.values()
        height = (left + sum(each.taken for each in rooms)) / sum(each.weight for each in rooms)
        share = np.clip(height * room.weight - room.taken, 0, room.wants(second))
        return share, share


class Last(Rooms):
    """Sure is only what the others leave when they have all they want."""

    def _shares(self, room: Room, second: float, left: float) -> tuple[Array, Array]:
        share, _ = super()._shares(room, second, left)
        others = sum(each.wants(second) for each in self._rooms.values() if each is not room)
        return share, np.minimum(share, np.maximum(0, left - np.max(others)))


class Aside(Rooms):
    """Of what is left, only those have a part who have not had more than others."""

    def _shares(self, room: Room, second: float, left: float) -> tuple[Array, Array]:
        fewest = min(each.taken for each in self._rooms.values())
        weight = sum(each.weight for each in self._rooms.values() if each.taken == fewest)
        part = left * room.weight / weight if room.taken == fewest else 0.0
        share = np.minimum(room.wants(second), part)
        return share, share
