"""Discord as one of the ways people reach Potluck: from the token to a connection, and to an end in order."""

from __future__ import annotations

import asyncio
import secrets

import aiohttp
import discord

from adapters.discord import endpoints, portal
from adapters.discord.answers import GRACE
from adapters.discord.client import PotluckClient, close_quietly
from adapters.discord.presence import Presence
from adapters.discord.safe import Nonces
from adapters.discord.talk import PLATFORM
from bot.chores import Chores
from bot.clock import Clock
from bot.commands.registry import Registry
from bot.errors import SettingsError
from bot.ports import Conversations, Turns
from bot.posts import Posts
from bot.telemetry.logs import logger

log = logger(__name__)

_AGAIN = (1.0, 5.0, 15.0, 30.0, 60.0)
"""Seconds until Discord is asked again when it cannot be reached at the start; the last one from then on."""


class DiscordAdapter:
    """`bot.ports.Platform`.

    A second process connects at once and hears everything, but keeps it to itself until the first one hears no more:
    Discord sends nothing again, so what is written between the two must have been heard by both.
    """

    name = PLATFORM

    def __init__(
        self,
        *,
        token: str,
        conversations: Conversations,
        store: Posts,
        clock: Clock,
        registry: Registry | None = None,
        api_url: str = endpoints.API,
        gateway_url: str | None = None,
        turns: Turns | None = None,
    ) -> None:
        self._token, self._conversations, self._store, self._clock = token, conversations, store, clock
        self._registry, self._api_url, self._gateway_url = registry, api_url, gateway_url
        self.client: PotluckClient | None = None
        self.ready = asyncio.Event()
        self._turns = turns

    @property
    def state(self) -> str:
        """`ok`, or what is wrong, for `/readyz`."""
        if self.client is None or not self.client.is_ready():
            return "connecting"
        if self.client.standing_by:
            return "waits for another process to hear no more"
        return self.client.trouble or "ok"

    async def run(self) -> None:
        """Run until cancelled.

        Raises:
            SettingsError: Discord does not take the token, or not the intents.
        """
        endpoints.point(self._api_url, self._gateway_url)
        client = self.client = await self._client()
        client.on_first_ready = self.ready.set
        shown = Presence(client, lambda: self._conversations.pool())
        client.on_new_session = shown.forget
        chores = Chores()
        chores.begin("Discord's presence", shown.keep)
        chores.once("Discord's beginning", self._begin)
        try:
            await self._connect(client)
        finally:
            await chores.close()
            await client.answers.finish(GRACE)
            await close_quietly(client)

    async def _begin(self) -> None:
        """Hear when nobody else does, and go on with what they left when they have ended."""
        client = self.client
        assert client is not None
        await self.ready.wait()
        if self._turns is not None:
            await self._turns.to_hear()
        await client.hear_from_now_on()
        if self._turns is not None:
            await self._turns.to_go_on()
        await client.answers.take_up()

    async def pause(self) -> None:
        """Hear nothing more, and let the next process."""
        self.stopping()
        if self.client is not None:
            await self.client.answers.all_noted()
        if self._turns is not None:
            await self._turns.hand_over()

    def stopping(self) -> None:
        """Potluck is about to stop every answer: theirs end because of that."""
        if self.client is not None:
            self.client.answers.stopping()

    async def _client(self) -> PotluckClient:
        mark = await self._store.note(PLATFORM, "mark")
        if mark is None:
            mark = secrets.token_urlsafe(3)[:4]
            await self._store.keep_note(PLATFORM, "mark", mark)
        found = await self._look()
        return PotluckClient(
            conversations=self._conversations,
            store=self._store,
            nonces=Nonces(mark),
            clock=self._clock,
            intents=portal.intents(content=found.reads_content),
            hosts=endpoints.cdn(self._api_url),
            gateway=self._gateway_url,
            registry=self._registry,
            standing_by=self._turns is not None,
        )

    async def _look(self) -> portal.Portal:
        attempt = 0
        while True:
            try:
                return await portal.look(self._token)
            except discord.LoginFailure:
                raise _refused("Discord does not accept it") from None
            except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
                await _until_again(attempt, error)
                attempt += 1

    async def _connect(self, client: PotluckClient) -> None:
        attempt = 0
        while True:
            try:
                await client.start(self._token)
                return
            except discord.LoginFailure:
                raise _refused("Discord does not accept it") from None
            except discord.PrivilegedIntentsRequired:
                raise _refused("its application may no longer read message content") from None
            except discord.ConnectionClosed as error:
                if error.code == _BAD_TOKEN:
                    raise _refused("Discord does not accept it any more") from None
                raise
            except (discord.HTTPException, discord.GatewayNotFound, aiohttp.ClientError, OSError) as error:
                await _until_again(attempt, error)
                attempt += 1


async def _until_again(attempt: int, error: Exception) -> None:
    """Discord cannot be reached: the longer that lasts, the more seldom it is tried."""
    seconds = _AGAIN[min(attempt, len(_AGAIN) - 1)]
    log.warning("Discord cannot be reached", extra={"action": "connect", "why": type(error).__name__, "again": seconds})
    await asyncio.sleep(seconds)


_BAD_TOKEN = 4004


def _refused(fault: str) -> SettingsError:
    return SettingsError(
        "DISCORD_TOKEN",
        fault,
        "Copy the bot's token again from discord.com/developers/applications, or leave it unset.",
    )
