"""The port to what was said before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.clock import Instant
from bot.messages import ConversationId, Member, MessageId
from bot.ports import FileId, Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a message finds when it comes in."""

    handled: bool
    """It had its lease already, perhaps before a restart."""
    newcomer: bool
    """Nothing of this member's is kept: this is, as far as we remember, a first question."""
    turns: Sequence[Turn]
    """The newest turns of the conversation, oldest first."""


class Transcripts(Protocol):
    """Turns are written by the ledger, with the lease they belong to; here they are read and forgotten."""

    async def open(self, conversation: ConversationId, message: MessageId, member: Member, *, limit: int) -> Opening:
        """All that is needed to begin with a message, in one read."""
        ...

    async def turns(self, conversation: ConversationId, *, limit: int) -> list[Turn]:
        """The newest turns, oldest first, without those forgotten."""
        ...

    async def contents(self, files: Sequence[FileId]) -> Mapping[FileId, bytes]:
        """What files hold that came with questions, as far as they are still kept."""
        ...

    async def forget(self, conversation: ConversationId) -> None:
        """Start over: the turns so far are not read again."""
        ...

    async def prune(self, *, before: Instant) -> int:
        """Delete what was asked before a moment, for good. Returns how many turns."""
        ...
