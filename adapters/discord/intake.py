"""Files that come with a message: fetched at once, from Discord's own hosts alone, and never more than is allowed.

Their addresses die after a day, so nothing is fetched later. What a file is, and whether it can be used, the core
says; here it is only kept from being too much, byte by byte as it comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

import aiohttp
import discord

from bot.conversation.attachments import MOST_BYTES, MOST_FILES, MOST_TOGETHER
from bot.messages import Attachment, IncomingMessage
from bot.telemetry.logs import logger

log = logger(__name__)

LONG_PASTE = "message.txt"
"""What Discord's clients make of a text that is too long to be sent as one."""
MESSAGES_AT_ONCE = 8
"""Whose files are being fetched, so that many large ones do not fill the memory before the core counts them."""
_SECONDS = 30.0
_CHUNK = 64 * 1024


class NotFetched(Exception):  # what Discord does not hand over is no error of the program
    """A file could not be fetched; its name."""


class Intake:
    """See the module. `close` when done.

    Args:
        hosts: origins that files may come from, such as `https://cdn.discordapp.com`.
    """

    def __init__(self, hosts: frozenset[str]) -> None:
        self._hosts = hosts
        self._at_once = asyncio.Semaphore(MESSAGES_AT_ONCE)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def with_files(self, message: IncomingMessage, files: Sequence[discord.Attachment]) -> IncomingMessage:
        """The message with its files; a long paste becomes its text.

        Raises:
            NotFetched: one of them cannot be had.
        """
        if not files:
            return message
        if len(files) > MOST_FILES:
            # The core refuses them for their number, and looks at none.
            return replace(message, attachments=tuple(self._made(file, b"") for file in files))
        if all(file.size <= MOST_BYTES for file in files) and sum(file.size for file in files) > MOST_TOGETHER:
            return replace(message, attachments=tuple(self._made(file, bytes(file.size)) for file in files))
        async with self._at_once:
            fetched = await asyncio.gather(*(self._fetch(file) for file in files))
        if len(fetched) == 1 and not message.text and fetched[0].name == LONG_PASTE:
            try:
                return replace(message, text=fetched[0].content.decode())
            except UnicodeDecodeError:
                pass
        return replace(message, attachments=tuple(fetched))

    async def _fetch(self, file: discord.Attachment) -> Attachment:
        if file.size > MOST_BYTES:
            return self._made(file, bytes(MOST_BYTES + 1))  # as the core would find it, had it been fetched
        url = file.url
        if not any(url.startswith(f"{host}/") for host in self._hosts):
            log.warning("a file came from elsewhere and was left alone", extra={"action": "fetch"})
            raise NotFetched(file.filename)
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_SECONDS))
        content = bytearray()
        try:
            async with self._session.get(url, allow_redirects=False) as response:
                if response.status != 200:
                    raise NotFetched(file.filename)
                async for chunk in response.content.iter_chunked(_CHUNK):
                    content += chunk
                    if len(content) > MOST_BYTES:
                        break
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            log.info("a file could not be fetched", extra={"action": "fetch", "why": type(error).__name__})
            raise NotFetched(file.filename) from None
        return self._made(file, bytes(content))

    def _made(self, file: discord.Attachment, content: bytes) -> Attachment:
        # The file's own name loses what is not ASCII; its title has it.
        name = f"{file.title}{PurePosixPath(file.filename).suffix}" if file.title else file.filename
        return Attachment(name=name, media_type=file.content_type or "", content=content)
