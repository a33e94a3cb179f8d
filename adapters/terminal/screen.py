"""What one answer looks like: a line that keeps its place while it waits, the text as it comes, a footer.

On a terminal everything goes to it. Elsewhere the answer alone goes to stdout, so that it can be piped, and what is
said about it to stderr.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from typing import assert_never

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from adapters.rendering import words
from adapters.rendering.saying import ENGLISH, Tongue
from adapters.terminal.inert import inert
from bot.clock import Clock, Instant
from bot.errors import AttachmentRefused, Refused
from bot.messages import Failed, Finished, Held, Notice, Queued, ReplyEvent, Started, TextDelta

SPINNER = "dots"
FRAMES = 8
"""A second. Enough for a spinner to turn."""


class Screen:
    """Shows replies, one after the other.

    Args:
        answers: where the text goes.
        notes: where everything else goes; the same console on a terminal.
    """

    def __init__(self, *, answers: Console, notes: Console, clock: Clock, tongue: Tongue = ENGLISH) -> None:
        self._answers, self._notes, self._clock, self._tongue = answers, notes, clock, tongue
        self._waiting: _Waiting | None = None
        self._told_place = False
        self._at_line_start = True
        self.failed = False
        """The last reply ended in an error."""

    @property
    def together(self) -> bool:
        """Answers and what is said about them are read in the same place."""
        return self._answers is self._notes

    def show(self, event: ReplyEvent) -> None:
        """Show what comes next."""
        match event:
            case Queued(place=place, estimate=estimate):
                self._wait(place, estimate)
            case Started(model=model):
                self._wait_for(model)
            case TextDelta(text=text):
                self._write(text)
            case Notice(kind=kind, count=count):
                self.note(words.notice(kind, count, tongue=self._tongue))
            case Finished():
                self._finish(event)
            case Failed():
                self._fail(event)
            case Held(estimate_at=at):
                self.note(words.held(None if at is None else self._at(at), tongue=self._tongue))
            case _:
                assert_never(event)

    def begin(self) -> None:
        """A new reply comes."""
        self.failed, self._told_place = False, False

    def close(self) -> None:
        """Nothing more comes of this reply: give the terminal back as it was."""
        self._still()
        self._end_text()

    def note(self, text: str) -> None:
        """Say something beside the answers."""
        self.say(Text(text, style="dim" if self.together else ""))

    def end(self) -> None:
        """Leave the cursor at the start of a line."""
        self.say(Text())

    def say(self, what: RenderableType) -> None:
        """Show something that is not an answer, as it is."""
        self._still()
        self._end_text()
        # A line that is read by a program is not to be cut by us.
        self._notes.print(what, soft_wrap=not self._notes.is_terminal, highlight=False)

    # --- waiting -----------------------------------------------------------------------------------------

    def _wait(self, place: int, estimate: float | None) -> None:
        if not self._notes.is_terminal:
            if not self._told_place:  # where nothing can be taken back, once is enough
                self.note(words.queued(place, estimate, tongue=self._tongue))
            self._told_place = True
            return
        at = None if estimate is None else Instant(self._clock.now() + estimate)
        self._turn(_Waiting(self._notes, self._clock, self._tongue, place=place, at=at))

    def _wait_for(self, model: str) -> None:
        if self._notes.is_terminal:
            self._turn(_Waiting(self._notes, self._clock, self._tongue, text=inert(model)))

    def _turn(self, waiting: _Waiting) -> None:
        self._still()
        self._waiting = waiting
        waiting.start()

    def _still(self) -> None:
        if self._waiting is not None:
            self._waiting.stop()
            self._waiting = None

    # --- the answer --------------------------------------------------------------------------------------

    def _write(self, text: str) -> None:
        """Straight to the file: no markup, no wrapping, nothing taken back."""
        self._still()
        if text := inert(text):
            self._answers.file.write(text)
            self._answers.file.flush()
            self._at_line_start = text.endswith("\n")

    def _end_text(self) -> None:
        if not self._at_line_start:
            self._at_line_start = True
            self._answers.file.write("\n")
            self._answers.file.flush()

    def _finish(self, finished: Finished) -> None:
        if self.together:
            share = finished.share
            parts = (
                inert(finished.model),
                words.lane(finished.lane, tongue=self._tongue),
                words.share(share.used, share.level, share.left_now, share.left_sure, tongue=self._tongue),
            )
            self.note(" · ".join(parts))

    def _fail(self, failed: Failed) -> None:
        self.failed = True
        error = failed.error
        explained = words.explain(
            error.code,
            again=None if error.resets_at is None else self._at(error.resets_at),
            limit=error.limit,
            partial=failed.partial,
            may_hold=failed.may_hold,
            reason=error.reason,
            why_not=error.why if isinstance(error, Refused) else None,
            offer=error.offer if isinstance(error, Refused) else None,
            file_fault=error.fault if isinstance(error, AttachmentRefused) else None,
            file_name=inert(error.name) if isinstance(error, AttachmentRefused) else "",
            tongue=self._tongue,
        )
        if not self.together or error.code == "stopped":
            self.note(str(explained))
        else:
            self.say(Text.assemble((explained.headline, "bold red"), f" {explained.detail}"))

    def _at(self, moment: Instant) -> str:
        now = self._clock.now()
        return words.at(moment, now, local_zone(now), tongue=self._tongue)


class _Waiting:
    """The one line that changes: a spinner, and where the question stands, counted down."""

    def __init__(
        self,
        console: Console,
        clock: Clock,
        tongue: Tongue,
        *,
        text: str = "",
        place: int = 0,
        at: Instant | None = None,
    ) -> None:
        self._clock, self._tongue, self._text, self._place, self._at = clock, tongue, text, place, at
        self._spinner = Spinner(SPINNER, style="dim")
        self._live = Live(
            get_renderable=self._line,
            console=console,
            refresh_per_second=FRAMES,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def start(self) -> None:
        self._live.start()

    def stop(self) -> None:
        with suppress(BrokenPipeError):  # the terminal has gone; so has the line
            self._live.stop()

    def _line(self) -> RenderableType:
        text = self._text
        if self._place:
            left = None if self._at is None else max(0.0, self._at - self._clock.now())
            text = words.queued(self._place, left, tongue=self._tongue)
        self._spinner.update(text=Text(text, style="dim"))
        return self._spinner


def local_zone(now: Instant) -> tzinfo:
    """The zone this machine's clock on the wall shows."""
    return datetime.fromtimestamp(now, UTC).astimezone().tzinfo or UTC
