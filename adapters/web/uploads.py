"""Reads the body of a question, which is small unless files come with it.

What is larger than any other request takes one of a few places for as long as it arrives and is taken apart, so that
however many upload at once, no more than a few of them are in memory in this form.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

from aiohttp import web

from adapters.web.inbound import BODY_MAX, BODY_SECONDS, json_object
from adapters.web.refusal import Refusal, bad_request
from bot.commands.saying import say
from bot.conversation.attachments import MOST_FILES, MOST_TOGETHER
from bot.messages import Attachment

UPLOAD_MAX = BODY_MAX + 4 * -(-MOST_TOGETHER // 3) + 4 * MOST_FILES
"""Bytes of a body with files: in base64, three bytes take four."""
UPLOAD_SECONDS = 90.0
"""How long one may take to arrive, the wait for a place included."""
AT_ONCE = 4

_NAME_MAX, _MEDIA_TYPE_MAX, _LISTED_MAX = 1000, 200, 100


class Uploads:
    """See the module."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(AT_ONCE)

    async def question(self, request: web.Request) -> tuple[Mapping[str, object], tuple[Attachment, ...]]:
        """The fields of a question, and the files that came with it.

        Raises:
            Refusal: not JSON, not an object, too large, or too slow to come; or files that are not what they should be.
        """
        if request.content_type != "application/json":
            raise bad_request(say("Send JSON, with the header Content-Type: application/json."))
        large = _too_large(UPLOAD_MAX)
        if (request.content_length or 0) > UPLOAD_MAX:
            raise large
        async with AsyncExitStack() as stack:
            body = bytearray()
            try:
                async with asyncio.timeout(BODY_SECONDS) as deadline:
                    while chunk := await request.content.readany():
                        body += chunk
                        if len(body) > UPLOAD_MAX:
                            raise large
                        if len(body) > BODY_MAX >= len(body) - len(chunk):
                            deadline.reschedule(asyncio.get_running_loop().time() + UPLOAD_SECONDS)
                            await stack.enter_async_context(self._places)
            except TimeoutError:
                raise Refusal(408, "too_slow", say("The request took too long to arrive.")) from None
            fields = json_object(body)
            size = len(body)
            del body
            listed = fields.get("attachments")
            if listed is None:
                listed = []
            if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
                raise bad_request(say("attachments: use a list of objects, or leave it out."))
            if size - sum(len(one["content"]) for one in listed if isinstance(one.get("content"), str)) > BODY_MAX:
                raise _too_large(BODY_MAX)
            return fields, _attachments(listed)


def _too_large(most: int) -> Refusal:
    return Refusal(413, "too_large", say("The request is larger than {megabytes} MB.", megabytes=most // 1_000_000))


def _attachments(listed: Sequence[Mapping[str, object]]) -> tuple[Attachment, ...]:
    if len(listed) > _LISTED_MAX:
        raise bad_request(say("attachments: send {most} at most.", most=MOST_FILES))
    return tuple(_attachment(one) for one in listed)


def _attachment(one: Mapping[str, object]) -> Attachment:
    name, media_type, content = one.get("name"), one.get("media_type", ""), one.get("content")
    if not (isinstance(name, str) and len(name) <= _NAME_MAX):
        raise bad_request(say("attachments: each needs a name, as a string."))
    if not (isinstance(media_type, str) and len(media_type) <= _MEDIA_TYPE_MAX):
        raise bad_request(say("attachments: media_type is a string, such as image/png."))
    try:
        decoded = base64.b64decode(content, validate=True) if isinstance(content, str) else None
    except (binascii.Error, ValueError):
        decoded = None
    if decoded is None:
        raise bad_request(say("attachments: each needs its content, in base64."))
    return Attachment(name=name, media_type=media_type, content=decoded)
