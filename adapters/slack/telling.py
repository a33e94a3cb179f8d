"""How one reply is shown in its thread: the place in line, then the text as it grows, or all of it in one message.

A short answer is one message. A longer one grows in a message of its own while there is room among the workspace's
streams; the rest waits until it is whole. A message that grows is followed by another before Slack ends it by its age
or it is full. The writer reads what has come (`feed`) whenever it can send something, so that Slack's pace is not the
model's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, assert_never

from adapters.rendering import words
from adapters.slack import look, pieces, posting
from adapters.slack.calls import Refused, Unsure
from adapters.slack.elsewhere import Told, elsewhere
from adapters.slack.feed import Feed
from adapters.slack.inbound import Spot
from adapters.slack.limits import Now
from adapters.slack.live import Live, start
from adapters.slack.plain_text import escape
from adapters.slack.progress import Page, Progress
from adapters.slack.sessions import Session, Sessions
from adapters.slack.workspace import Workspace
from bot import errors
from bot.commands.saying import say
from bot.messages import Failed, Finished, Held
from bot.telemetry.logs import logger

log = logger(__name__)

PATIENCE = 1.2
"""Seconds a reply may take to be whole before it is shown as it grows."""
AGE = 240.0
"""Seconds after which a message that grows gives way to another, at the next good place: Slack ends it at 300."""
AGE_MOST = 270.0
"""… and at the latest."""
_LOOK_AGAIN = 1.0


class Telling:
    """See the module. `stopped` is called when somebody pressed Slack's own Stop, `shown` with the number and the `ts`
    of each message that text of the answer stands in; `paused` says whether Potluck is about to stop."""

    def __init__(
        self,
        *,
        workspace: Workspace,
        spot: Spot,
        told: Told,
        feed: Feed,
        sessions: Sessions,
        later: bool,
        now: Now,
        stopped: Callable[[], object],
        shown: Callable[[int, str], Awaitable[None]],
        paused: Callable[[], bool],
    ) -> None:
        self._workspace, self._spot, self._told, self._feed = workspace, spot, told, feed
        self._now, self._stopped, self._shown, self._paused = now, stopped, shown, paused
        self._sessions, self._tongue = sessions, told.author.tongue
        self._session: Session | None = None if later else sessions.begin(workspace, spot, told.author.tongue)
        self._seen_at: float | None = None
        """When there first was something to show."""
        self._live: Live | None = None
        self._progress = Progress(feed)
        self._task = ""
        """The title of the task that shows the place in line."""
        self._next_at = 0.0
        self._may_stream = True
        self._posted = 0
        self._noted: list[str] = []
        """The messages it stands in, the one that grows included: after a kill they are brought to their end."""

    @property
    def streaming(self) -> str | None:
        """The `ts` of the message that grows."""
        return self._live.ts if self._live is not None else None

    async def run(self) -> None:
        """Show the reply to its end."""
        try:
            while not self._feed.over:
                await self._feed.changed(within=self._wait())
                if not self._feed.over:
                    await self._step()
            await self._end()
        except Refused as refused:
            log.warning("an answer could not be shown here", extra={"action": "slack", "error": refused.error})
            await self._feed.ended()
            if not self._spot.private:
                await elsewhere(self._workspace, self._spot, self._told, self._feed)
        except Unsure as unsure:
            log.error("an answer could not be shown", extra={"action": "slack", "error": str(unsure)})
            self._feed.unseen = True
            await self._feed.ended()  # what was asked upstream is spent: the answer is kept with the conversation
        finally:
            if self._live is not None and self._live.state == "growing":
                self._workspace.allowance.live -= 1
            if self._session is not None:
                await self._session.end()

    # --- while it comes ----------------------------------------------------------------------------------

    def _wait(self) -> float | None:
        """Seconds until there is something to do although nothing new has come; None: there will not be."""
        if self._live is None:
            if self._seen_at is None or not self._may_stream:
                return None
            return max(_LOOK_AGAIN, self._seen_at + PATIENCE - self._now())
        if self._live.state != "growing":
            return None
        due = AGE_MOST - self._live.age
        if self._progress.showable or self._line is not None:
            due = min(due, self._next_at - self._now())
        return max(0.01, due)

    @property
    def _line(self) -> dict[str, Any] | None:
        """The task that shows the place in line, where it says something new."""
        feed = self._feed
        begun = feed.started is not None or bool(feed.text)
        if feed.queued is None or (begun and not self._task):
            return None
        line = look.answering(feed.started, self._tongue) if begun else look.waiting(feed.queued, self._tongue)
        return line if line["title"] != self._task else None

    async def _step(self) -> None:
        feed = self._feed
        if self._session is None and (feed.started is not None or feed.text):
            self._session = self._sessions.begin(self._workspace, self._spot, self._tongue)
        if self._live is not None:
            if self._live.state == "growing":
                await self._grow(self._live)
            return
        if not self._progress.source and (feed.queued is None or feed.started is not None):
            return  # nothing to show but that it is being worked on, which the status line says
        if self._seen_at is None:
            self._seen_at = self._now()
        elif self._now() - self._seen_at >= PATIENCE:
            await self._begin()

    async def _begin(self) -> None:
        workspace, spot, author = self._workspace, self._spot, self._told.author
        may = self._may_stream and workspace.streams and spot.channel not in workspace.deaf
        if not (may and workspace.allowance.starts.take()):
            return
        line = self._line
        self._live = await start(
            workspace,
            spot,
            self._now,
            recipient=None if self._spot.private else (author.team, author.id),
            tasks=[] if line is None else [line],
        )
        if self._live is None:
            self._may_stream = False
            return
        self._task = "" if line is None else str(line["title"])
        await self._note(self._live.ts)
        await self._grow(self._live)

    async def _grow(self, live: Live) -> None:
        if self._now() < self._next_at and live.age < AGE_MOST:
            return
        progress = self._progress
        cut = progress.cut_when_full()
        if cut is None and live.age >= AGE:
            cut = progress.cut_in_time(now=live.age >= AGE_MOST)
        if cut is not None:
            await self._turn_over(live, cut)
            return
        text, line = progress.showable, self._line
        if not text and line is None:
            return
        self._next_at = self._now() + self._workspace.allowance.cadence
        if await live.append(text, [] if line is None else [line]):
            progress.shown(text)
            self._task = self._task if line is None else str(line["title"])
        elif live.state == "stopped":
            self._stopped()
        else:
            await self._turn_over(live, progress.cut_in_time(now=True, doubtful=text))

    async def _turn_over(self, live: Live, cut: pieces.Cut | None) -> None:
        """The message is over; what comes goes into another."""
        self._live, self._task = None, ""
        page = self._progress.turn(cut)
        if page is None:
            self._noted.remove(live.ts)
            await live.remove()  # it only showed a place in line
        else:
            await self._finish(live, page)

    async def _finish(
        self, live: Live, page: Page, blocks: Sequence[look.Block] = (), *, status: str | None = None
    ) -> None:
        try:
            told = await live.stop(page.rest, whole=page.whole, blocks=blocks, status=status)
            if told and status is not None and self._session is not None:
                self._session.told()
        except Refused as refused:
            # Somebody deleted it, or it cannot be changed any more.
            self._noted.remove(live.ts)
            log.info("a message is written anew", extra={"action": "slack", "error": refused.error})
            await self._post(page.whole, blocks)

    async def _post(self, text: str, blocks: Sequence[look.Block] = ()) -> None:
        self._posted += 1
        id = f"{self._told.question}#{self._posted}"
        ts = await posting.post(self._workspace, self._spot, id=id, text=text, blocks=blocks)
        if text:
            await self._note(ts)

    async def _note(self, ts: str) -> None:
        if ts not in self._noted:
            self._noted.append(ts)
            await self._shown(len(self._noted), ts)

    # --- when it is over ---------------------------------------------------------------------------------

    async def _end(self) -> None:
        ending = self._feed.ending
        match ending:
            case _ if self._is_gathered:
                return
            case Failed() if self._feed.put_off(paused=self._paused()):
                await self._end_text([])  # the place in line goes: it is asked again after the restart
            case None if self._feed.broke:
                await self._end_text([look.context(escape(str(words.explain("internal", tongue=self._tongue))))])
            case None:
                await self._end_text([])  # it had been handled before
            case Finished():
                await self._end_text([*look.footer(ending, self._feed.notices, self._tongue), *self._told.beside])
            case Failed() if self._feed.text:
                await self._end_text(look.broken_off(ending, self._tongue))
            case Failed():
                await self._refuse(ending, look.failed(ending, self._tongue, hold=self._told.hold))
            case Held():
                await self._close_line(look.task(self._tongue.say(say("Kept until there is room")), "complete"))
                await self._post("", look.held(ending, self._tongue))
            case _:
                assert_never(ending)

    async def _end_text(self, blocks: Sequence[look.Block]) -> None:
        """Show what has not been shown, and what stands below the answer."""
        while (live := self._live) is not None:
            cut = self._progress.cut_when_full()
            if not self._progress.source and not blocks:
                await self._turn_over(live, None)
            elif cut is None:
                await self._close(live, self._progress.last(), blocks)
                return
            else:
                await self._turn_over(live, cut)
        rest = self._progress.unposted or (("",) if blocks else ())
        for number, text in enumerate(rest, start=1):
            await self._post(text, blocks if number == len(rest) else ())

    async def _refuse(self, failed: Failed, blocks: Sequence[look.Block]) -> None:
        """There is no text. In a channel only the author reads why, unless something was shown there already."""
        if self._live is not None:
            await self._close_line(look.task(self._tongue.say(say("Not answered")), "error"), blocks)
        elif self._spot.private or not isinstance(failed.error, errors.Refused | errors.Stopped):
            await self._post("", blocks)
        else:
            await posting.whisper(
                self._workspace, self._spot, self._told.author.id, blocks, id=f"{self._told.question}#0"
            )

    @property
    def _is_gathered(self) -> bool:
        """Another message of the author's carries the answer to this one, too."""
        feed = self._feed
        gathered = any(one.kind == "messages_gathered" and one.count > 1 for one in feed.notices)
        return gathered and not feed.text and feed.started is None and feed.queued is None

    async def _close_line(self, line: dict[str, object], blocks: Sequence[look.Block] = ()) -> None:
        live = self._live
        if live is None:
            return
        if live.state == "growing":
            await live.append(tasks=[line])
        await self._close(live, Page(whole="", rest=""), blocks)

    async def _close(self, live: Live, page: Page, blocks: Sequence[look.Block]) -> None:
        """The last message of the reply is over, and with it the reply."""
        status = None if self._session is None else self._session.closing
        await self._finish(live, page, blocks, status=status)
