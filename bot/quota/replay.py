"""Days replayed in order of time and without waiting: what a rule would have given whom.

A synchronous stand-in for the service around the day's rule: questions arrive, are let through, held or
refused; what is let through leaves one at a time for each member, at most `rpm` in a rolling window. It
serves to judge a rule over months of traffic in seconds.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias, assert_never

from bot.clock import DAY, Instant, day_start
from bot.conversation.holding import until_next_look
from bot.quota.day import FairDay
from bot.quota.history import DAYS, Ask, DayTable, tabulate
from bot.quota.level import HOLDING, PLAIN, Caution
from bot.quota.measure import DayMeasure, max_min_ratio, measure, two_level_ratio
from bot.quota.past import Past
from bot.quota.rules import Fair, FirstCome, FixedShare, Pacing, Rule

Traffic: TypeAlias = Mapping[int, Sequence[Ask]]
"""Questions by UTC day, in order of time."""

Policy: TypeAlias = Literal["fair", "fcfs", "fixed", "pacing"]

_MAX_HELD = 2
_LAST_START = DAY - 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the day is replayed under; the same for every kind of traffic."""

    policy: Policy = "fair"
    rpd: int = 50
    rpm: int = 20
    hold: bool = True
    caution: Caution | None = None
    """None: the usual one for holding or not."""
    between_communities: bool = False
    promise_units: int = 0
    window: float = 62.0
    service_seconds: float = 7.4
    patience: float = 120.0


@dataclass(slots=True)
class Outcome:
    """What one day came to."""

    day: int
    asks: Sequence[Ask]
    given: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    """Seconds from the question to its sending, for those let through at once."""
    held: list[float] = field(default_factory=list)
    """Seconds from the question to its release, for those that were held and sent."""

    @property
    def demand(self) -> Counter[str]:
        return Counter(ask.member for ask in self.asks)

    def measured(self, rpd: int) -> DayMeasure:
        first: dict[str, float] = {}
        for ask in self.asks:
            first.setdefault(ask.member, ask.second)
        return measure(self.demand, self.given, rpd, first)

    def ratio(self, rpd: int) -> float:
        return max_min_ratio(self.demand, self.given, rpd)

    def ratio_between_communities(self, rpd: int) -> float:
        demand: dict[str, Counter[str]] = {}
        given: dict[str, dict[str, int]] = {}
        for ask in self.asks:
            demand.setdefault(ask.community, Counter())[ask.member] += 1
            given.setdefault(ask.community, {})[ask.member] = self.given[ask.member]
        return two_level_ratio(demand, given, rpd)


class _Question(NamedTuple):
    asked: float
    member: str
    since: float
    """When it was let through."""


_Kind: TypeAlias = Literal["ask", "look", "done", "start", "late"]


class _Replay:
    def __init__(self, outcome: Outcome, rule: Rule, setting: Setting) -> None:
        self.outcome, self.rule, self.setting = outcome, rule, setting
        self.begins = day_start(outcome.day)
        self.events: list[tuple[float, int, _Kind, Ask | str]] = []
        self.number = 0
        self.line: list[_Question] = []
        self.held: list[tuple[float, str]] = []
        self.waiting: Counter[str] = Counter()
        self.starts: deque[float] = deque()
        self.busy: set[str] = set()

    def run(self) -> None:
        for ask in self.outcome.asks:
            self.at(ask.second, "ask", ask)
        while self.events:
            now, _, kind, what = heapq.heappop(self.events)
            if now >= _LAST_START:
                return
            if isinstance(what, Ask):
                self.asked(now, what)
            elif kind == "look":
                self.look_again(now)
            elif kind == "late":
                self.drop_late(now)
            else:
                if kind == "done":
                    self.busy.discard(what)
                    self.rule.answered(what, Instant(self.begins + now))
                self.start(now)

    def at(self, second: float, kind: _Kind, what: Ask | str = "") -> None:
        self.number += 1
        heapq.heappush(self.events, (second, self.number, kind, what))

    def asked(self, now: float, ask: Ask) -> None:
        moment = Instant(self.begins + now)
        self.rule.ask(ask.member, moment, ask.community)
        if self.rule.admits(ask.member, moment):
            self.let_through(now, now, ask.member)
        elif self.setting.hold and self.waiting[ask.member] < _MAX_HELD:
            if not self.held:
                self.at(now + until_next_look(DAY - now), "look")
            self.held.append((now, ask.member))
            self.waiting[ask.member] += 1
            self.rule.hold(ask.member)
        else:
            self.rule.refuse(ask.member)

    def look_again(self, now: float) -> None:
        """Least taken first, then first asked."""
        given = self.outcome.given
        for asked, member in sorted(self.held, key=lambda one: (given[one[1]], one[0])):
            if self.rule.admits(member, Instant(self.begins + now)):
                self.held.remove((asked, member))
                self.waiting[member] -= 1
                self.rule.release(member)
                self.outcome.held.append(now - asked)
                self.let_through(now, asked, member)
        if self.held:
            self.at(now + until_next_look(DAY - now), "look")

    def let_through(self, now: float, asked: float, member: str) -> None:
        self.rule.let_through(member, Instant(self.begins + now))
        self.line.append(_Question(asked, member, now))
        self.at(now + self.setting.patience, "late")
        self.start(now)

    def start(self, now: float) -> None:
        """Send while the minute has room: least taken first, one at a time for each member."""
        given = self.outcome.given
        while ready := [one for one in self.line if one.member not in self.busy]:
            while self.starts and self.starts[0] <= now - self.setting.window:
                self.starts.popleft()
            if len(self.starts) >= self.setting.rpm:
                self.at(self.starts[0] + self.setting.window, "start")
                return
            question = min(ready, key=lambda one: (given[one.member], one.since))
            self.line.remove(question)
            self.rule.send()
            self.starts.append(now)
            self.busy.add(question.member)
            given[question.member] += 1
            if question.asked == question.since:
                self.outcome.waits.append(now - question.asked)
            self.at(now + self.setting.service_seconds, "done", question.member)

    def drop_late(self, now: float) -> None:
        for question in [one for one in self.line if one.since <= now - self.setting.patience]:
            self.line.remove(question)
            self.rule.give_back(question.member)


def replay_day(day: int, asks: Sequence[Ask], rule: Rule, setting: Setting) -> Outcome:
    outcome = Outcome(day, asks)
    _Replay(outcome, rule, setting).run()
    return outcome


class Months:
    """Traffic with its tables, which serve every setting it is replayed under."""

    def __init__(self, traffic: Traffic) -> None:
        first, last = min(traffic), max(traffic)
        self.traffic = {day: traffic.get(day, ()) for day in range(first, last + 1)}
        self._tables: dict[tuple[str, int], DayTable] = {}

    def past(self, day: int, *, by_community: bool) -> Past:
        """The DAYS before a day, as the service would know them that morning."""
        days = [before for before in self.traffic if day - DAYS <= before < day]
        names = sorted({ask.community for before in days for ask in self.traffic[before]}) if by_community else []
        return Past(
            day,
            [self._table("", before) for before in days],
            {name: [self._table(name, before) for before in days] for name in names},
        )

    def _table(self, community: str, day: int) -> DayTable:
        key = (community, day)
        if key not in self._tables:
            asks = [ask for ask in self.traffic[day] if community in ("", ask.community)]
            self._tables[key] = tabulate(day, asks)
        return self._tables[key]

    def replay(self, day: int, setting: Setting) -> Outcome:
        """One day under the setting's policy."""
        return replay_day(day, self.traffic[day], self._rule(day, setting), setting)

    def _rule(self, day: int, setting: Setting) -> Rule:
        past = self.past(day, by_community=setting.between_communities)
        match setting.policy:
            case "fair":
                return Fair(
                    FairDay(
                        day,
                        rpd=setting.rpd,
                        past=past,
                        caution=setting.caution or (HOLDING if setting.hold else PLAIN),
                        between_communities=setting.between_communities,
                        promise_units=setting.promise_units,
                    )
                )
            case "fcfs":
                return FirstCome(setting.rpd)
            case "fixed":
                return FixedShare(setting.rpd, past)
            case "pacing":
                return Pacing(setting.rpd, past)
            case _:
                assert_never(setting.policy)

    def days(self, warm_up: int = DAYS) -> list[int]:
        """The days to judge: those with questions, after the warm-up."""
        return [day for day in list(self.traffic)[warm_up:] if self.traffic[day]]
