"""A reply as it comes: read as fast as the core tells it, whatever Slack is doing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import assert_never

from adapters.slack.plain_text import defuse
from bot.messages import Ending, Failed, Finished, Held, Notice, Queued, ReplyEvent, Started, TextDelta
from bot.telemetry.logs import logger

log = logger(__name__)


class Feed:
    """What has come of a reply so far. `text` only grows, and calls nobody."""

    def __init__(self) -> None:
        self.text = ""
        self.queued: Queued | None = None
        self.started: Started | None = None
        self.notices: list[Notice] = []
        self.ending: Ending | None = None
        self.over = False
        """Nothing more comes. Without an `ending`: it had been handled before, or broke off."""
        self.unseen = False
        """Slack was away for so long that not all of it is shown: the next start makes that good."""
        self.broke = False
        """It broke off inside Potluck."""
        self._kept_back = ""
        self._changed = asyncio.Event()

    def put_off(self, *, paused: bool) -> bool:
        """It was stopped with Potluck itself, before anything was sent upstream."""
        stopped = isinstance(self.ending, Failed) and self.ending.error.code == "stopped"
        return paused and stopped and self.started is None and not self.text

    async def read(self, events: AsyncGenerator[ReplyEvent]) -> None:
        """Read a reply to its end."""
        try:
            async with aclosing(events):
                async for event in events:
                    self._take(event)
        except KeyError:  # a ticket that is no more
            pass
        except Exception as error:
            self.broke = True
            # Its text may hold what a person wrote: only the type is logged, the rest at DEBUG.
            log.error("a reply broke off", extra={"action": "slack", "error": type(error).__name__})
            log.debug("the failure", exc_info=error)
        finally:
            self._append("", last=True)
            self.over = True
            self._changed.set()

    async def changed(self, *, within: float | None) -> None:
        """Wait for something new, or for so many seconds."""
        try:
            async with asyncio.timeout(within):
                await self._changed.wait()
        except TimeoutError:
            return
        self._changed.clear()

    async def ended(self) -> None:
        """Wait for its end."""
        while not self.over:
            await self.changed(within=None)

    def _take(self, event: ReplyEvent) -> None:
        match event:
            case TextDelta(text=text):
                self._append(text)
            case Queued():
                self.queued = event
            case Started():
                self.started = event
            case Notice():
                self.notices.append(event)
            case Finished() | Failed() | Held():
                self._append("", last=True)
                self.ending = event
            case _:
                assert_never(event)
        self._changed.set()

    def _append(self, text: str, *, last: bool = False) -> None:
        text, self._kept_back = self._kept_back + text, ""
        if text.endswith("<") and not last:
            text, self._kept_back = text[:-1], "<"
        self.text += defuse(text)
