"""An audit: Potluck's own books held against what the sandbox saw.

It reads the tables with plain SQL, of either database, and shares no code with what wrote them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from bot.openrouter.sandbox import SandboxAttempt
from tests.acceptance.driver import names_in

CUT = ("crashed", "given_up")
"""Of leases that nobody settled: they count as spent, whether their request left or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    id: int
    pool: str
    number: int | None
    day: int
    member: str
    turn: int | None
    outcome: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What the database says, and what the sandbox's log says."""

    leases: Sequence[Lease]
    started: dict[str, int]
    used: dict[tuple[str, int], int]
    taken: dict[tuple[str, int, str], int]
    questions: dict[int, str]
    handled: dict[str, int]
    attempts: Sequence[str | None]

    message_id: Callable[[str], str]
    """How a message is noted that a question names."""

    @classmethod
    def read(
        cls,
        where: Path | str,
        attempts: Sequence[SandboxAttempt],
        *,
        message_id: Callable[[str], str] = lambda name: name,
    ) -> Books:
        """Of a file of SQLite's or at a server's address, where nothing is under way any more."""
        engine = create_engine(f"sqlite:///{where}" if isinstance(where, Path) else where)
        with engine.connect() as core:

            def rows(sql: str) -> list[tuple[Any, ...]]:
                return [tuple(row) for row in core.execute(text(sql))]

            names = ("id", "pool", "number", "day", "member", "turn", "outcome")
            found = cls(
                leases=[
                    Lease(**dict(zip(names, row, strict=True)))
                    for row in rows(f"SELECT {', '.join(names)} FROM leases")
                ],
                started={row[0]: row[1] for row in rows("SELECT id, started FROM pools")},
                used={row[:2]: row[2] for row in rows("SELECT pool, day, used FROM pool_days")},
                taken={row[:3]: row[3] for row in rows("SELECT pool, day, member, taken FROM member_days")},
                questions={row[0]: row[1] for row in rows("SELECT id, question FROM turns")},
                handled={row[0]: row[1] for row in rows("SELECT message, turn FROM handled_messages")},
                attempts=[attempt.attempt for attempt in attempts if attempt.counted],
                message_id=message_id,
            )
        engine.dispose()
        return found

    @property
    def spent(self) -> list[Lease]:
        return [lease for lease in self.leases if lease.outcome != "released"]

    @property
    def crashed_unseen(self) -> int:
        """Leases a crash cut before their request left: spent all the same, to be on the safe side."""
        seen = set(self.attempts)
        return sum(lease.outcome in CUT and str(lease.id) not in seen for lease in self.leases)

    def figures(self) -> str:
        """One line for a person."""
        outcomes = Counter(lease.outcome or "open" for lease in self.leases)
        return (
            f"{len(self.attempts):,} attempts seen upstream + {self.crashed_unseen:,} leases cut before they were sent"
            f" = {sum(self.used.values()):,} used; {len(self.leases):,} leases: "
            + ", ".join(f"{number:,} {outcome}" for outcome, number in sorted(outcomes.items()))
        )

    def faults(self) -> Iterator[str]:
        """Everything that does not agree; nothing if the books are straight."""
        yield from self._against_the_sandbox()
        yield from self._counts()
        yield from self._messages()

    def _against_the_sandbox(self) -> Iterator[str]:
        leases = {str(lease.id): lease for lease in self.leases}
        for attempt, times in Counter(self.attempts).items():
            if attempt not in leases:
                yield f"attempt {attempt} has no lease"
            elif leases[attempt].outcome == "released":
                yield f"lease {attempt} was released and sent all the same"
            if times > 1:
                yield f"lease {attempt} was sent {times} times"
        for name in leases.keys() - set(self.attempts):
            if leases[name].outcome not in (*CUT, "released"):
                yield f"lease {name} is {leases[name].outcome} and was never sent"
        if sum(self.used.values()) != len(self.attempts) + self.crashed_unseen:
            yield "used is not what the sandbox counted and what was cut before it"

    def _counts(self) -> Iterator[str]:
        yield from (f"lease {lease.id} is open" for lease in self.leases if lease.outcome is None)
        if Counter(self.used) != Counter((lease.pool, lease.day) for lease in self.spent):
            yield "the days' counts are not their leases"
        charged = Counter(
            (lease.pool, lease.day, lease.member) for lease in self.leases if lease.outcome in ("answered", "stopped")
        )
        failed = Counter((lease.pool, lease.day, lease.member) for lease in self.leases if lease.outcome == "failed")
        for key in self.taken.keys() | charged.keys():
            # What failed was charged or given back: the lease does not say which.
            if not charged[key] <= self.taken.get(key, 0) <= charged[key] + failed[key]:
                yield f"{key} was charged {self.taken.get(key)} instead of {charged[key]}"
        for pool, started in self.started.items():
            numbers = [lease.number for lease in self.spent if lease.pool == pool]
            if Counter(numbers) != Counter(range(1, started + 1)):
                yield f"the pool {pool} started {started} and its leases are numbered otherwise"

    def _messages(self) -> Iterator[str]:
        turns = Counter(lease.turn for lease in self.spent)
        yield from (f"turn {turn} has {times} leases" for turn, times in turns.items() if times > 1)
        asked: Counter[str] = Counter()
        for turn in turns:
            names = names_in(self.questions.get(turn or 0, ""))
            asked.update(names)
            yield from (
                f"{name} is not noted as handled" for name in names if self.handled.get(self.message_id(name)) != turn
            )
        yield from (f"message {name} has {times} leases" for name, times in asked.items() if times > 1)
        noted = {self.message_id(name) for name in asked}
        yield from (f"message {name} is handled and has no lease" for name in self.handled.keys() - noted)
