"""Files that come with a message: fetched from Slack's own host and no other, and no larger than models take.

The bot's token goes with the request to that host alone: never along a redirect to another. Without the right to read
a file Slack answers 200 and a login page, so a page where a file should be is none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp

from adapters.slack.calls import Refused, Unsure, call
from adapters.slack.workspace import Workspace
from bot.conversation.attachments import MOST_BYTES, MOST_FILES, MOST_TOGETHER
from bot.errors import AttachmentRefused
from bot.messages import Attachment
from bot.telemetry.logs import logger

log = logger(__name__)

_SECONDS = 30.0
_REDIRECTS = 3
_CHUNK = 64 * 1024
_PAGE_STARTS = (b"<!doctype html", b"<html")


def files_origin(api_url: str) -> str:
    """Where files may be fetched from, as scheme and host: Slack's host for them, or a test server's own."""
    parts = urlsplit(api_url)
    host = parts.hostname or ""
    if host in ("slack.com", "slack-gov.com"):
        return f"https://files.{host}"
    return f"{parts.scheme}://{parts.netloc}"


class Files:
    """See the module."""

    def __init__(self, session: aiohttp.ClientSession, *, origin: str) -> None:
        self._session, self._origin = session, origin

    async def take(self, workspace: Workspace, files: Sequence[Mapping[str, Any]]) -> tuple[Attachment, ...]:
        """Fetch them.

        Raises:
            AttachmentRefused: one cannot be used, or they are too many.
        """
        if len(files) > MOST_FILES:
            raise AttachmentRefused("too_many", limit=MOST_FILES)
        told = [await self._complete(workspace, file) for file in files]
        if sum(_size(file) for file in told) > MOST_TOGETHER:
            raise AttachmentRefused("too_large_together", limit=MOST_TOGETHER)
        taken = [await self._fetch(workspace, file) for file in told]
        if sum(len(one.content) for one in taken) > MOST_TOGETHER:
            raise AttachmentRefused("too_large_together", limit=MOST_TOGETHER)
        return tuple(taken)

    async def _complete(self, workspace: Workspace, file: Mapping[str, Any]) -> Mapping[str, Any]:
        """What there is to know of a file: in Slack Connect the event only says that it has to be asked for."""
        if file.get("file_access") != "check_file_info":
            return file
        try:
            answer = await call(
                workspace.client.files_info, workspace.allowance.rest, safe=True, file=str(file.get("id"))
            )
        except (Refused, Unsure):
            raise AttachmentRefused("unavailable", name=_name(file)) from None
        found: Mapping[str, Any] = answer["file"]
        return found

    async def _fetch(self, workspace: Workspace, file: Mapping[str, Any]) -> Attachment:
        name, url = _name(file), str(file.get("url_private_download") or file.get("url_private") or "")
        if _size(file) > MOST_BYTES:
            raise AttachmentRefused("too_large", name=name, limit=MOST_BYTES)
        try:
            async with asyncio.timeout(_SECONDS):
                content, served = await self._download(url, workspace.token, name)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.info("a file did not come", extra={"action": "slack", "error": type(error).__name__})
            raise AttachmentRefused("unavailable", name=name) from None
        claimed = str(file.get("mimetype") or "")
        if "html" not in claimed and (served == "text/html" or content[:64].lstrip().lower().startswith(_PAGE_STARTS)):
            raise AttachmentRefused("web_page", name=name)
        return Attachment(name=name, media_type=claimed or served, content=content)

    async def _download(self, url: str, token: str, name: str) -> tuple[bytes, str]:
        for _ in range(_REDIRECTS + 1):
            parts = urlsplit(url)
            if f"{parts.scheme}://{parts.netloc}" != self._origin:
                log.warning("a file stands on another host", extra={"action": "slack"})
                raise AttachmentRefused("unavailable", name=name)
            headers = {"Authorization": f"Bearer {token}"}
            async with self._session.get(url, headers=headers, allow_redirects=False) as answer:
                if answer.status in (301, 302, 303, 307, 308):
                    url = urljoin(url, answer.headers.get("Location", ""))
                    continue
                if answer.status != 200:
                    raise AttachmentRefused("unavailable", name=name)
                return await _read(answer, name), answer.content_type
        raise AttachmentRefused("unavailable", name=name)


async def _read(answer: aiohttp.ClientResponse, name: str) -> bytes:
    """The body, as long as it is not too large, whatever was said of it."""
    content = bytearray()
    async for chunk in answer.content.iter_chunked(_CHUNK):
        content += chunk
        if len(content) > MOST_BYTES:
            raise AttachmentRefused("too_large", name=name, limit=MOST_BYTES)
    return bytes(content)


def _name(file: Mapping[str, Any]) -> str:
    return str(file.get("name") or file.get("title") or file.get("id") or "")[:200]


def _size(file: Mapping[str, Any]) -> int:
    size = file.get("size")
    return size if isinstance(size, int) else 0
