"""What an adapter for a chat keeps of the answers it shows, so that a restart loses none and a reply finds its thread.

An answer waits (nothing has been sent upstream: after a restart it is asked again, by its message's own id), has
started, is held under a ticket, or is over. Each message an answer is shown in leads back to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from bot.clock import Instant
from bot.messages import CommunityId, ConversationId, IncomingMessage, Member, MessageId, TicketId

Stage: TypeAlias = Literal["waiting", "started", "held", "over"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedAnswer:
    """One answer as it stands in a chat."""

    question: MessageId
    conversation: ConversationId
    community: CommunityId
    member: Member
    channel: str
    """The platform's id of where it is shown."""
    stage: Stage
    asked_at: Instant
    reply_to: str = ""
    """The platform's id of the message it answers; empty: it answers none."""
    message: IncomingMessage | None = None
    """The question, while it waits, and where it came to nothing; its files are with the core. Never one with a key in
    it."""
    ticket: TicketId | None = None
    posts: Sequence[str] = ()
    """The platform's ids of the messages it is shown in, in order."""


class Posts(Protocol):
    """`bot.storage.posts.SqlPosts` is the one."""

    async def begin(self, answer: PostedAnswer) -> None:
        """Keep a new answer; one that is kept already stays."""
        ...

    async def known(self, question: MessageId) -> bool:
        """There is an answer to it, under way or over."""
        ...

    async def move(
        self, question: MessageId, stage: Stage, *, ticket: TicketId | None = None, keep: bool = False
    ) -> None:
        """`keep`: the question stays, to be asked again: it was never sent, so that there is no turn that has it."""
        ...

    async def posted(self, question: MessageId, number: int, post: str) -> None:
        """A message of the answer's now stands in the chat, in place of the one that had its number."""
        ...

    async def find(self, platform: str, post: str) -> PostedAnswer | None:
        """The answer that is shown in a message of ours."""
        ...

    async def unfinished(self, platform: str) -> list[PostedAnswer]:
        """All that are not over, oldest first."""
        ...

    async def note(self, platform: str, key: str) -> str | None:
        """What the adapter once noted under a key."""
        ...

    async def keep_note(self, platform: str, key: str, value: str | None) -> None:
        """Note it; None: forget it."""
        ...

    async def prune(self, *, before: Instant) -> int:
        """Forget what was asked before then and is over; how many answers that were."""
        ...
