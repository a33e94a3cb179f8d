"""A whole Potluck without adapters, over a real database file and the real sandbox, in virtual time.

What tests read of the truth comes from the two ends: the sandbox's own log and the database's tables.
"""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import SecretStr
from sqlalchemy import func, select, text

from bot.app import service
from bot.clock import Clock, day_of
from bot.messages import (
    CommunityId,
    ConversationId,
    Ending,
    Failed,
    Finished,
    Held,
    IncomingMessage,
    Member,
    MessageId,
    ModelId,
    Notice,
    Queued,
    ReplyEvent,
    Standing,
    Started,
    TextDelta,
)
from bot.openrouter.sandbox import Sandbox, SandboxSettings
from bot.service import Service
from bot.settings import Settings
from bot.storage.database import Database
from bot.storage.tables import leases, member_days, pool_days
from tests.fakes.databases import HOME, known

_SECRET_KEY = SecretStr(urlsafe_b64encode(bytes(32)).decode())


@dataclass
class Heard:
    """One reply, as its member got it."""

    events: list[ReplyEvent] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, TextDelta))

    @property
    def ending(self) -> Ending:
        """The one ending, which is the last event."""
        endings = [event for event in self.events if isinstance(event, Finished | Failed | Held)]
        assert len(endings) == 1, self.events
        assert self.events[-1] is endings[0]
        return endings[0]

    @property
    def places(self) -> list[int]:
        return [event.place for event in self.events if isinstance(event, Queued)]

    @property
    def notices(self) -> list[str]:
        return [event.kind for event in self.events if isinstance(event, Notice)]

    @property
    def error(self) -> str | None:
        return self.ending.error.code if isinstance(self.ending, Failed) else None

    @property
    def started(self) -> bool:
        return any(isinstance(event, Started) for event in self.events)


class Deployment:
    """See the module."""

    def __init__(self, running: Service, sandbox: Sandbox, clock: Clock, folder: Path) -> None:
        self.running, self.sandbox, self.clock, self.folder = running, sandbox, clock, folder
        self._counter = 0

    def message(
        self,
        user: str,
        text: str = "hello",
        *,
        conversation: str = "",
        id: str = "",
        model: str | None = None,
        community: str = "web",
        hold: bool = False,
        standing: Standing = "full",
        channel: str = "",
        roles: Sequence[str] = (),
    ) -> IncomingMessage:
        self._counter += 1
        return IncomingMessage(
            id=MessageId(id or f"web:{uuid4()}"),
            conversation=ConversationId(f"web/{user}/{conversation or self._counter}"),
            community=CommunityId(community),
            author=Member("web", user),
            author_name=user,
            place="a test",
            text=text,
            received_at=self.clock.now(),
            model=None if model is None else ModelId(model),
            hold=hold,
            standing=standing,
            channel=channel,
            roles=frozenset(roles),
        )

    async def ask(self, user: str, text: str = "hello", **more: Any) -> Heard:
        """Ask, and hear the reply to its end."""
        return await self.hear(self.message(user, text, **more))

    async def hear(self, message: IncomingMessage, *, heard: Heard | None = None) -> Heard:
        heard = heard or Heard()
        async with aclosing(self.running.conversations.reply(message)) as events:
            async for event in events:
                heard.events.append(event)
        return heard

    async def counted(self) -> dict[str, Any]:
        """What the database says: all leases by outcome; today's units used, and charged to members."""

        def unit(connection: Any) -> dict[str, Any]:
            rows = connection.execute(select(leases.c.outcome, func.count()).group_by(leases.c.outcome)).all()
            today = day_of(self.clock.now())
            return {
                "leases": {outcome or "open": number for outcome, number in rows},
                "used": connection.scalar(
                    select(func.coalesce(func.sum(pool_days.c.used), 0)).where(pool_days.c.day == today)
                ),
                "taken": connection.scalar(
                    select(func.coalesce(func.sum(member_days.c.taken), 0)).where(member_days.c.day == today)
                ),
            }

        return await self.running.database.read(unit)

    @property
    def beside(self) -> dict[str, str]:
        """What another process is told, by environment, to use the same database."""
        settings = self.running.settings
        key = {} if settings.secret_key is None else {"SECRET_KEY": settings.secret_key.get_secret_value()}
        return {"DATABASE_URL": settings.database_url, **key}

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What the database says to a statement that only reads."""
        return await self.running.database.read(
            lambda connection: [tuple(row) for row in connection.execute(text(sql))]
        )

    async def used_in(self, pool: str) -> int:
        """Today's units of one pool, by the database."""
        today = day_of(self.clock.now())
        wanted = select(func.coalesce(func.sum(pool_days.c.used), 0)).where(
            pool_days.c.pool == pool, pool_days.c.day == today
        )
        return await self.running.database.read(lambda connection: connection.scalar(wanted) or 0)

    async def quiet(self) -> None:
        """Nothing is under way any more, and the books are straight."""
        schedulers = [pool.scheduler for pool in self.running.pools.at_hand]
        for scheduler in schedulers:
            await scheduler.close()
            assert scheduler.answering == scheduler.waiting == 0
        counted = await self.counted()
        assert "open" not in counted["leases"], counted
        for scheduler in schedulers:
            used = await self.used_in(scheduler.pool)
            assert scheduler.used_here == used, "the scheduler and the ledger disagree at rest"


@asynccontextmanager
async def deployment(
    folder: Path, clock: Clock, *, sandbox: SandboxSettings | None = None, env: dict[str, str] | None = None
) -> AsyncIterator[Deployment]:
    """Start one, with the sandbox as an upstream of its own."""
    upstream = Sandbox(sandbox or SandboxSettings(), clock)
    url = await upstream.start()
    try:
        async with served(folder, clock, url, env) as running:
            yield Deployment(running, upstream, clock, folder)
    finally:
        await upstream.close()


@asynccontextmanager
async def served(
    folder: Path, clock: Clock, upstream: str, env: dict[str, str] | None = None
) -> AsyncIterator[Service]:
    """The service alone, over an upstream that outlives it."""
    settings = Settings.model_validate(
        {
            "openrouter_api_key": "sk-or-test",
            "openrouter_base_url": upstream,
            "fair_policy": "fcfs",
            "database_url": HOME.address(folder),
            **(env or {}),
        }
    )
    if settings.server and settings.secret_key is None:
        settings = settings.model_copy(update={"secret_key": _SECRET_KEY})
    loop = asyncio.get_running_loop()
    database = known(Database(settings.database, clock, keeps_time=False), loop)
    async with service(settings, clock, database=database) as running:
        yield running


def most_in_any(seconds: float, moments: Sequence[float]) -> int:
    """The most of the moments that lie in any window of that length."""
    most, first, ordered = 0, 0, sorted(moments)
    for last, moment in enumerate(ordered):
        while ordered[first] <= moment - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most
