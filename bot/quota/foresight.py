"""When those in line should start: the line, the minute and each member's answers, played ahead. Pure.

It is the rule of `Starts` once more, for the future: a member has one request at a time, the window lets so many
through, and who has had much of it waits until others have had theirs. What nobody can know is taken to be as it was:
answers take as long as they lately did, nobody leaves, and others come as `arrivals` expects. In a fair line a newcomer
goes before the later turns of those who wait, and one who comes back takes the turn that is due, as in the line itself.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from heapq import heappop, heappush
from itertools import islice
from typing import NamedTuple, TypeAlias

from bot.clock import Instant
from bot.messages import Member
from bot.quota.arrivals import Coming
from bot.quota.ledger import WINDOW
from bot.quota.line import Line, Ticket

MOST = 100
"""Tickets that are played ahead one by one. Those behind them follow at the minute's pace."""


def foresee(
    line: Line,
    *,
    opens: Instant,
    rpm: int,
    starts: Iterable[tuple[Instant, Member]],
    coming: Iterable[Coming],
    free_at: Mapping[Member, Instant],
    answer_seconds: float,
) -> list[Instant]:
    """When each ticket of the line should start, in the line's order.

    Args:
        opens: nobody starts before it.
        starts: those that count in the window, oldest first.
        coming: who may be expected to join, the next one first.
        free_at: when members that are being answered should be done.
    """
    waiting = iter(line)
    first = list(islice(waiting, MOST))
    ahead = _Ahead(line, opens, rpm, answer_seconds)
    ahead.has_started(starts)
    ahead.wait_in_line(first, free_at)
    ahead.will_come(coming)
    told = ahead.run(len(first))
    last = max(told, default=opens)
    return [*told, *(Instant(last + number * WINDOW / rpm) for number, _ in enumerate(waiting, start=1))]


_Who: TypeAlias = int
"""A member, or somebody like them who is still to come, by number: these are looked up all the time."""


class _Turn(NamedTuple):
    """A ticket's place in the order."""

    turn: float
    number: int
    """Those of the line count from 0, the others come after them."""
    who: _Who


class _Ahead:
    def __init__(self, line: Line, opens: Instant, rpm: int, answer_seconds: float) -> None:
        self.line, self.now, self.rpm, self.answer_seconds = line, opens, rpm, answer_seconds
        self.virtual_now = line.turn(None)
        self.number, self.answers = 0, 0
        self.numbers: dict[tuple[Member, bool], _Who] = {}
        self.named: list[tuple[Member, bool]] = []
        """By number. True: somebody like the member."""
        self.window: deque[tuple[Instant, _Who]] = deque()
        """When starts leave it."""
        self.own: Counter[_Who] = Counter()
        self.queues: dict[_Who, deque[_Turn]] = {}
        self.ready: dict[int, list[_Turn]] = {}
        """By starts in the window, the first tickets of members who could start one as far as they are concerned."""
        self.busy: dict[_Who, Instant] = {}
        self.done: list[tuple[Instant, int, _Who]] = []
        """When answers end; the number only sets apart those that end together."""
        self.others: Iterator[Coming] = iter(())
        self.coming: Coming | None = None
        """The next of them. Most are never looked at."""
        self.ends: dict[_Who, float] = {}

    def has_started(self, starts: Iterable[tuple[Instant, Member]]) -> None:
        for at, member in starts:
            who = self.who(member)
            self.window.append((Instant(at + WINDOW), who))
            self.own[who] += 1

    def wait_in_line(self, tickets: Iterable[Ticket], free_at: Mapping[Member, Instant]) -> None:
        for member, free in free_at.items():
            self.answering(self.who(member), free)
        for ticket in tickets:
            self.join(self.who(ticket.member), self.line.turn(ticket))

    def will_come(self, coming: Iterable[Coming]) -> None:
        self.others = iter(coming)
        self.coming = next(self.others, None)

    def run(self, tickets: int) -> list[Instant]:
        """When the first so many that joined start."""
        told, left = [self.now] * tickets, tickets
        self.go_on()
        while left:
            if (turn := self.next()) is None:
                self.wait()
                continue
            if turn.number < tickets:
                told[turn.number] = self.now
                left -= 1
            self.virtual_now = max(self.virtual_now, turn.turn)
            self.queues[turn.who].popleft()
            self.window.append((Instant(self.now + WINDOW), turn.who))
            self.own[turn.who] += 1
            self.answering(turn.who, Instant(self.now + self.answer_seconds))
        return told

    def join(self, who: _Who, turn: float) -> None:
        queue = self.queues.setdefault(who, deque())
        queue.append(_Turn(turn, self.number, who))
        self.number += 1
        if len(queue) == 1:
            self.line_up(who)

    def answering(self, who: _Who, until: Instant) -> None:
        self.busy[who] = until
        self.answers += 1
        heappush(self.done, (until, self.answers, who))

    def wait(self) -> None:
        """Until the next thing happens."""
        moments = [self.window[0][0]] if self.window else []
        moments += [self.done[0][0]] if self.done else []
        moments += [self.coming.at] if self.coming else []
        self.now = max(self.now, min(moments))
        self.go_on()

    def go_on(self) -> None:
        """What has happened by now: starts that left the window, answers that ended, members who came."""
        while self.window and self.window[0][0] <= self.now:
            who = self.window.popleft()[1]
            self.own[who] -= 1
            self.line_up(who)
        while self.done and self.done[0][0] <= self.now:
            who = heappop(self.done)[2]
            del self.busy[who]
            self.line_up(who)
        while self.coming and self.coming.at <= self.now:
            who = self.who(self.coming.member, self.coming.new)
            self.coming = next(self.others, None)
            turn = max(self.virtual_now, self.ends[who] if who in self.ends else self.ended(who))
            self.ends[who] = turn + 1
            self.join(who, turn)

    def ended(self, who: _Who) -> float:
        member, new = self.named[who]
        return 0.0 if new else self.line.end(member)

    def who(self, member: Member, new: bool = False) -> _Who:
        number = self.numbers.setdefault((member, new), len(self.named))
        if number == len(self.named):
            self.named.append((member, new))
        return number

    def line_up(self, who: _Who) -> None:
        queue = self.queues.get(who)
        if queue and who not in self.busy:
            heappush(self.ready.setdefault(self.own[who], []), queue[0])

    def next(self) -> _Turn | None:
        """The ticket that starts now."""
        free = self.rpm - len(self.window)
        if free <= 0:
            return None
        most = self.line.allowance(free)
        firsts = [(ready[0], had) for had, ready in self.ready.items() if had < most and self.tidied(ready, had)]
        return heappop(self.ready[min(firsts)[1]]) if firsts else None

    def tidied(self, ready: list[_Turn], had: int) -> bool:
        """There is a ticket left once those are gone that have started, or whose member's starts are others now."""
        while ready and not self.stands(ready[0], had):
            heappop(ready)
        return bool(ready)

    def stands(self, turn: _Turn, had: int) -> bool:
        queue = self.queues[turn.who]
        return self.own[turn.who] == had and bool(queue) and queue[0] is turn and turn.who not in self.busy
