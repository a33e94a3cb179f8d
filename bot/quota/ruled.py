"""The simpler rules as policies of the scheduler, to compare the level with under the same conditions."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeAlias

from bot.clock import Instant
from bot.errors import RefusalCode
from bot.messages import CommunityId, Member
from bot.quota.events import DayEvent, EventKind
from bot.quota.history import DAYS, Ask, DayTable, tabulate
from bot.quota.past import Past
from bot.quota.rules import FixedShare, Pacing
from bot.quota.sharing import FirstComeSharing

MakeRule: TypeAlias = Callable[[int, Past], FixedShare | Pacing]
"""A day's rule from the pool's units and the days before."""


class RuledSharing(FirstComeSharing):
    """Whoever asks may go while there are units and the rule lets them."""

    def __init__(self, day: int, rpd: int, rule: FixedShare | Pacing) -> None:
        super().__init__(day, rpd)
        self._rule = rule

    def apply(self, event: DayEvent) -> None:
        super().apply(event)
        rule, member = self._rule, event.member.key
        match event.kind:
            case EventKind.ASKED:
                rule.ask(member, event.at, event.community)
            case EventKind.LET_THROUGH:
                rule.let_through(member, event.at)
            case EventKind.WITHDRAWN:
                rule.give_back(member)
            case EventKind.GIVEN_BACK:
                rule.taken[member] -= 1  # the member has it back, the pool has not
            case _:
                pass  # what is no unit does not count here

    def refusal(self, member: Member, community: CommunityId, moment: Instant) -> RefusalCode | None:
        if spent := super().refusal(member, community, moment):
            return spent
        return None if self._rule.admits(member.key, moment) else "daily_share_spent"

    def room_at(self, member: Member, community: CommunityId, moment: Instant) -> Instant | None:
        return None  # these rules do not look ahead


class RuledDays:
    """`RuledSharing` day by day, over the tables of the last `DAYS`."""

    def __init__(self, make_rule: MakeRule) -> None:
        self._make_rule = make_rule
        self._tables: deque[DayTable] = deque(maxlen=DAYS)

    def remember(self, day: int, asks: Sequence[Ask]) -> None:
        self._tables.append(tabulate(day, asks))

    def begin(self, day: int, rpd: int) -> RuledSharing:
        past = Past(day, [table for table in self._tables if table.day >= day - DAYS], {})
        return RuledSharing(day, rpd, self._make_rule(rpd, past))
