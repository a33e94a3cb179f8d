"""How long the database's units of work take: all of them measured, and the slow ones said in the log by name.

What a unit waited for the database's thread is no slowness of its own, and is a metric alone: under load every unit
waits, and a line for each would say one thing a thousand times. A unit that ran for long itself is said with its name,
which is where in the code it stands: never with a value. Each name at most once a minute, with how often it was since.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from bot.clock import Clock
from bot.telemetry.logs import logger

log = logger(__name__)
T = TypeVar("T")
Kind: TypeAlias = Literal["write", "read"]

SLOW_SECONDS = 1.0
"""From here on a unit is slow: questions wait behind it."""
_SAID_EVERY = 60.0
"""Seconds between two lines about one unit."""


class Timed(Generic[T]):
    """A unit of work on its way, and its times by the monotonic clock."""

    __slots__ = ("_clock", "asked_at", "ran", "unit")

    def __init__(self, unit: Callable[[Any], T], clock: Clock) -> None:
        self.unit, self._clock = unit, clock
        self.asked_at, self.ran = clock.monotonic(), 0.0

    def __call__(self, connection: Any) -> T:
        began = self._clock.monotonic()
        try:
            return self.unit(connection)
        finally:
            self.ran = self._clock.monotonic() - began


class UnitTimes:
    """See the module. `took` is called in the database's threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.measured: Callable[[Kind, float, float], None] = lambda kind, waited, ran: None
        """Told of every unit: seconds it waited for its thread, and seconds it ran, its transaction's beginning and
        end included."""
        self._said: dict[str, tuple[float, int]] = {}
        """By name: when it was said last, and how often it was slow since."""

    def took(self, kind: Kind, units: list[Timed[Any]], began: float, *, failed: bool = False) -> None:
        """Units have just run in one transaction that began then. `failed`: it could not be, as is said elsewhere."""
        whole = self._clock.monotonic() - began
        around = whole - sum(unit.ran for unit in units)
        for unit in units:
            waited = began - unit.asked_at
            self.measured(kind, waited, unit.ran + around)
            if unit.ran > SLOW_SECONDS and not failed:
                self._say(name_of(unit.unit), kind, waited, seconds=unit.ran)
        if around > SLOW_SECONDS and not failed:
            # Locks, the connection, or the disk at the end of it: nobody's own work.
            self._say(name_of(units[0].unit), kind, began - units[0].asked_at, around=around, together=len(units))

    def _say(self, name: str, kind: Kind, waited: float, **measured: float) -> None:
        now = self._clock.monotonic()
        said_at, since = self._said.get(name, (-_SAID_EVERY, 0))
        if now - said_at < _SAID_EVERY:
            self._said[name] = said_at, since + 1
            return
        self._said[name] = now, 0
        figures = {key: round(value, 3) for key, value in measured.items()} | {"waited": round(waited, 3)}
        more = {"since_last_line": since} if since else {}
        log.warning(
            "the database took long", extra={"action": "slow_unit", "unit": name, "kind": kind, **figures, **more}
        )


def name_of(unit: object) -> str:
    """Where in the code a unit stands: `ledger.SqlLedger.reserve`."""
    while isinstance(unit, partial):
        unit = unit.func
    module = getattr(unit, "__module__", "").rpartition(".")[2]
    name = getattr(unit, "__qualname__", type(unit).__name__)
    return f"{module}.{name.partition('.<locals>')[0].partition('.<lambda>')[0]}"
