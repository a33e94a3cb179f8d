"""A JSON body under status 200, where an event stream was asked for."""

from __future__ import annotations

from typing import Any

from bot.errors import FailureKind as K
from tests.fakes.openrouter_shapes.rate_limits import BUSY, DAILY, DAILY_SOURCE, MIDNIGHT, PROVIDER
from tests.fakes.openrouter_shapes.shape import Shape, error, window

PARTIAL = {
    "choices": [
        {
            "message": {"role": "assistant", "content": "partial output"},
            "finish_reason": "error",
            "error": error(502, "Provider disconnected mid-stream", {"error_type": "provider_unavailable"}),
        }
    ]
}


def _in_200(name: str, remark: str, kind: K, body: Any, **fields: Any) -> Shape:
    return Shape(name=f"200: {name}", remark=remark, kind=kind, body=body, **fields)


IN_200 = (
    _in_200("an error", "documented", K.UPSTREAM_MODEL, {"error": error(429, PROVIDER, BUSY)}),
    _in_200(
        "the day is over",
        "seen in a client that reads it there",
        K.ACCOUNT_DAILY,
        {"error": error(429, DAILY, window("50", MIDNIGHT, **DAILY_SOURCE))},
        retry_after=MIDNIGHT.after,
        limit=50,
    ),
    _in_200(
        "the day is over, code as a string, 2025",
        "seen through proxies",
        K.ACCOUNT_DAILY,
        {"error": error("429", DAILY, window("50", MIDNIGHT))},
        retry_after=MIDNIGHT.after,
        limit=50,
    ),
    _in_200(
        "an error beside nulls",
        "seen",
        K.PROVIDER_DOWN,
        {"id": None, "choices": None, "object": None, "error": error(502, "Upstream went away")},
    ),
    _in_200("a part and an error", "documented", K.PROVIDER_DOWN, PARTIAL),
    _in_200("an error whose code is a word", "seen", K.PROVIDER_DOWN, {"error": error("server_error", "?")}),
    _in_200("a limit whose code is a word", "seen", K.UPSTREAM_MODEL, {"error": error("rate_limit_exceeded", "?")}),
    _in_200("choices null", "seen", K.EMPTY_ANSWER, {"id": "gen-1", "choices": None}),
    _in_200(
        "signs of life, then an error",
        "seen: white space keeps the connection open",
        K.PROVIDER_DOWN,
        b"\n         \n" * 120 + b'{"error":{"code":502,"message":"Provider returned error"}}',
    ),
    _in_200("only white space", "seen", K.PROVIDER_DOWN, b"\n         \n" * 120),
    _in_200("white space and junk", "seen", K.PROVIDER_DOWN, b"\n         \n" * 120 + b"{"),
    _in_200(
        "a page", "guarded", K.EDGE_HTML, b"<!doctype html><p>Sign in to this network</p>", content_type="text/html"
    ),
)
