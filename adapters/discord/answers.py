"""All answers that are live: begun, taken up after a restart, followed while they are held, brought to their end."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import suppress

import discord

from adapters.discord import look
from adapters.discord.answer import LiveAnswer
from adapters.discord.board import Board, ChannelBoard
from adapters.discord.look import Post, Scene
from adapters.discord.pacing import Pacing
from adapters.discord.safe import NOBODY, InvalidRequests, Nonces
from adapters.discord.spoken import Spoken
from adapters.discord.talk import PLATFORM
from adapters.discord.trying import FAULTS, Lost, attempt
from adapters.rendering import chatting
from adapters.rendering.saying import Tongue
from bot.clock import Clock, Instant
from bot.errors import DatabaseAway, Stopped
from bot.messages import (
    ConversationId,
    Failed,
    Finished,
    Held,
    IncomingMessage,
    Member,
    MessageId,
    ModelId,
    ReplyEvent,
    TextDelta,
    TicketId,
)
from bot.ports import Conversations, Turn
from bot.posts import PostedAnswer, Posts
from bot.telemetry.logs import logger

log = logger(__name__)

GRACE = 4.5
"""Seconds that answers have for their last words when Potluck stops: with all else it is over within ten."""
_TURNS = 50
_BEGUN = 10_000


class Answers:
    """See the module."""

    def __init__(
        self,
        client: discord.Client,
        *,
        conversations: Conversations,
        store: Posts,
        pacing: Pacing,
        nonces: Nonces,
        invalid: InvalidRequests,
        clock: Clock,
        spoken: Spoken,
    ) -> None:
        self._client, self._conversations, self._store = client, conversations, store
        self._pacing, self._nonces, self._invalid, self._clock = pacing, nonces, invalid, clock
        self._spoken = spoken
        self._live: dict[MessageId, LiveAnswer] = {}
        self._begun: dict[MessageId, None] = {}
        """The newest questions that this run has taken in hand."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._following: set[asyncio.Task[None]] = set()
        self._noting: set[asyncio.Task[None]] = set()
        self._stopping = False

    # --- what the client calls ---------------------------------------------------------------------------

    def begin(
        self,
        message: IncomingMessage,
        board: Board,
        *,
        channel: int,
        reply_to: int | None,
        then: Callable[[], None] = lambda: None,
    ) -> None:
        """Ask, and show the answer there. One that is being answered already is left alone. `then`: it is over."""
        if message.id in self._begun or self._stopping:
            then()
            return
        self._take(message.id)
        kept = PostedAnswer(
            question=message.id,
            conversation=message.conversation,
            community=message.community,
            member=message.author,
            channel=str(channel),
            reply_to=str(reply_to or ""),
            stage="waiting",
            asked_at=message.received_at,
            # Where nothing can be written after a restart, nothing is asked again.
            message=message if board.seconds_left() is None else None,
        )
        self._start(self._answer(kept, message, board), self._tasks, then)

    async def take_up(self) -> None:
        """What the last run left: asked again if it was never sent, followed if it is held, else brought to an end."""
        for kept in await self._store.unfinished(PLATFORM):
            if kept.question in self._begun:
                continue  # by this run, while the store was read
            self._take(kept.question)
            if kept.stage == "held" and kept.ticket is not None:
                self._start(self._follow(kept, kept.ticket), self._following)
            elif kept.stage == "waiting" and kept.message is not None:
                self._start(self._answer(kept, kept.message, self._board(kept)), self._tasks)
            else:
                self._start(self._end(kept), self._tasks)

    async def withdraw(self, question: MessageId) -> None:
        """A question was deleted in the chat: it leaves the line, or waits for room no longer."""
        live = self._live.get(question)
        if live is None:
            return
        if live.kept.ticket is not None:
            await self._conversations.give_up(live.kept.ticket)
        else:
            live.withdraw()

    def stopping(self) -> None:
        """From here on an answer that ends does so because Potluck stops, and none begins."""
        self._stopping = True
        for live in self._live.values():
            live.restarting()

    async def all_noted(self, seconds: float = 1.0) -> None:
        """Wait, not for long, until every answer that was begun is kept: the next process knows it by that."""
        if self._noting:
            await asyncio.wait(self._noting, timeout=seconds)

    async def finish(self, seconds: float = GRACE) -> None:
        """Give live answers that long for their last words, then let them go. The next start ends what is left."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        left = [*self._tasks, *self._following]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    @property
    def live(self) -> int:
        return len(self._live)

    def newest(self, member: Member, channel: str) -> ConversationId | None:
        """The conversation of the newest answer that is live for a member in a channel."""
        mine = [live.kept for live in self._live.values() if (live.kept.member, live.kept.channel) == (member, channel)]
        return mine[-1].conversation if mine else None

    async def turn(self, kept: PostedAnswer) -> Turn | None:
        """What was asked and answered; None: it is not kept any more."""
        turns = await self._conversations.turns(kept.conversation, limit=_TURNS)
        return next((turn for turn in turns if turn.message == kept.question), None)

    # --- one answer --------------------------------------------------------------------------------------

    async def _answer(self, kept: PostedAnswer, message: IncomingMessage, board: Board) -> None:
        await self._note(kept)
        scene = Scene(tongue=self._tongue(kept), may_attach=board.may_attach, most=board.most)
        ending = await self._show(kept, self._conversations.reply(message), scene, board)
        if isinstance(ending, Held) and not self._stopping:
            held = await self._again(kept)
            if held is not None and held.stage == "held":
                self._start(self._follow(held, ending.ticket), self._following)
        elif ending is None and kept.posts and not scene.over:
            await self._end(kept)  # it was sent before the restart

    async def _note(self, kept: PostedAnswer) -> None:
        """Keep that there is one, for the next run. Where that cannot be, the core says what the member has to know."""
        noting = asyncio.create_task(self._store.begin(kept))
        self._noting.add(noting)
        noting.add_done_callback(self._noting.discard)
        try:
            await noting
        except DatabaseAway as error:
            log.warning("an answer could not be noted", extra={"action": "begin", "why": str(error)})

    async def _show(self, kept: PostedAnswer, events: AsyncGenerator[ReplyEvent], scene: Scene, board: Board) -> object:
        live = LiveAnswer(
            kept=kept,
            events=events,
            scene=scene,
            board=board,
            pacing=self._pacing,
            store=self._store,
            clock=self._clock,
            show=self._looks,
            sparing=lambda: self._invalid.tight,
        )
        self._live[kept.question] = live
        try:
            return await live.run()
        finally:
            del self._live[kept.question]
            if live.lost is not None and live.lost.forbidden:
                self._start(self._tell_privately(kept), self._following)

    async def _tell_privately(self, kept: PostedAnswer) -> None:
        """Potluck may not write any more where the member is being answered: that is said where it can be, once."""
        with suppress(*FAULTS):
            private = await self._client.create_dm(discord.Object(int(kept.member.user)))
            said = self._tongue(kept).say(chatting.CANNOT_WRITE_HERE)
            await private.send(said, nonce=self._nonces.of(f"closed:{kept.question}", 0), allowed_mentions=NOBODY)

    def _tongue(self, kept: PostedAnswer) -> Tongue:
        return self._spoken.with_(kept.member, kept.community)

    def _looks(self, scene: Scene) -> Sequence[Post]:
        return look.posts(scene, at=when)

    async def _follow(self, kept: PostedAnswer, ticket: TicketId) -> None:
        """Show a held answer when it comes, as a reply of its own that tells the one who asked."""
        board = self._board(kept, tell=True)
        scene = Scene(tongue=self._tongue(kept), later=True)
        await self._show(kept, self._conversations.follow(ticket), scene, board)
        if scene.over and kept.posts:
            given_up = isinstance(scene.ending, Failed) and scene.ending.error.code == "stopped" and not scene.text
            said = Post(content=scene.tongue.say(chatting.GIVEN_UP if given_up else chatting.ANSWERED_BELOW))
            with suppress(Lost):
                await self._pacing.turn(board.pace)
                await attempt(lambda: board.edit(int(kept.posts[0]), said))

    async def _end(self, kept: PostedAnswer) -> None:
        """Bring an answer to its end that was under way when the last run ended: whole, if the whole is known."""
        board, turn = self._board(kept), await self.turn(kept)
        if turn is not None and turn.ended and turn.answer:
            scene = Scene(tongue=self._tongue(kept), restarting=True)
            await self._show(kept, self._recalled(kept, turn), scene, board)
            return
        with suppress(Lost):
            await self._pacing.turn(board.pace)
            await attempt(lambda: self._close(kept, board))
        await self._store.move(kept.question, "over")

    async def _close(self, kept: PostedAnswer, board: ChannelBoard) -> None:
        if not kept.posts:
            new = await board.post(0, _lost(self._tongue(kept)))
            await self._store.posted(kept.question, 0, str(new))
        elif (text := await board.read(last := int(kept.posts[-1]))) is not None:
            await board.edit(last, _cut_off(text, self._tongue(kept)))

    async def _recalled(self, kept: PostedAnswer, turn: Turn) -> AsyncGenerator[ReplyEvent]:
        share = await self._conversations.share(kept.member, kept.community)
        yield TextDelta(text=turn.answer)
        if turn.whole:
            yield Finished(model=turn.model or ModelId("?"), lane="free", attempts=1, share=share)
        else:
            yield Failed(error=Stopped(), share=share, partial=True)

    # --- what they share ---------------------------------------------------------------------------------

    async def _again(self, kept: PostedAnswer) -> PostedAnswer | None:
        """The same with what has been kept of it since."""
        return next((one for one in await self._store.unfinished(PLATFORM) if one.question == kept.question), None)

    def _board(self, kept: PostedAnswer, *, tell: bool = False) -> ChannelBoard:
        return ChannelBoard(
            self._client,
            int(kept.channel),
            owner=int(kept.member.user),
            question=kept.question,
            nonces=self._nonces,
            reply_to=int(kept.reply_to) if kept.reply_to else None,
            tell=tell,
        )

    def _take(self, question: MessageId) -> None:
        self._begun[question] = None
        if len(self._begun) > _BEGUN:
            del self._begun[next(iter(self._begun))]

    def _start(
        self,
        work: Coroutine[None, None, None],
        tasks: set[asyncio.Task[None]],
        then: Callable[[], None] = lambda: None,
    ) -> None:
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(lambda done: self._done(done, tasks, then))

    def _done(self, task: asyncio.Task[None], tasks: set[asyncio.Task[None]], then: Callable[[], None]) -> None:
        tasks.discard(task)
        then()
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("an answer failed inside", extra={"action": "show", "error": type(error).__name__})
            log.debug("the failure", exc_info=error)


def _cut_off(text: str, tongue: Tongue) -> Post:
    """What a message of an answer becomes that a restart has cut off."""
    # Before the restart its member may have been spoken to in another language.
    if text in ("", tongue.say(chatting.THINKING), chatting.THINKING.text):
        return _lost(tongue)
    return Post(content=text, footer=(tongue.say(chatting.CUT_OFF_BY_RESTART),), buttons=("again",), tongue=tongue)


def _lost(tongue: Tongue) -> Post:
    return Post(content=tongue.say(chatting.LOST_IN_RESTART), buttons=("again",), tongue=tongue)


def when(moment: Instant) -> str:
    """A moment that Discord shows by the reader's own clock."""
    return f"<t:{math.ceil(moment)}:R>"
