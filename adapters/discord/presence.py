"""The line below the bot's name: how the pool is. Changed when it changes, at most four times a minute."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import discord

from bot.errors import PotluckError
from bot.ports import PoolView
from bot.telemetry.logs import logger

log = logger(__name__)

EVERY = 15.0


def shown(pool: PoolView) -> tuple[discord.Status, str]:
    """A colour and a few words."""
    left = max(0, pool.rpd - pool.used)
    if pool.shut_for is not None:
        return discord.Status.dnd, "The pool is shut; an admin has to look"
    if not left:
        return discord.Status.dnd, f"Today's {pool.rpd:,} are used up"
    if pool.paused_until is not None:
        return discord.Status.idle, "The pool takes a break"
    waiting = f" · {pool.waiting:,} waiting" if pool.waiting else ""
    return discord.Status.online, f"{left:,} of {pool.rpd:,} left today{waiting}"


class Presence:
    """See the module."""

    def __init__(self, client: discord.AutoShardedClient, pool: Callable[[], Awaitable[PoolView]]) -> None:
        self._client, self._pool = client, pool
        self._last: tuple[discord.Status, str] | None = None

    def forget(self) -> None:
        """Discord starts a new session without one."""
        self._last = None

    async def keep(self) -> None:
        """Show it for as long as the client runs, whatever becomes of single tries."""
        while True:
            await self._client.wait_until_ready()
            try:
                await self._show()
            except (discord.DiscordException, aiohttp.ClientError, OSError, PotluckError) as error:
                self._last = None
                log.info("the presence was not shown", extra={"action": "presence", "why": type(error).__name__})
            await asyncio.sleep(EVERY)

    async def _show(self) -> None:
        now = shown(await self._pool())
        if now != self._last and not self._client.is_ws_ratelimited():
            self._last = now
            await self._client.change_presence(status=now[0], activity=discord.CustomActivity(now[1]))
