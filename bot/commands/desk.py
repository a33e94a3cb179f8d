"""What commands work with: the core's services, each behind a small port."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.clock import Clock, Instant
from bot.commands.rights import Rights
from bot.messages import Member
from bot.ports import Conversations, KeyLinks

if TYPE_CHECKING:
    from bot.commands.command import Call, Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """See the module."""

    clock: Clock
    conversations: Conversations
    rights: Rights
    keys: KeyLinks
    find_member: Callable[[str, Caller], Member | None]
    """Whom a name or a key such as `discord:123` means where the caller is; None: nobody known."""
    models: Callable[[Call, str], Awaitable[Sequence[str]]]
    """Models the caller may use whose name or id holds what was typed, best first."""

    def now(self) -> Instant:
        return self.clock.now()
