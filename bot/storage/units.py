"""Units of work, and what a database has to be able to do with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from sqlalchemy import Connection

from bot.clock import Instant
from bot.telemetry.units import Timed

T = TypeVar("T")
Unit = Callable[[Connection], T]
Where: TypeAlias = Path | str
"""A file for SQLite, an address (`postgresql+psycopg://…`) for PostgreSQL."""


class Job(Generic[T]):
    """A unit of work on its way through the writer."""

    __slots__ = ("error", "of", "unit", "value")

    def __init__(self, unit: Timed[T], of: str = "") -> None:
        self.unit, self.of = unit, of
        self.value: T
        self.error: BaseException | None = None


class Session(Protocol):
    """One connection to a database and the thread that owns it. `write` and `read` are called in that thread."""

    transactions: int
    """How many that write were begun."""
    mixes: bool
    """Units of different pools may share a transaction: nobody else holds locks meanwhile."""

    async def open(self) -> None:
        """Connect.

        Raises:
            StorageError: the database cannot be opened.
        """
        ...

    async def shut(self) -> None:
        """Finish what is under way, then disconnect."""
        ...

    async def run(self, work: Callable[..., T], *args: Any) -> T:
        """Run a function in the connection's thread."""
        ...

    def now(self) -> Instant:
        """Within a unit: the moment it happens at, by whichever clock is the authority."""
        ...

    def write(self, jobs: Sequence[Job[Any]], of: str) -> None:
        """Run the units in one transaction, each in a savepoint of its own where there are several.

        `of`: the pool they are about. No other process writes for that pool at the same time.
        """
        ...

    def read(self, unit: Unit[T]) -> T:
        """Run a unit on one snapshot."""
        ...
