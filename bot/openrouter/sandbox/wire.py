"""How an answer or an error looks on the wire: bytes with pauses between them, and how the connection ends."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, TypeAlias

from bot.openrouter.sandbox.catalogue import Json

Ending: TypeAlias = Literal["whole", "fin", "reset", "silence"]
"""`fin` closes in the middle of the body, `reset` drops the connection, `silence` sends nothing more and stays."""

JSON = "application/json"
EVENTS = "text/event-stream"
COMMENT = b": OPENROUTER PROCESSING\n\n"
DONE = b"data: [DONE]\n\n"
COMMENTS = 3
"""Signs of life before the first token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Bytes sent at once, after a pause in seconds."""

    data: bytes
    pause: float = 0.0
    tokens: int = 0
    """Completion tokens the bytes carry: what is billed when the client cuts the stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One HTTP response, scripted to the byte."""

    status: int | None
    """None: not even a status line."""
    frames: Iterable[Frame]
    """May be without end."""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    ending: Ending = "whole"
    broken: bool = False
    """The answer is not what was asked for, whatever the status says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model writes, before it takes a shape."""

    id: str
    created: int
    model: str
    reasoning: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    """One entry is one token and, in a stream, one chunk."""
    finish: str = "stop"
    native_finish: str = "stop"
    error: Json | None = None
    """Comes after the text."""
    prompt_tokens: int = 0
    cost: Decimal = Decimal(0)
    provider: str | None = "Sandbox"
    upstream_cost: Decimal | None = None
    """USD paid to a provider by a key of the account's own there; None: OpenRouter's own key was used."""
    shapes: int = 2026
    """See `SandboxSettings.shapes`."""

    @property
    def completion_tokens(self) -> int:
        return len(self.reasoning) + len(self.text)

    def usage(self) -> Json:
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "cost": float(self.cost),
            "is_byok": self.upstream_cost is not None,
            "prompt_tokens_details": {
                "cached_tokens": 0,
                "cache_write_tokens": 0,
                "audio_tokens": 0,
                "video_tokens": 0,
            },
            "cost_details": {
                "upstream_inference_cost": float(self.cost if self.upstream_cost is None else self.upstream_cost),
                "upstream_inference_prompt_cost": 0,
                "upstream_inference_completions_cost": 0,
            },
            "completion_tokens_details": {
                "reasoning_tokens": len(self.reasoning),
                "image_tokens": 0,
                "audio_tokens": 0,
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds before the first token and before each further one."""

    first: float
    chunk: float


def json_reply(body: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """A JSON body sent at once."""
    return Reply(status=status, frames=[Frame(data=_compact(body))], headers=headers or {})


def _compact(body: object) -> bytes:
    """JSON as OpenRouter writes it: no spaces, and what is not ASCII as it is."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def event(body: Json, *, pause: float = 0.0, tokens: int = 0) -> Frame:
    """One server-sent event."""
    return Frame(data=b"data: " + _compact(body) + b"\n\n", pause=pause, tokens=tokens)


def render(answer: Answer, pace: Pace, *, stream: bool) -> Reply:
    """The answer in the shape it was asked for."""
    headers = {"X-Generation-Id": answer.id, "X-Provider-Name": "Sandbox"}
    broken = answer.error is not None
    if stream:
        return Reply(status=200, frames=_events(answer, pace), content_type=EVENTS, headers=headers, broken=broken)
    pause = pace.first + pace.chunk * answer.completion_tokens
    frame = Frame(data=_compact(_whole(answer)), pause=pause, tokens=answer.completion_tokens)
    return Reply(status=200, frames=[frame], headers=headers, broken=broken)


def _events(answer: Answer, pace: Pace) -> list[Frame]:
    frames = [Frame(data=COMMENT, pause=pace.first / COMMENTS) for _ in range(COMMENTS)]
    for place, thought in enumerate(answer.reasoning):
        details = [{"type": "reasoning.text", "text": thought, "index": place, "format": None}]
        delta = {"role": "assistant", "content": "", "reasoning": thought, "reasoning_details": details}
        frames.append(event(_chunk(answer, delta), pause=pace.chunk, tokens=1))
    for text in answer.text:
        frames.append(event(_chunk(answer, {"role": "assistant", "content": text}), pause=pace.chunk, tokens=1))
    nothing = {"role": "assistant", "content": ""}
    if answer.error is not None and answer.shapes == 2025:
        failed = _failed(answer, _chunk(answer, nothing)) | {"usage": answer.usage()}
        return [*frames, event(failed), Frame(data=DONE)]
    if answer.error is not None:
        return [*frames, event(_failed(answer, _chunk(answer, nothing, finish="error")))]
    last = _chunk(answer, nothing, finish=answer.finish, native=answer.native_finish)
    counted = (_chunk(answer, nothing) if answer.shapes == 2025 else last) | {"usage": answer.usage()}
    return [*frames, event(last), event(counted), Frame(data=DONE)]


def _failed(answer: Answer, chunk: Json) -> Json:
    """The chunk with the error. It names a provider where one is at fault."""
    named = chunk if answer.provider else {name: value for name, value in chunk.items() if name != "provider"}
    return named | {"error": answer.error}


def _chunk(answer: Answer, delta: Json, *, finish: str | None = None, native: str | None = None) -> Json:
    return {
        "id": answer.id,
        "object": "chat.completion.chunk",
        "created": answer.created,
        "model": answer.model,
        "provider": "Sandbox",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish, "native_finish_reason": native or finish}],
    }


def _whole(answer: Answer) -> Json:
    if answer.error is not None and not answer.completion_tokens:
        return {"error": answer.error, "user_id": "user_sandbox"}
    message = {
        "role": "assistant",
        "content": "".join(answer.text),
        "refusal": None,
        "reasoning": "".join(answer.reasoning) or None,
    }
    choice: Json = {
        "index": 0,
        "message": message,
        "finish_reason": answer.finish,
        "native_finish_reason": answer.native_finish,
        "logprobs": None,
    }
    if answer.error is not None:
        choice |= {"finish_reason": "error", "native_finish_reason": "error", "error": answer.error}
    return {
        "id": answer.id,
        "object": "chat.completion",
        "created": answer.created,
        "model": answer.model,
        "provider": "Sandbox",
        "system_fingerprint": None,
        "choices": [choice],
        "usage": answer.usage(),
    }
