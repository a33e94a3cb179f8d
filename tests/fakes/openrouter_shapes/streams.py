"""Event streams: how they begin, go on and end, well or not."""

from __future__ import annotations

from bot.errors import FailureKind as K
from tests.fakes.openrouter_shapes.rate_limits import (
    BUSY,
    DAILY,
    DAILY_SOURCE,
    MIDNIGHT,
    MINUTE,
    MINUTE_SOURCE,
    POOL_SOURCE,
    PROVIDER,
    SOON,
)
from tests.fakes.openrouter_shapes.shape import chunk, error, streamed, window

COMMENT = b": OPENROUTER PROCESSING\n\n"
USAGE = {
    "prompt_tokens": 43,
    "completion_tokens": 10,
    "total_tokens": 53,
    "cost": 0,
    "is_byok": False,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "cost_details": {"upstream_inference_cost": None, "upstream_inference_prompt_cost": 0},
    "completion_tokens_details": {"reasoning_tokens": 4, "image_tokens": 0},
}
THOUGHT = {
    "reasoning": " about the question.",
    "reasoning_details": [{"type": "reasoning.text", "text": " about the question.", "index": 0, "format": None}],
}
LIMITED = error(429, "Rate limit exceeded", {"error_type": "rate_limit_exceeded"})

_WHOLE = (
    streamed(
        "whole, 2026",
        "seen 2026: the usage chunk repeats the finish reason",
        None,
        *[COMMENT] * 17,
        chunk("A soup"),
        chunk(" for all."),
        chunk(finish="stop"),
        chunk(finish="stop", usage=USAGE, service_tier=None),
        text="A soup for all.",
        done=True,
    ),
    streamed(
        "whole, 2025",
        "seen 2025: the usage chunk has no finish reason; comments between",
        None,
        chunk("A soup"),
        COMMENT,
        b": \n\n",
        chunk(" for all.", finish="stop"),
        chunk(usage=USAGE),
        text="A soup for all.",
        done=True,
    ),
    streamed(
        "whole, after reasoning",
        "seen: empty content all the while",
        None,
        chunk("", delta=THOUGHT),
        chunk("", delta=THOUGHT),
        chunk("Soup."),
        chunk(finish="stop"),
        text="Soup.",
        done=True,
    ),
    streamed(
        "whole, by another model than asked",
        "seen: a router or a fallback; an empty choices list before",
        None,
        {"choices": [], "debug": {"echo_upstream_body": {}}},
        chunk("Soup.", model="other/medium", provider="Other"),
        chunk(finish="stop", model="other/medium", provider="Other", openrouter_metadata={"strategy": "free"}),
        text="Soup.",
        done=True,
    ),
    streamed(
        "whole, cut at its length", "documented", None, chunk("A so"), chunk(finish="length"), text="A so", done=True
    ),
    streamed(
        "whole, its name in the head",
        "documented: on every answer",
        None,
        chunk("Soup.", id=None),
        chunk(finish="stop", id=None),
        text="Soup.",
        done=True,
        headers={"X_Generation_Id": "gen-1790000000-InTheHead"},
    ),
    streamed("whole, without [DONE]", "guarded", None, chunk("Soup."), chunk(finish="stop"), text="Soup."),
)

_BEFORE_TEXT = (
    streamed("an error as the only event", "documented", K.UPSTREAM_MODEL, chunk(error=LIMITED, finish="error")),
    streamed("an error without choices", "seen", K.PROVIDER_DOWN, COMMENT, {"error": error(502, PROVIDER)}),
    streamed(
        "the provider's pool, first event",
        "documented: the status goes out with the provider's headers",
        K.UPSTREAM_MODEL,
        {"error": error(429, PROVIDER, BUSY | POOL_SOURCE | {"retry_after_seconds": 7})},
        retry_after=7,
    ),
    streamed(
        "the day is over, first event",
        "guarded: seen in a client that reads it there",
        K.ACCOUNT_DAILY,
        {"error": error(429, DAILY, window("50", MIDNIGHT, **DAILY_SOURCE))},
        retry_after=MIDNIGHT.after,
        limit=50,
    ),
    streamed(
        "the minute is full, first event, code as a string",
        "guarded",
        K.ACCOUNT_MINUTE,
        {"error": error("429", MINUTE, window("20", SOON, **MINUTE_SOURCE))},
        retry_after=SOON.after,
        limit=20,
    ),
    streamed(
        "a limit of no name, first event",
        "guarded: the request was accepted, so the account is not at its cap",
        K.UPSTREAM_MODEL,
        {"error": LIMITED},
    ),
    streamed(
        "reasoning, then an error",
        "seen 2025 on a free model: finish reason, then an error without one, usage beside it, then [DONE]",
        K.LENGTH,
        *[COMMENT] * 3,
        chunk("", delta=THOUGHT, finish="length"),
        chunk("", error=error(400, "Token limit reached"), usage=USAGE),
        done=True,
    ),
    streamed(
        "reasoning only",
        "seen: the cap went into reasoning",
        K.REASONING_ONLY,
        chunk("", delta=THOUGHT),
        chunk(finish="length"),
        done=True,
    ),
    streamed("nothing, finished", "seen: legal", K.EMPTY_ANSWER, chunk(finish="stop"), done=True),
    streamed("nothing, at its length", "guarded", K.LENGTH, chunk(finish="length"), done=True),
    streamed("nothing but [DONE]", "seen", K.EMPTY_ANSWER, COMMENT, done=True),
    streamed("nothing at all", "guarded", K.CUT_OFF),
    streamed(
        "a finish reason that is the only sign",
        "seen: finish_reason error, empty",
        K.ERROR_IN_STREAM,
        chunk(finish="error"),
        done=True,
    ),
    streamed(
        "a native finish reason that is the only sign",
        "seen",
        K.ERROR_IN_STREAM,
        {"choices": [{"delta": {"content": ""}, "finish_reason": "stop", "native_finish_reason": "network_error"}]},
        done=True,
    ),
    streamed(
        "a native finish reason, error",
        "seen",
        K.ERROR_IN_STREAM,
        {"choices": [{"delta": {"content": ""}, "finish_reason": None, "native_finish_reason": "error"}]},
        done=True,
    ),
    streamed(
        "no endpoint, first event",
        "guarded",
        K.NO_ENDPOINTS,
        {"error": error(404, "No endpoints found that support image input")},
        route="images",
    ),
    streamed(
        "an error whose code is a word, first event",
        "seen through proxies",
        K.PROVIDER_DOWN,
        {"error": error("server_error", "?"), "choices": []},
        done=True,
    ),
    streamed("words for an error, first event", "guarded", K.ERROR_IN_STREAM, {"error": "Something went wrong"}),
    streamed("choices null", "seen", K.EMPTY_ANSWER, {"id": "gen-1", "choices": None}, done=True),
    streamed("filtered", "documented", K.CONTENT_FILTER, chunk(finish="content_filter"), done=True),
    streamed("a tool nobody offered", "guarded", K.EMPTY_ANSWER, chunk(None, finish="tool_calls"), done=True),
)

_AFTER_TEXT = (
    streamed(
        "a limit in the middle",
        "documented",
        K.UPSTREAM_MODEL,
        chunk("A soup"),
        chunk(error=LIMITED, finish="error"),
        text="A soup",
    ),
    streamed(
        "the provider goes in the middle",
        "documented; the error inside the choice",
        K.PROVIDER_DOWN,
        chunk("A soup"),
        {"choices": [{"delta": {"content": " for"}, "finish_reason": "error", "error": error(502, "Disconnected")}]},
        text="A soup for",
    ),
    streamed(
        "a worker is full in the middle",
        "seen on a free model: words no table knows",
        K.PROVIDER_DOWN,
        chunk("A soup"),
        chunk(error=error(503, "Worker local total request limit reached (33/32)")),
        text="A soup",
        done=True,
    ),
    streamed(
        "an error with no code in the middle",
        "guarded",
        K.ERROR_IN_STREAM,
        chunk("A soup"),
        {"error": {"message": "Something went wrong"}},
        text="A soup",
    ),
    streamed(
        "a provider's daily cap in the middle",
        "guarded: of the same name as the account's, who was let through",
        K.UPSTREAM_MODEL,
        chunk("A soup"),
        chunk(error=error(429, DAILY), finish="error"),
        text="A soup",
    ),
    streamed(
        "the provider goes in the middle, its name in the head",
        "documented: what was written may have cost",
        K.PROVIDER_DOWN,
        chunk("A soup", id=None),
        chunk(id=None, error=error(502, "Disconnected"), usage=USAGE),
        text="A soup",
        headers={"X_Generation_Id": "gen-1790000000-InTheHead"},
    ),
    streamed("it just ends", "seen: EOF without a word", K.CUT_OFF, chunk("A soup"), text="A soup"),
    streamed(
        "filtered in the middle",
        "documented",
        K.CONTENT_FILTER,
        chunk("A so"),
        chunk(finish="content_filter"),
        text="A so",
        done=True,
    ),
    streamed(
        "an error by its finish reason", "seen", K.ERROR_IN_STREAM, chunk("A so"), chunk(finish="error"), text="A so"
    ),
)

STREAMS = (*_WHOLE, *_BEFORE_TEXT, *_AFTER_TEXT)
