"""Who may go: the day's level behind one small interface, and the simpler rules it is compared with."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from bot.clock import Instant, day_start
from bot.quota.day import ADMITTED, FairDay
from bot.quota.history import SLOT, SLOTS
from bot.quota.past import Past


class Rule(Protocol):
    """Decides about a member's next question, and is told what becomes of it."""

    def ask(self, member: str, moment: Instant, community: str) -> None: ...
    def admits(self, member: str, moment: Instant) -> bool: ...
    def let_through(self, member: str, moment: Instant) -> None: ...
    def give_back(self, member: str) -> None: ...
    def refuse(self, member: str) -> None: ...
    def hold(self, member: str) -> None: ...
    def release(self, member: str) -> None: ...
    def send(self) -> None: ...
    def answered(self, member: str, moment: Instant) -> None: ...


class Fair:
    """The day's level."""

    def __init__(self, day: FairDay) -> None:
        self.day = day
        self.ask, self.refuse, self.hold = day.ask, day.refuse, day.hold
        self.release, self.let_through = day.release, day.let_through

    def admits(self, member: str, moment: Instant) -> bool:
        return self.day.verdict(member, moment) in ADMITTED

    def give_back(self, member: str) -> None:
        self.day.give_back(member, unsent=True)

    def send(self) -> None:
        self.day.send()

    def answered(self, member: str, moment: Instant) -> None:
        self.day.settle(answered=True)
        self.day.promise(member, moment)


class FirstCome:
    """Whoever asks is let go while there are units."""

    def __init__(self, rpd: int) -> None:
        self.rpd = rpd
        self.gone = 0
        self.seen: set[str] = set()
        self.taken: Counter[str] = Counter()

    def admits(self, member: str, moment: Instant) -> bool:
        return self.gone < self.rpd

    def ask(self, member: str, moment: Instant, community: str) -> None:
        self.seen.add(member)

    def let_through(self, member: str, moment: Instant) -> None:
        self.gone += 1
        self.taken[member] += 1

    def give_back(self, member: str) -> None:
        self.gone -= 1
        self.taken[member] -= 1

    def refuse(self, member: str) -> None:
        """Changes nothing for a rule that only counts what is taken; so do the others below."""

    def hold(self, member: str) -> None: ...
    def release(self, member: str) -> None: ...
    def send(self) -> None: ...
    def answered(self, member: str, moment: Instant) -> None: ...


class FixedShare(FirstCome):
    """Everyone may take as much as there would be for each if as many members came as on a usual day."""

    def __init__(self, rpd: int, past: Past) -> None:
        super().__init__(rpd)
        self.share = max(1, int(rpd / max(1.0, past.everyone.usual_members)))

    def admits(self, member: str, moment: Instant) -> bool:
        return super().admits(member, moment) and self.taken[member] < self.share


class Pacing(FirstCome):
    """Units become free as the usual day's questions come; those here share what is free."""

    def __init__(self, rpd: int, past: Past) -> None:
        super().__init__(rpd)
        self.begins = day_start(past.day)
        self.curve = past.everyone.usual_course

    def admits(self, member: str, moment: Instant) -> bool:
        edge = min(int((moment - self.begins) / SLOT) + 1, SLOTS)
        free = self.rpd * self.curve[edge]
        share = max(1.0, free / max(1, len(self.seen)))
        return super().admits(member, moment) and self.gone < free and self.taken[member] < share
