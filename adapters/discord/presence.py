"""The line below the bot's name: how the pool is. Changed when it changes, at most four times a minute."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import discord

from bot.ports import PoolView

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


async def keep(client: discord.AutoShardedClient, pool: Callable[[], Awaitable[PoolView]]) -> None:
    """Show it for as long as the client runs."""
    last: tuple[discord.Status, str] | None = None
    while True:
        await client.wait_until_ready()
        now = shown(await pool())
        if now != last and not client.is_ws_ratelimited():
            await client.change_presence(status=now[0], activity=discord.CustomActivity(now[1]))
            last = now
        await asyncio.sleep(EVERY)
