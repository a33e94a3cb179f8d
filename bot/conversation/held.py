"""The port to the held questions: they outlive a restart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from bot.clock import Instant
from bot.errors import ErrorCode
from bot.messages import IncomingMessage, TicketId
from bot.ports import KeptFile, Turn
from bot.quota.ledger import PoolId

Ended: TypeAlias = Literal["finished"] | ErrorCode


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldQuestion:
    """A question that waits for room in the day."""

    ticket: TicketId
    message: IncomingMessage
    held_at: Instant
    ended: Ended | None = None
    asked_in: PoolId | None = None
    """The pool whose day has it among the questions asked. None: the one for all."""
    files: tuple[KeptFile, ...] = ()
    """What came with it."""


class HeldQuestions(Protocol):
    """See the module."""

    async def add(self, held: HeldQuestion) -> None: ...

    async def end(self, ticket: TicketId, ended: Ended) -> None:
        """It waits no longer, and this came of it."""
        ...

    async def left_behind(self) -> Sequence[HeldQuestion]:
        """Of several processes: those that a process which is no more has left; they are this one's from now on."""
        ...

    async def waiting(self) -> Sequence[HeldQuestion]:
        """Those that wait, first asked first."""
        ...

    async def find(self, ticket: TicketId) -> tuple[HeldQuestion, Turn | None] | None:
        """One of them, waiting or ended, with the turn that answered it if there is one."""
        ...
