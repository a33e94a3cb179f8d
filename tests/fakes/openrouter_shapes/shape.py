"""What a row of the table is, and how one is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any, Literal, assert_never

from bot.clock import Instant
from bot.errors import FailureKind, NoRoute
from tests.fakes.upstream import LAST, Script, head, piece, says, whole

K = FailureKind
DAY = 24 * 3600
FARTHEST = 48 * 3600
"""Seconds: what a reset is clamped to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """A moment so many seconds from now, as it is written. The unit of `X-RateLimit-Reset` is documented nowhere."""

    after: float
    unit: Literal["ms", "s", "relative", "http", "iso"] = "ms"

    def written(self, now: Instant) -> str:
        at = now + self.after
        match self.unit:
            case "ms":
                return str(round(at * 1000))
            case "s":
                return str(round(at))
            case "relative":
                return str(round(self.after))
            case "http":
                return formatdate(at, usegmt=True)
            case "iso":
                return datetime.fromtimestamp(at, UTC).isoformat()
            case _:
                assert_never(self.unit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One answer of OpenRouter's and its meaning.

    An answer is `stream`, the events of an event stream (documents; bytes as they are), or `body`, a document or
    bytes. A `Reset` anywhere in headers or documents is written when the answer is.
    """

    name: str
    remark: str
    kind: FailureKind | None
    """None: a whole answer."""
    status: int = 200
    headers: Mapping[str, str | Reset] = field(default_factory=dict)
    """`_` in a name stands for `-`."""
    body: Any = None
    content_type: str = "application/json"
    stream: tuple[Any, ...] | None = None
    done: bool = True
    """The stream ends with `[DONE]`."""
    text: str = ""
    """What the member has seen when it ends."""
    retry_after: float | None = None
    """Seconds from now until it works again, as the failure says; None: it does not say."""
    limit: int | None = None
    route: NoRoute | None = None

    @property
    def generation(self) -> str:
        """The id of the answer, as its head names it or the first event that does."""
        named = (event.get("id") for event in self.stream or () if isinstance(event, dict))
        return str(self.headers.get("X_Generation_Id") or next(filter(None, named), ""))

    @property
    def counted(self) -> bool:
        """What it used stands in one of its events."""
        return any(isinstance(event, dict) and "usage" in event for event in self.stream or ())

    def script(self, now: Instant) -> Script:
        """What a server says that answers at `now`."""
        headers: dict[str, Any] = {
            name: value.written(now) if isinstance(value, Reset) else value for name, value in self.headers.items()
        }
        if self.stream is None:
            return says(whole(self.status, self.written(now), self.content_type, **headers))
        return says(head(transfer_encoding="chunked", **headers), *map(piece, self.events(now)), LAST)

    def written(self, now: Instant) -> bytes:
        """The body as it stands at `now`."""
        return self.body if isinstance(self.body, bytes) else _document(self.body, now)

    def events(self, now: Instant) -> list[bytes]:
        """The events of the stream as they stand at `now`."""
        events = [
            said if isinstance(said, bytes) else b"data: %s\n\n" % _document(said, now) for said in self.stream or ()
        ]
        return [*events, b"data: [DONE]\n\n"] if self.done else events

    def retry_at(self, now: Instant) -> Instant | None:
        """The moment the failure names if it came at `now`."""
        return None if self.retry_after is None else Instant(now + self.retry_after)


def _document(value: Any, now: Instant) -> bytes:
    return json.dumps(value, default=lambda reset: reset.written(now)).encode()


# --- writing them ----------------------------------------------------------------------------------------


def error(code: Any, message: str, metadata: Any = None, **fields: Any) -> dict[str, Any]:
    return {"code": code, "message": message, **({} if metadata is None else {"metadata": metadata}), **fields}


def refused(
    name: str,
    remark: str,
    kind: FailureKind,
    status: int,
    message: str,
    metadata: Any = None,
    *,
    code: Any = None,
    headers: Mapping[str, str | Reset] | None = None,
    retry_after: float | None = None,
    limit: int | None = None,
    route: NoRoute | None = None,
    **fields: Any,
) -> Shape:
    """An answer with an error for its body, in the envelope OpenRouter uses."""
    fault = error(status if code is None else code, message, metadata, **fields)
    return Shape(
        name=name,
        remark=remark,
        kind=kind,
        status=status,
        headers=headers or {},
        body={"error": fault, "user_id": "user_2potluckpotluck"},
        retry_after=retry_after,
        limit=limit,
        route=route,
    )


def chunk(
    content: str | None = "", *, finish: str | None = None, delta: Mapping[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    spoken = {"role": "assistant", "content": content, **(delta or {})}
    choice = {"index": 0, "delta": spoken, "finish_reason": finish, "native_finish_reason": finish, "logprobs": None}
    return {
        "id": "gen-1790000000-PotluckPotluckPotluc",
        "object": "chat.completion.chunk",
        "created": 1790000000,
        "model": "acme/small:free",
        "provider": "Acme",
        "choices": [choice],
        **fields,
    }


def streamed(
    name: str,
    remark: str,
    kind: FailureKind | None,
    *stream: Any,
    text: str = "",
    done: bool = False,
    retry_after: float | None = None,
    limit: int | None = None,
    route: NoRoute | None = None,
    headers: Mapping[str, str | Reset] | None = None,
) -> Shape:
    return Shape(
        name=name,
        remark=remark,
        kind=kind,
        headers=headers or {},
        stream=stream,
        text=text,
        done=done,
        retry_after=retry_after,
        limit=limit,
        route=route,
    )


def window(limit: str, reset: Reset, **metadata: Any) -> dict[str, Any]:
    """The metadata of a platform limit: the headers once more, in the body."""
    headers = {"X-RateLimit-Limit": limit, "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}
    return {"headers": headers, **metadata}


def limits(limit: str, reset: Reset) -> dict[str, str | Reset]:
    return {"X_RateLimit_Limit": limit, "X_RateLimit_Remaining": "0", "X_RateLimit_Reset": reset}
