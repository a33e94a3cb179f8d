"""What keeps the database and the memory in shape while the service runs: old rows go, others' changes are taken up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.clock import DAY, Clock, Instant, day_of, day_start
from bot.settings import Settings
from bot.storage.board import SqlBoard
from bot.storage.choices import SqlChoices
from bot.storage.database import Database
from bot.storage.fingerprint import fingerprint
from bot.storage.ledger import SqlLedger
from bot.storage.money import SqlMoney
from bot.storage.office import SqlArchive
from bot.storage.posts import SqlPosts
from bot.storage.transcripts import SqlTranscripts
from bot.telemetry.logs import logger

log = logger(__name__)

PRUNE_EVERY = 3600.0
"""Seconds between prunings."""
_KEEP_UP_EVERY = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """Deletes for good what is older than the settings let it be."""

    settings: Settings
    clock: Clock
    transcripts: SqlTranscripts
    posts: SqlPosts
    ledger: SqlLedger
    money: SqlMoney
    choices: SqlChoices
    archive: SqlArchive

    async def prune(self) -> None:
        """All that is due."""
        settings, now = self.settings, self.clock.now()
        gone = await self.transcripts.prune(before=Instant(now - settings.retain_messages_days * DAY))
        if gone:
            log.info("old turns were deleted", extra={"action": "prune", "turns": gone})
        # At least for a day, or a reply to an answer would not find its conversation any more.
        await self.posts.prune(before=Instant(now - max(1, settings.retain_messages_days) * DAY))
        oldest = day_of(now) - settings.retain_counts_days
        await self.ledger.prune(before_day=oldest)
        await self.money.prune(before=day_start(oldest))
        await self.choices.prune(before=day_start(oldest))
        await self.archive.prune(before=Instant(now - settings.retain_audit_days * DAY))


class KeepingUp:
    """Takes up what other processes have changed of who is one, has a key, has chosen a model or may pay.

    Args:
        renew: read anew what may have changed, in this order.
    """

    def __init__(self, board: SqlBoard, database: Database, *renew: Callable[[], Awaitable[None]]) -> None:
        self._board, self._database, self._renew = board, database, renew
        self._before: object = None

    async def watch(self) -> None:
        """Look every second where there are others, until cancelled."""
        while True:
            if self._before is None or not self._board.alone:
                await self._look()
            await asyncio.sleep(_KEEP_UP_EVERY)

    async def _look(self) -> None:
        now = await fingerprint(self._database)
        if self._before not in (None, now):
            for one in self._renew:
                await one()
        self._before = now
