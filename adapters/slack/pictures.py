"""Pictures of answers: drawn, uploaded, and shown in a message by the file's id.

A file that is shared nowhere is seen by Potluck alone, and a message that only one person sees shares nothing: there a
picture cannot stand. So private ones go to the person's direct messages, and open ones where the answer is. Slack looks
an upload over before it can be shown, which takes moments; where it does not come about, words stand in its place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import aiohttp

from adapters.rendering.charts import draw
from adapters.rendering.saying import Speech
from adapters.slack.answers import Picture
from adapters.slack.calls import Refused, Unsure, call
from adapters.slack.workspace import Workspace
from bot.telemetry.logs import logger

log = logger(__name__)

_NAME = "potluck.png"
_UPLOAD_SECONDS = 20
_ALT_MAX = 1_000
_LOOKS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
"""Seconds between two looks whether Slack is done with a file."""


class Pictures:
    """See the module."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def put(self, workspace: Workspace, pictures: Sequence[Picture], speech: Speech) -> dict[int, str]:
        """The ids of the files they can be shown by now, by their number. What did not come about is left out."""
        files = await asyncio.gather(*(self._put(workspace, one, speech) for one in pictures))
        return {number: file for number, file in enumerate(files) if file is not None}

    async def _put(self, workspace: Workspace, picture: Picture, speech: Speech) -> str | None:
        drawn = await draw(picture, speech)
        client, limit = workspace.client, workspace.allowance.rest
        try:
            place = await call(
                client.files_getUploadURLExternal,
                limit,
                safe=True,
                tries=3,
                filename=_NAME,
                length=len(drawn.png),
                alt_txt=drawn.alt[:_ALT_MAX],
            )
            # The address is good by itself: the token is not sent along.
            waiting = aiohttp.ClientTimeout(total=_UPLOAD_SECONDS)
            async with self._session.post(str(place["upload_url"]), data=drawn.png, timeout=waiting) as answer:
                if answer.status != 200:
                    raise Refused(f"upload {answer.status}")
            file = str(place["file_id"])
            await call(
                client.files_completeUploadExternal, limit, tries=3, files=[{"id": file, "title": drawn.alt[:100]}]
            )
            return file if await self._ready(workspace, file) else None
        except (Refused, Unsure, aiohttp.ClientError, TimeoutError, ValueError) as problem:
            log.info("a picture is told in words", extra={"action": "slack", "error": str(problem)})
            return None

    async def _ready(self, workspace: Workspace, file: str) -> bool:
        """Whether Slack knows what the file is: before that a block with it is refused."""
        for seconds in _LOOKS:
            told = await call(workspace.client.files_info, workspace.allowance.rest, safe=True, tries=2, file=file)
            if (told.get("file") or {}).get("mimetype"):
                return True
            await asyncio.sleep(seconds)
        log.info("a picture was not looked over in time", extra={"action": "slack"})
        return False
