"""The replies under way: begun, shown, stopped by whoever may, and ended in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from adapters.slack import look
from adapters.slack.elsewhere import Told
from adapters.slack.feed import Feed
from adapters.slack.inbound import Spot
from adapters.slack.keeping import noted
from adapters.slack.people import Person
from adapters.slack.sessions import Sessions
from adapters.slack.telling import Telling
from adapters.slack.workspace import Workspace
from bot.clock import Clock
from bot.messages import MessageId, ReplyEvent
from bot.ports import Conversations
from bot.posts import Posts
from bot.telemetry.logs import logger

log = logger(__name__)

CLOSE_SECONDS = 4.5
"""How long replies that were ended get to show their last word when Potluck stops."""

_LAST_MOST = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _UnderWay:
    author: Person
    question: MessageId
    feed: Feed
    telling: Telling


class Replies:
    """See the module."""

    def __init__(self, *, conversations: Conversations, posts: Posts, clock: Clock) -> None:
        self._conversations, self._posts, self._clock = conversations, posts, clock
        self._sessions = Sessions(clock.monotonic)
        self._under_way: dict[Spot, list[_UnderWay]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._last: dict[tuple[str, str], Spot] = {}
        self.paused = False
        """Potluck stops: what was not sent upstream is asked again when it is back."""

    async def show(
        self,
        workspace: Workspace,
        spot: Spot,
        events: AsyncGenerator[ReplyEvent],
        *,
        question: MessageId,
        author: Person,
        hold: str = "",
        beside: Sequence[look.Block] = (),
        later: bool = False,
    ) -> Feed:
        """Show a reply to its end. Cancelling it stops the reply. `later`: nobody waits for it before it begins."""
        feed = Feed()

        async def shown(number: int, ts: str) -> None:
            await noted(self._posts.posted(question, number, f"{spot.channel}/{ts}"), None)

        reading = asyncio.create_task(feed.read(events), name=f"read {question}")
        telling = Telling(
            workspace=workspace,
            spot=spot,
            told=Told(question=question, author=author, hold=hold, beside=beside),
            feed=feed,
            sessions=self._sessions,
            later=later,
            now=self._clock.monotonic,
            stopped=lambda: self._conversations.stop(spot.conversation, author.member),
            shown=shown,
            paused=lambda: self.paused,
        )
        self._last.pop((spot.channel, author.id), None)
        self._last[spot.channel, author.id] = spot
        while len(self._last) > _LAST_MOST:
            del self._last[next(iter(self._last))]
        entry = _UnderWay(author=author, question=question, feed=feed, telling=telling)
        self._under_way.setdefault(spot, []).append(entry)
        try:
            await telling.run()
        finally:
            reading.cancel()
            await asyncio.wait([reading])
            self._under_way[spot].remove(entry)
            if not self._under_way[spot]:
                del self._under_way[spot]
        return feed

    async def rest(self, workspace: Workspace, spot: Spot) -> None:
        """Nothing of an earlier run's is under way in a thread any more."""
        await self._sessions.reset(workspace, spot)

    def stop(self, spot: Spot, *, user: str, streams: Sequence[str] = ()) -> int:
        """Stop what a person has under way in a thread, and whatever of the messages named here grows for others:
        Slack takes no more text for those. How many replies that were."""
        found = [
            one for one in self._under_way.get(spot, []) if one.author.id == user or one.telling.streaming in streams
        ]
        for one in found:
            self._conversations.stop(spot.conversation, one.author.member)
        return len(found)

    def withdraw(self, question: MessageId) -> None:
        """Its author deleted it. While nothing of an answer is there it is asked no more."""
        for spot, entries in list(self._under_way.items()):
            for one in entries:
                alone = sum(other.author.member == one.author.member for other in entries) == 1
                if one.question == question and alone and not one.feed.text:
                    self._conversations.stop(spot.conversation, one.author.member)

    def last(self, channel: str, user: str) -> Spot | None:
        """Where a person last asked something in a channel."""
        return self._last.get((channel, user))

    def pause(self) -> None:
        self.paused = True

    def watch(self, task: asyncio.Task[None]) -> None:
        """A task that is ended with the rest."""
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # Its text may hold what a person wrote: only the type is logged, the rest at DEBUG.
            log.error("a reply failed in the adapter", extra={"action": "slack", "error": type(error).__name__})
            log.debug("the failure", exc_info=error)

    async def close(self) -> None:
        """Let what has ended show its last word, then end the rest."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
