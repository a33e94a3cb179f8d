"""Ways a response breaks or misbehaves on the wire, whatever it says: each turns one reply into another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

from bot.openrouter.sandbox.wire import COMMENT, DONE, EVENTS, Frame, Reply

FILLER = b"and so on " * 64
PAGE = b"""<!DOCTYPE html>
<html><head><title>503 | Service unavailable</title></head>
<body><h1>Error 503</h1><p>The edge could not reach the origin server.</p></body></html>
"""


def reset_at_once(reply: Reply) -> Reply:
    """The connection is reset before a status line."""
    return replace(reply, status=None, frames=(), ending="reset", broken=True)


def silent(reply: Reply) -> Reply:
    """Nothing is ever said, and the connection stays."""
    return replace(reply, status=None, frames=(), ending="silence", broken=True)


def no_body(reply: Reply) -> Reply:
    """The headers come; the body never does."""
    return replace(reply, frames=(), ending="silence", broken=True)


def stalled(reply: Reply) -> Reply:
    """Half the answer, then nothing more, and the connection stays."""
    return replace(reply, frames=_torn(reply), ending="silence", broken=True)


def ended_early(reply: Reply) -> Reply:
    """The body ends properly after half the answer: no torn line, no finish reason, no `[DONE]`."""
    return replace(reply, frames=_half(reply), broken=True)


def closed_early(reply: Reply) -> Reply:
    """The connection is closed in the middle of the body."""
    return replace(reply, frames=_torn(reply), ending="fin", broken=True)


def reset_midway(reply: Reply) -> Reply:
    """The connection is reset in the middle of the body."""
    return replace(reply, frames=_torn(reply), ending="reset", broken=True)


def without_done(reply: Reply) -> Reply:
    """Whole but for the `[DONE]`."""
    return replace(reply, frames=[frame for frame in reply.frames if frame.data != DONE])


def without_usage(reply: Reply) -> Reply:
    """Whole but for the chunk with the usage."""
    return replace(reply, frames=[frame for frame in reply.frames if b'"usage"' not in frame.data])


def comments_for_ever(reply: Reply) -> Reply:
    """Signs of life each second, but never a token."""
    sign = Frame(data=COMMENT if reply.content_type == EVENTS else b"\n", pause=1.0)
    return replace(reply, frames=(sign for _ in count()), broken=True)


def endless(reply: Reply) -> Reply:
    """The answer goes on and on, ten times as fast as people read."""

    def frames() -> Iterator[Frame]:
        yield from _half(reply)
        chunk = json.dumps({"choices": [{"index": 0, "delta": {"content": FILLER.decode()}, "finish_reason": None}]})
        more = b"data: " + chunk.encode() + b"\n\n" if reply.content_type == EVENTS else FILLER
        while True:
            yield Frame(data=more, pause=0.01, tokens=1)

    return replace(reply, frames=frames(), broken=True)


def endless_line(reply: Reply) -> Reply:
    """One line that never ends, so that nothing in it can ever be read."""

    def frames() -> Iterator[Frame]:
        yield Frame(data=b'data: {"choices":[{"index":0,"delta":{"content":"')
        while True:
            yield Frame(data=FILLER, pause=0.01)

    return replace(reply, frames=frames(), broken=True)


def sliced(reply: Reply) -> Reply:
    """The same answer a byte at a time, so that characters are split, with CRLF line ends."""

    def frames() -> Iterator[Frame]:
        for frame in reply.frames:
            data = frame.data.replace(b"\n", b"\r\n") if reply.content_type == EVENTS else frame.data
            for place in range(len(data)):
                first = place == 0
                yield Frame(data=data[place : place + 1], pause=frame.pause * first, tokens=frame.tokens * first)

    return replace(reply, frames=frames())


def malformed(reply: Reply) -> Reply:
    """Half the answer, then an event that is no JSON, then the end without a finish."""
    return replace(reply, frames=[*_half(reply), Frame(data=b'data: {"id":"gen-\n\n'), Frame(data=DONE)], broken=True)


def odd_but_whole(reply: Reply) -> Reply:
    """The same answer among everything a parser has to bear: odd comments, empty chunks, other fields."""
    odd = [
        b": \n\n",
        b"event: ping\nid: 7\nretry: 3000\n\n",
        b'data: {"id":"gen-odd","choices":[]}\n\n',
        b'data: {"id":"gen-odd","choices":null,"debug":{"echo_upstream_body":{}}}\n\n',
        b'data:{"id":"gen-odd",\ndata: "choices":[{"index":0,"delta":{"content":null},"finish_reason":null}]}\n\n',
        b'data: {"id":"gen-odd","choices":[{"index":0}]}\n\n',
    ]
    first, *rest = reply.frames
    if reply.content_type != EVENTS:
        return replace(reply, frames=[Frame(data=b"\n\n   \n"), first, *rest])
    return replace(reply, frames=[first, *(Frame(data=line) for line in odd), *rest])


def whitespace(reply: Reply) -> Reply:
    """A JSON body of nothing but keep-alive whitespace."""
    frames = [Frame(data=b"\n         \n", pause=frame.pause) for frame in reply.frames]
    return replace(reply, frames=frames, content_type="application/json", broken=True)


def null_choices(reply: Reply) -> Reply:
    """A 200 whose `choices` is null, and no error either."""
    body = b'{"id":"gen-null","object":"chat.completion","choices":null}'
    data = b"data: " + body + b"\n\n" + DONE if reply.content_type == EVENTS else body
    return replace(reply, frames=[Frame(data=data)], broken=True)


def page(reply: Reply) -> Reply:
    """The edge answers in HTML, with an error status."""
    return Reply(status=503, frames=[Frame(data=PAGE)], content_type="text/html", broken=True)


def page_blocked(reply: Reply) -> Reply:
    """The edge takes the sender for an attacker."""
    return replace(page(reply), status=403)


def page_too_many(reply: Reply) -> Reply:
    """The edge says that there are too many requests."""
    return replace(page(reply), status=429)


def redirect(reply: Reply) -> Reply:
    """The edge sends the client to another host, which the key is none of the business of."""
    return replace(page(reply), status=307, headers={"Location": "http://127.0.0.1:9/elsewhere"})


def page_as_answer(reply: Reply) -> Reply:
    """The edge answers in HTML, with 200."""
    return replace(page(reply), status=200)


def _half(reply: Reply) -> list[Frame]:
    """The first half of the frames; of a single one, half its bytes."""
    frames = list(reply.frames)
    return frames[: len(frames) // 2] if len(frames) > 1 else _torn(reply)


def _torn(reply: Reply) -> list[Frame]:
    """The first half of the frames and half of the next one's bytes, so that it ends inside a line."""
    frames = list(reply.frames)
    middle = len(frames) // 2
    data = frames[middle].data
    return [*frames[:middle], replace(frames[middle], data=data[: len(data) // 2], tokens=0)]
