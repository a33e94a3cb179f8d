"""The seam to where a paid request's lease and money are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from bot.quota.ledger import AlreadyHandled, Claim, Lease, Outcome
from bot.routing.access import Covered, NotCovered, Rule
from bot.routing.budget import Budget, Charge, NoBudget, OverBudget, Pico, Spend


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """The right to send one paid request: its lease, and the money set aside for it."""

    lease: Lease
    charge: Charge


Opening: TypeAlias = Purchase | AlreadyHandled | OverBudget | NoBudget | NotCovered
Covers: TypeAlias = Callable[[Iterable[Rule]], Covered | NotCovered]
"""Whether a member may have what is to be paid for, by the rules as they stand."""


class Till(Protocol):
    """`bot.storage.till.SqlTill` is the one. Each method that changes something is one transaction."""

    async def left(self, spend: Spend) -> tuple[Budget, Pico] | None:
        """The budget with least left, of those that apply; None: none applies. Only `open` decides."""
        ...

    async def open(self, claim: Claim, spend: Spend, covers: Covers) -> Opening:
        """Lease a question and set its money aside: both or neither, and only if it is covered at that moment."""
        ...

    async def began(self, purchase: Purchase, generation: str) -> None:
        """OpenRouter has named the answer: after a crash that says what to ask for."""
        ...

    async def close(self, purchase: Purchase, outcome: Outcome, cost: Pico | None) -> None:
        """It was sent. None: nobody has said what it cost, so the money stays set aside until somebody does.

        Raises:
            LeaseNotOpenError, ChargeNotOpenError: it is closed already.
        """
        ...

    async def release(self, purchase: Purchase) -> None:
        """It was never sent. Raises as `close`."""
        ...
