"""What an adapter keeps of its answers, over a database that may be away: an answer is shown all the same.

What is to be noted goes to the backlog and is written in its order when it can be. What is looked for and cannot be
told is taken for unknown where that only loses a thread; whoever must know tries again.
"""

from __future__ import annotations

from bot.backlog import Backlog
from bot.clock import Instant
from bot.errors import DatabaseAway
from bot.messages import MessageId, TicketId
from bot.posts import PostedAnswer, Posts, Stage
from bot.telemetry.logs import logger

log = logger(__name__)


class LastingPosts:
    """`bot.posts.Posts` over another one."""

    def __init__(self, posts: Posts, backlog: Backlog) -> None:
        self._posts, self._backlog = posts, backlog

    async def begin(self, answer: PostedAnswer) -> None:
        await self._backlog.write(lambda: self._posts.begin(answer))

    async def move(
        self, question: MessageId, stage: Stage, *, ticket: TicketId | None = None, keep: bool = False
    ) -> None:
        await self._backlog.write(lambda: self._posts.move(question, stage, ticket=ticket, keep=keep))

    async def posted(self, question: MessageId, number: int, post: str) -> None:
        await self._backlog.write(lambda: self._posts.posted(question, number, post))

    async def keep_note(self, platform: str, key: str, value: str | None) -> None:
        await self._backlog.write(lambda: self._posts.keep_note(platform, key, value))

    async def find(self, platform: str, post: str) -> PostedAnswer | None:
        try:
            return await self._posts.find(platform, post)
        except DatabaseAway as error:
            log.warning("an answer cannot be looked for", extra={"action": "find", "why": str(error)})
            return None

    async def known(self, question: MessageId) -> bool:
        return await self._posts.known(question)

    async def unfinished(self, platform: str) -> list[PostedAnswer]:
        return await self._posts.unfinished(platform)

    async def note(self, platform: str, key: str) -> str | None:
        return await self._posts.note(platform, key)

    async def prune(self, *, before: Instant) -> int:
        return await self._posts.prune(before=before)
