"""Every error body OpenRouter has been seen or is documented to send, and what it means."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.clock import Instant
from bot.errors import FailureKind, UpstreamFailure
from bot.openrouter.errors import DETAIL_MAX, Failures
from bot.openrouter.retry_at import FARTHEST

NOW = Instant(1_790_000_000.0)
SECRET = "sk-or-v1-0123456789abcdef"


class StoppedClock:
    def now(self) -> Instant:
        return NOW

    def monotonic(self) -> float:
        return 0.0


failures = Failures(clock=StoppedClock(), secret=SECRET)


def body(code: Any, message: str, metadata: Any = None, **fields: Any) -> bytes:
    error = {"code": code, "message": message, **({"metadata": metadata} if metadata is not None else {}), **fields}
    return json.dumps({"error": error, "user_id": "user_2fakefakefake"}).encode()


def judged(status: int, body: bytes = b"", content_type: str = "application/json", **headers: str) -> UpstreamFailure:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return failures.of_answer(status, {"content-type": content_type} | named, body)


def window(limit: str, reset: str, **metadata: Any) -> dict[str, Any]:
    headers = {"X-RateLimit-Limit": limit, "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}
    return {"headers": headers, **metadata}


UPSTREAM = "acme/small:free is temporarily rate-limited upstream. Please retry shortly."
BUSY = {"raw": UPSTREAM, "provider_name": "Acme", "is_byok": False}
IN_FLIGHT = "This request would exceed your available credits given your current in-flight requests."
K = FailureKind

RATE_LIMITS = [
    pytest.param(
        body(
            429,
            "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day",
            window("50", "1790035200000", limit_source="openrouter_free_tier_daily", remedy_hint="Wait."),
        ),
        (K.ACCOUNT_DAILY, 1_790_035_200, 50),
        id="daily, 2026",
    ),
    pytest.param(
        body(429, "Rate limit exceeded: free-models-per-day-high-balance. ", window("1000", "1790035200000")),
        (K.ACCOUNT_DAILY, 1_790_035_200, 1000),
        id="daily, 2025, by its words",
    ),
    pytest.param(
        body(429, "?", {"limit_source": "openrouter_free_tier_daily", "provider_name": "Acme"}),
        (K.ACCOUNT_DAILY, None, None),
        id="daily, by its source alone",
    ),
    pytest.param(
        body(429, "Rate limit exceeded: free-models-per-min. ", window("20", "1790000040000", provider_name=None)),
        (K.ACCOUNT_MINUTE, 1_790_000_040, 20),
        id="minute, 2025",
    ),
    pytest.param(
        body(429, "?", window("20", "1790000040000", limit_source="openrouter_free_tier_per_minute")),
        (K.ACCOUNT_MINUTE, 1_790_000_040, 20),
        id="minute, 2026",
    ),
    pytest.param(
        body(429, "Provider returned error", BUSY | {"limit_source": "upstream_provider_shared_pool"}),
        (K.UPSTREAM_MODEL, None, None),
        id="provider, no hint",
    ),
    pytest.param(
        body(429, "Provider returned error", BUSY | {"retry_after_seconds": 1, "headers": {"Retry-After": "1"}}),
        (K.UPSTREAM_MODEL, NOW + 1, None),
        id="provider, with a hint",
    ),
    pytest.param(
        body(429, "?", {"limit_source": "upstream_provider_byok", "retry_after_seconds": 10.918}),
        (K.UPSTREAM_MODEL, NOW + 10.918, None),
        id="provider, own key",
    ),
    pytest.param(
        body(429, "Provider returned error", BUSY | window("3", "60")),
        (K.UPSTREAM_MODEL, NOW + 60, 3),
        id="provider that echoes rate limit headers",
    ),
    pytest.param(
        body(429, "Rate limit exceeded: free-models-per-day", {"provider_name": "Acme"}),
        (K.ACCOUNT_DAILY, None, None),
        id="daily, by its words, beside a provider",
    ),
    pytest.param(body("429", UPSTREAM), (K.UPSTREAM_MODEL, None, None), id="provider, by its words"),
    pytest.param(body(429, "Provider returned error"), (K.UPSTREAM_MODEL, None, None), id="provider, unnamed"),
    pytest.param(
        body(429, "Rate limit exceeded", {"error_type": "rate_limit_exceeded", "provider_code": "rate_limited"}),
        (K.UPSTREAM_MODEL, None, None),
        id="provider, by its code",
    ),
    pytest.param(
        body(429, "All full", availability={"code": "capacity_exhausted", "retryable": True, "retry_after": 40}),
        (K.UPSTREAM_MODEL, NOW + 40, None),
        id="every provider is full",
    ),
    pytest.param(
        body(429, "Rate limit exceeded", {"error_type": "rate_limit_exceeded"}),
        (K.PLATFORM_UNKNOWN, None, None),
        id="bare",
    ),
    pytest.param(
        body(429, "Rate limit exceeded", window("7", "1790000030000", provider_name=None)),
        (K.PLATFORM_UNKNOWN, 1_790_000_030, 7),
        id="platform, a limit of no known name",
    ),
    pytest.param(b"<html>Too many requests</html>", (K.PLATFORM_UNKNOWN, None, None), id="a page of HTML"),
    pytest.param(b"", (K.PLATFORM_UNKNOWN, None, None), id="nothing"),
]


@pytest.mark.parametrize(("body", "expected"), RATE_LIMITS)
def test_429(body: bytes, expected: tuple[FailureKind, float | None, int | None]) -> None:
    failure = judged(429, body)
    assert (failure.kind, failure.retry_at, failure.limit) == expected
    assert failure.status == 429


def test_headers_of_the_response_count_as_those_in_the_body() -> None:
    headers = {"X_RateLimit_Limit": "50", "X_RATELIMIT_RESET": "1790035200000"}
    failure = judged(429, body(429, "Rate limit exceeded: free-models-per-day. "), **headers)
    assert (failure.retry_at, failure.limit) == (Instant(1_790_035_200.0), 50)


OTHERS = [
    (400, body(400, "acme/none:free is not a valid model ID"), K.NO_ENDPOINTS),
    (
        400,
        body(400, "Reasoning is mandatory for this endpoint and cannot be disabled.", {"provider_name": None}),
        K.BAD_REQUEST,
    ),
    (400, body(400, "This endpoint's maximum context length is 8192 tokens."), K.TOO_LARGE),
    (400, body(400, "Prompt is too long"), K.TOO_LARGE),
    (400, body(400, "?", {"error_type": "context_length_exceeded"}), K.TOO_LARGE),
    (400, body(400, "?", {"error_type": "max_tokens_exceeded"}), K.LENGTH),
    (400, body(400, "?", {"error_type": "invalid_prompt"}), K.BAD_REQUEST),
    (400, body(400, "?", availability={"code": "wrong_endpoint"}), K.BAD_REQUEST),
    (400, b'{"success":false,"error":{"name":"ZodError","message":"[{}]"}}', K.BAD_REQUEST),
    (401, body(401, "No cookie auth credentials found"), K.BAD_KEY),
    (401, body(401, "User not found."), K.BAD_KEY),
    (401, body(401, "Provider returned error", {"provider_name": "Acme"}), K.PROVIDER_DOWN),
    (402, body(402, "Insufficient credits.", {"limit_source": "openrouter_credits"}), K.NEGATIVE_BALANCE),
    (402, body(402, "Insufficient credits."), K.NEGATIVE_BALANCE),
    (402, body(402, IN_FLIGHT, {"limit_source": "openrouter_in_flight_budget"}), K.IN_FLIGHT_BUDGET),
    (402, body(402, IN_FLIGHT, {"reason": "in_flight_budget_exhausted"}), K.IN_FLIGHT_BUDGET),
    (402, body(402, IN_FLIGHT), K.IN_FLIGHT_BUDGET),
    (
        402,
        body(402, "?", {"limit_source": "openrouter_credits", "reason": "weight_exceeds_budget"}),
        K.NEGATIVE_BALANCE,
    ),
    (402, body(402, "visit https://openrouter.ai/keys/abc and adjust the key's total limit"), K.KEY_LIMIT),
    (
        403,
        body(403, "Key limit exceeded (total limit). Manage it using https://openrouter.ai/settings/keys"),
        K.KEY_LIMIT,
    ),
    (403, body(403, "Budget limit exceeded", {"limit_source": "openrouter_guardrail_budget"}), K.KEY_LIMIT),
    (403, body(403, "Budget limit exceeded"), K.KEY_LIMIT),
    (403, body(403, "?", {"reasons": ["violence"], "flagged_input": "...", "provider_name": "Acme"}), K.MODERATION),
    (403, body(403, "Your chosen model requires moderation and your input was flagged"), K.MODERATION),
    (403, body(403, "?", {"error_type": "content_policy_violation"}), K.MODERATION),
    (403, body(403, "Request blocked: prompt injection patterns detected", {"patterns": ["x"]}), K.GUARDRAIL),
    (403, body(403, "?", availability={"code": "region_restricted"}), K.NO_ENDPOINTS),
    (403, body(403, "No."), K.GUARDRAIL),
    (404, body(404, "No endpoints found for acme/small:free."), K.NO_ENDPOINTS),
    (404, body(404, "No endpoints found matching your data policy (Free model training)."), K.NO_ENDPOINTS),
    (
        404,
        body(404, "?", availability={"code": "free_variant_ended", "fallback_models": ["acme/small"]}),
        K.NO_ENDPOINTS,
    ),
    (408, body(408, "Operation timed out. Please try again later."), K.TIMEOUT),
    (413, body(413, "Request payload too large"), K.TOO_LARGE),
    (413, b"<html>Request Entity Too Large</html>", K.TOO_LARGE),
    (422, body(422, "Invalid argument"), K.BAD_REQUEST),
    (418, b"short and stout", K.BAD_REQUEST),
    (500, body(500, "Internal Server Error", {"error_type": "server"}), K.PROVIDER_DOWN),
    (500, b"oh no", K.PROVIDER_DOWN),
    (502, body(502, "Provider returned error", {"provider_name": "Acme"}), K.PROVIDER_DOWN),
    (503, body(503, "no available model provider that meets your routing requirements"), K.NO_ENDPOINTS),
    (503, body(503, "?", availability={"code": "temporarily_unavailable", "retry_after": 5}), K.PROVIDER_DOWN),
    (503, body(503, "?", {"error_type": "provider_overloaded"}), K.PROVIDER_DOWN),
    (504, b"", K.TIMEOUT),
    (524, b"<!DOCTYPE html><title>A timeout occurred</title>", K.TIMEOUT),
    (529, body(529, "Provider returned error"), K.PROVIDER_DOWN),
    (403, b"\n <!DOCTYPE html>", K.EDGE_HTML),
    (502, b"\xef\xbb\xbf<html>", K.EDGE_HTML),
    (200, b"<html>Sign in to the hotel's network</html>", K.EDGE_HTML),
    (302, b"", K.EDGE_HTML),
    (200, b"\n\n \n" + body(429, "Provider returned error", {"provider_name": "Acme"}), K.UPSTREAM_MODEL),
    (200, body("rate_limit_exceeded", "slow down"), K.UPSTREAM_MODEL),
    (200, body("server_error", "?"), K.PROVIDER_DOWN),
    (200, body(None, "?"), K.ERROR_IN_STREAM),
    (200, b'{"choices":[{"error":{"code":502,"message":"gone"},"finish_reason":"error"}]}', K.PROVIDER_DOWN),
    (200, b'{"choices":null}', K.EMPTY_ANSWER),
    (200, b"\n\n\n", K.PROVIDER_DOWN),
    (200, b"{broken", K.PROVIDER_DOWN),
]


@pytest.mark.parametrize(("status", "body", "kind"), OTHERS, ids=lambda value: None)
def test_other_answers(status: int, body: bytes, kind: FailureKind) -> None:
    assert judged(status, body, content_type="text/plain").kind is kind


@pytest.mark.parametrize(
    ("error", "provider", "kind"),
    [
        ({"code": 429, "message": "Rate limit exceeded"}, "Acme", K.UPSTREAM_MODEL),
        ({"code": 429, "message": "Rate limit exceeded"}, None, K.UPSTREAM_MODEL),
        ({"code": 429, "message": "Rate limit exceeded: free-models-per-day. "}, None, K.ACCOUNT_DAILY),
        ({"code": 429, "message": "Rate limit exceeded: free-models-per-day. "}, "Acme", K.UPSTREAM_MODEL),
        ({"code": 429, "metadata": {"limit_source": "openrouter_free_tier_daily"}}, "Acme", K.ACCOUNT_DAILY),
        ({"code": 401, "message": "Unauthorized"}, None, K.PROVIDER_DOWN),
        ({"code": 402, "message": "Payment required"}, "Acme", K.PROVIDER_DOWN),
        ({"code": 402, "metadata": {"limit_source": "openrouter_credits"}}, "Acme", K.NEGATIVE_BALANCE),
        ({"code": "400", "message": "Token limit reached"}, "Acme", K.LENGTH),
        ({"code": 0, "message": "?"}, None, K.ERROR_IN_STREAM),
        ({"code": "weird"}, None, K.ERROR_IN_STREAM),
        ("just words", None, K.ERROR_IN_STREAM),
        (None, None, K.ERROR_IN_STREAM),
    ],
)
def test_an_error_inside_a_stream(error: object, provider: object, kind: FailureKind) -> None:
    assert failures.in_stream(error, provider=provider).kind is kind


# --- when it works again ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "metadata", "seconds"),
    [
        ({"retry_after": "30"}, {}, 30),
        ({"retry_after": "1.5"}, {}, 1.5),
        ({"retry_after": "Mon, 21 Sep 2026 14:14:20 GMT"}, {}, 60),
        ({"retry_after": "Mon, 21 Sep 2026 14:14:20 -0000"}, {}, 60),
        ({"retry_after": "Mon, 21 Sep 2020 14:14:20 GMT"}, {}, 0),
        ({"retry_after": "soon"}, {}, None),
        ({"retry_after": "-5"}, {}, None),
        ({"retry_after": "1e999"}, {}, FARTHEST),
        ({"retry_after": "nan"}, {}, None),
        ({}, {"retry_after_seconds": 12}, 12),
        ({}, {"headers": {"rEtRy-AfTeR": 9}}, 9),
        ({"retry_after": "30"}, {"retry_after_seconds": 12}, 30),
        ({"x_ratelimit_reset": "1790000090000"}, {}, 90),
        ({"x_ratelimit_reset": "1790000090"}, {}, 90),
        ({"x_ratelimit_reset": "90"}, {}, 90),
        ({"x_ratelimit_reset": "1789999000000"}, {}, 0),
        ({"x_ratelimit_reset": "1990000000000"}, {}, FARTHEST),
        ({"x_ratelimit_reset": "9" * 60}, {}, FARTHEST),
        ({"x_ratelimit_reset": "-1"}, {}, None),
        ({"x_ratelimit_reset": "6m0s"}, {}, None),
        ({}, {"headers": {"X-RateLimit-Reset": "1790000090000"}}, 90),
        ({}, {"headers": ["X-RateLimit-Reset"]}, None),
        ({}, {"resets_at": "2026-09-21T14:14:20Z"}, 60),
        ({}, {"resets_at": "2026-09-21T14:14:20"}, 60),
        ({}, {"resets_at": "tomorrow"}, None),
        ({"retry_after": "30", "x_ratelimit_reset": "90"}, {}, 30),
        ({"retry_after": "30", "x_ratelimit_reset": "90"}, {"limit_source": "openrouter_free_tier_daily"}, 90),
    ],
)
def test_retry_at(headers: dict[str, str], metadata: dict[str, Any], seconds: float | None) -> None:
    failure = judged(429, body(429, "?", metadata), **headers)
    assert failure.retry_at == (None if seconds is None else NOW + seconds)


# --- what must not get out -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        f"you sent Authorization: Bearer {SECRET}",
        "x" * (DETAIL_MAX - 10) + SECRET,
        "another key: sk-or-v1-feedfacefeedface",
        "visit https://openrouter.ai/workspaces/default/keys/feedfacefeedface now, user_2fakefakefake",
    ],
)
def test_no_key_and_no_account_reach_the_detail(message: str) -> None:
    for failure in (
        judged(400, body(400, message)),
        judged(400, body(400, "Provider returned error", {"raw": message, "flagged_input": "my diary"})),
        judged(500, message.encode()),
        failures.in_stream({"message": message}),
        failures.in_stream(message),
    ):
        for private in (SECRET[:14], "feedface", "user_2fake", "my diary"):
            assert private not in failure.detail
        assert str(failure) == failure.kind.value
        assert len(failure.detail) <= DETAIL_MAX


def test_the_detail_keeps_what_the_provider_said() -> None:
    assert judged(429, body(429, "Provider\nreturned error", BUSY)).detail == f"Provider returned error {UPSTREAM}"


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ("code", "message", "name", "metadata", "availability")
INNER = ("limit_source", "headers", "retry_after_seconds", "resets_at", "reasons", "raw", "error_type", "provider_name")


@given(
    status=st.integers(100, 999),
    error=st.dictionaries(st.sampled_from(FIELDS), JSON | st.dictionaries(st.sampled_from(INNER), JSON)),
    headers=st.dictionaries(st.sampled_from(("retry-after", "x-ratelimit-reset", "x-ratelimit-limit")), st.text()),
)
def test_any_error_is_judged(status: int, error: dict[str, Any], headers: dict[str, str]) -> None:
    for failure in (
        failures.of_answer(status, headers, json.dumps({"error": error}).encode()),
        failures.in_stream(error),
    ):
        assert failure.retry_at is None or NOW <= failure.retry_at <= NOW + FARTHEST
        assert failure.limit is None or failure.limit > 0
        failure.detail.encode()


@given(status=st.integers(100, 999), data=st.binary(max_size=200))
def test_any_body_is_judged(status: int, data: bytes) -> None:
    failures.of_answer(status, {}, data)
