"""One answer on its way into a chat: a reader that never waits for Discord, and one writer that shows the newest state.

The reader takes each event into the `Scene` as it comes. The writer waits for its turn in the channel, and only then
looks at what the scene would have stand there, and makes the first difference good: an edit, a new message. It goes on
until the ending stands there. A message is written once, whatever fails: its nonce is the same at each try.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace

import discord

from adapters.discord.board import LATER, Board
from adapters.discord.look import Post, Scene
from adapters.discord.pacing import Pacing
from adapters.discord.trying import FAULTS, SOON, Lost, attempt
from adapters.rendering import chatting
from bot.clock import Clock
from bot.messages import Ending, Failed, Held, ReplyEvent
from bot.posts import PostedAnswer, Posts
from bot.telemetry.logs import logger

log = logger(__name__)

FIRST_AFTER = 1.0
"""Seconds before anything is shown, so that quick answers are one message and a push notice says something."""
FIRST_CHARACTERS = 60
PLACE_EVERY = 7.0
"""Seconds between two messages about the place in line."""
TYPING_EVERY = 8.0
"""Discord shows it for ten."""
OLD, OLD_EVERY = 3500.0, 7.0
"""Seconds after which Discord takes edits of a message more rarely, three in twenty seconds or so, and how often it is
edited from then on."""


@dataclass
class _Shown:
    id: int
    post: Post | None
    """None: what stands there is not known."""


@dataclass(frozen=True, slots=True)
class _Step:
    number: int
    post: Post | None
    """None: the message goes."""


class LiveAnswer:
    """See the module.

    Args:
        kept: the answer as the store has it.
        events: the reply; closed when nobody can be shown it any more.
        show: what a scene looks like.
        sparing: only endings are written while it says so.
    """

    def __init__(
        self,
        *,
        kept: PostedAnswer,
        events: AsyncGenerator[ReplyEvent],
        scene: Scene,
        board: Board,
        pacing: Pacing,
        store: Posts,
        clock: Clock,
        show: Callable[[Scene], Sequence[Post]],
        sparing: Callable[[], bool] = lambda: False,
    ) -> None:
        self.kept, self.scene = kept, scene
        self._events, self._board, self._pacing, self._store = events, board, pacing, store
        self._clock, self._show, self._sparing = clock, show, sparing
        self._first = LATER if scene.later else 0
        # A question that was held has one message of its own, which says so.
        self._shown = [_Shown(int(post), None) for post in (kept.posts[1:] if scene.later else kept.posts)]
        self._stage = kept.stage
        self._changed = asyncio.Event()
        self._read_all = False
        self.lost: Lost | None = None
        """Why it could not be shown, where it could not."""
        self._reading: asyncio.Task[None] | None = None
        self._began = self._wrote_at = clock.monotonic()

    async def run(self) -> Ending | None:
        """Show it to its end. None: there was nothing to show, or it could not be shown."""
        reading = self._reading = asyncio.create_task(self._read(), name=f"read {self.kept.question}")
        beside = [asyncio.create_task(self._type()), asyncio.create_task(self._watch_the_time(reading))]
        try:
            await self._write()
        except Lost as lost:
            self.lost = lost
            log.warning("an answer could not be shown", extra={"action": "show", "why": str(lost)})
            if lost.refused:
                await self._say_refused()
        finally:
            for task in (reading, *beside):
                task.cancel()
            await asyncio.gather(reading, *beside, return_exceptions=True)
        await self._remember_ending()
        return None if self.lost else self.scene.ending

    def restarting(self) -> None:
        """Potluck is being stopped: what ends now ends because of that."""
        self.scene.restarting = True

    def withdraw(self) -> bool:
        """Its question is gone from the chat: if it was not sent yet, it leaves the line, and nothing of it stays.

        False: it was sent, and goes on.
        """
        if self.scene.started is not None or self.scene.over or self._reading is None:
            return False
        self.scene.withdrawn = True
        self._reading.cancel()
        return True

    # --- reading -----------------------------------------------------------------------------------------

    async def _read(self) -> None:
        try:
            async with aclosing(self._events) as events:
                async for event in events:
                    self.scene.take(event)
                    self._changed.set()
        except Exception as error:
            # Its text may hold what a person wrote: only the type is logged, the rest at DEBUG.
            log.error("a reply broke off", extra={"action": "show", "error": type(error).__name__})
            log.debug("the failure", exc_info=error)
            self.scene.broken = True
        finally:
            self._read_all = True
            self._changed.set()

    async def _watch_the_time(self, reading: asyncio.Task[None]) -> None:
        seconds = self._board.seconds_left()
        if seconds is not None:
            await asyncio.sleep(seconds - 30)
            if not self.scene.over:
                self.scene.out_of_time = True
                reading.cancel()

    # --- writing -----------------------------------------------------------------------------------------

    async def _write(self) -> None:
        while True:
            self._changed.clear()
            ended = self._read_all
            step = self._step()
            if step is None:
                if ended:
                    return
                await self._changed.wait()
                continue
            if not self._shown:
                await self._until(self._began + FIRST_AFTER, lambda: len(self.scene.text) >= FIRST_CHARACTERS)
            elif not self.scene.text:
                await self._until(self._wrote_at + PLACE_EVERY, lambda: bool(self.scene.text))
            if step.number < len(self._shown) and self._is_old(self._shown[step.number].id):
                await self._until(self._wrote_at + OLD_EVERY, lambda: False)
            await self._pacing.turn(self._board.pace, urgent=self._read_all)
            step = self._step()
            if step is not None:
                await self._do(step)
                self._wrote_at = self._clock.monotonic()

    async def _until(self, moment: float, enough: Callable[[], bool]) -> None:
        while not (self.scene.over or self._read_all or enough()) and self._clock.monotonic() < moment:
            with suppress(TimeoutError):
                async with asyncio.timeout(moment - self._clock.monotonic()):
                    await self._changed.wait()
            self._changed.clear()

    def _is_old(self, message: int) -> bool:
        return self._clock.now() - discord.utils.snowflake_time(message).timestamp() > OLD

    def _step(self) -> _Step | None:
        """The first difference between what stands there and what should."""
        if self._sparing() and not self._read_all:
            return None
        if self._read_all and not self.scene.over:
            return None  # the reply said nothing: it is known already
        wanted = self._show(self.scene)
        for number, post in enumerate(wanted):
            if number == len(self._shown) or self._shown[number].post != post:
                return _Step(number, post)
        return _Step(len(self._shown) - 1, None) if len(self._shown) > len(wanted) and self._read_all else None

    async def _do(self, step: _Step) -> None:
        board, number, post = self._board, step.number, step.post
        if self._stage == "waiting" and self.scene.started is not None:
            self._stage = "started"
            await self._store.move(self.kept.question, "started")
        if post is None:
            await attempt(lambda: board.remove(self._shown[number].id))
            del self._shown[number]
        elif number < len(self._shown):
            await attempt(lambda: board.edit(self._shown[number].id, post))
            self._shown[number].post = post
        else:
            new = await attempt(lambda: board.post(self._first + number, post))
            self._shown.append(_Shown(new, post))
            await self._store.posted(self.kept.question, self._first + number, str(new))

    async def _say_refused(self) -> None:
        """Below what stands there already, or in its place."""
        said, number = self.scene.tongue.say(chatting.NOT_TAKEN), len(self._shown) - 1
        last = self._shown[-1].post if self._shown else None
        with suppress(Lost):
            if last is not None:
                told = replace(last, footer=(*last.footer, said), buttons=(), tongue=self.scene.tongue)
                await attempt(lambda: self._board.edit(self._shown[number].id, told), SOON)
            else:
                await attempt(lambda: self._board.post(self._first + number + 1, Post(content=said)), SOON)

    async def _type(self) -> None:
        with suppress(*FAULTS):
            while not (self._shown or self.scene.over or self._read_all or self.scene.later or self._sparing()):
                await self._board.typing()
                await asyncio.sleep(TYPING_EVERY)

    async def _remember_ending(self) -> None:
        ending = self.scene.ending
        if self.scene.kept_for_restart and self.lost is None:
            return
        if self.lost is not None and not self.lost.for_good:
            return  # the next start shows it
        if isinstance(ending, Held) and self.lost is None:
            await self._store.move(self.kept.question, "held", ticket=ending.ticket)
        else:
            unsent = isinstance(ending, Failed) and self.scene.started is None and not self.scene.later
            await self._store.move(self.kept.question, "over", keep=unsent)
