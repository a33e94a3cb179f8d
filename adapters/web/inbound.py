"""What a request says, checked field by field and put into the words of `bot.messages`.

Whatever does not fit is refused here, before the core hears of it. Unknown fields are ignored.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from uuid import uuid4
from zoneinfo import ZoneInfo

from aiohttp import web

from adapters.rendering.languages import preferred
from adapters.rendering.saying import Tongue, tongue
from adapters.web.refusal import Refusal, bad_request
from bot.clock import Instant
from bot.commands.saying import say
from bot.messages import Attachment, CommunityId, ConversationId, IncomingMessage, Member, MessageId, ModelId

PLACE = "the Potluck web page"
BODY_MAX = 1_000_000
BODY_SECONDS = 30.0
"""How long a body may take to arrive."""

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """Who writes, and in which of their conversations. Conversations of the web are private to the member."""

    member: Member
    community: CommunityId
    conversation: ConversationId


async def read_json(request: web.Request) -> Mapping[str, object]:
    """The body as a JSON object.

    Raises:
        Refusal: not JSON, not an object, too large, or too slow to come.
    """
    if request.content_type != "application/json":
        raise bad_request(say("Send JSON, with the header Content-Type: application/json."))
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await request.read()
    except TimeoutError:
        raise Refusal(408, "too_slow", say("The request took too long to arrive.")) from None
    return json_object(body)


def json_object(raw: bytes | bytearray) -> Mapping[str, object]:
    """A body as a JSON object. Raises as `read_json`."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise bad_request(say("The body is not valid JSON.")) from None
    if not isinstance(body, dict):
        raise bad_request(say("The body is not a JSON object."))
    return body


def member(fields: Mapping[str, object]) -> Member:
    return Member(platform="web", user=_name(fields, "member"))


def community(fields: Mapping[str, object]) -> CommunityId:
    name = _name(fields, "community", default="web")
    return CommunityId("web" if name == "web" else f"web:{name}")


def seat(fields: Mapping[str, object]) -> Seat:
    """The member, community and conversation a request names."""
    author, where = member(fields), community(fields)
    conversation = _text(fields, "conversation")
    if not (1 <= len(conversation) <= 128 and conversation.isprintable()):
        raise bad_request(say("conversation: use 1 to 128 printable characters."))
    return Seat(
        member=author,
        community=where,
        conversation=ConversationId(f"{where}/{author.user}/{conversation}"),
    )


def message(
    fields: Mapping[str, object], *, key: str | None, now: Instant, attachments: tuple[Attachment, ...] = ()
) -> IncomingMessage:
    """The message a chat request carries; `key` is its Idempotency-Key, which makes it safe to send again."""
    where = seat(fields)
    text = _clean(_text(fields, "text"))
    if not text.strip() and not attachments:
        raise bad_request(say("text: write something."))
    hold, model = fields.get("hold", False), fields.get("model")
    if not isinstance(hold, bool):
        raise bad_request(say("hold: use true or false."))
    if model is not None and not (isinstance(model, str) and 1 <= len(model) <= 200 and model.isprintable()):
        raise bad_request(say("model: name a model, or use null to leave the choice to Potluck."))
    return IncomingMessage(
        id=_message_id(where.member, key),
        conversation=where.conversation,
        community=where.community,
        author=where.member,
        author_name=where.member.user,
        place=PLACE,
        text=text,
        received_at=now,
        model=ModelId(model) if model else None,
        hold=hold,
        # Whoever may use the page is one of those it is for.
        standing="full",
        attachments=attachments,
    )


def zone(request: web.Request) -> tzinfo:
    """The time zone the page asks to be told times in (header `Time-Zone: Europe/Vienna`); UTC for everyone else."""
    try:
        return ZoneInfo(request.headers["Time-Zone"])
    except (KeyError, ValueError, OSError):
        return UTC


def locale(request: web.Request) -> str:
    """What the browser wants to be spoken to in, of what can be spoken (header `Accept-Language`)."""
    return preferred(request.headers.get("Accept-Language", ""))


def spoken(request: web.Request) -> Tongue:
    """The same, to speak it."""
    return tongue(locale(request))


def _message_id(author: Member, key: str | None) -> MessageId:
    if key is None:
        return MessageId(f"web:{uuid4()}")
    # A name holds no colon, so no two pairs of name and key are written alike.
    digest = hashlib.sha256(f"{author.user}:{key}".encode(errors="replace")).hexdigest()
    return MessageId(f"web:{digest}")


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise bad_request(say("{name}: this field is needed, as a string.", name=name))
    return value


def _name(fields: Mapping[str, object], name: str, *, default: str | None = None) -> str:
    value = default if default is not None and name not in fields else _text(fields, name)
    if not _NAME.fullmatch(value):
        raise bad_request(say("{name}: use 1 to 64 letters, digits, dots, hyphens or underscores.", name=name))
    return value


def _clean(text: str) -> str:
    """Without what a database or UTF-8 cannot hold: NUL, and halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
