"""429: the account's day, the account's minute, a provider's shared pool, and what names none of them."""

from __future__ import annotations

from typing import Any

from bot.errors import FailureKind as K
from tests.fakes.openrouter_shapes.shape import FARTHEST, Reset, Shape, limits, refused, window

DAILY = "Rate limit exceeded: free-models-per-day"
MINUTE = "Rate limit exceeded: free-models-per-min. "
FULL = "acme/small:free is temporarily rate-limited upstream. Please retry shortly, or add your own key."
PROVIDER = "Provider returned error"
DAILY_SOURCE: dict[str, Any] = {
    "limit_source": "openrouter_free_tier_daily",
    "remedy_hint": "Wait for the daily reset (see X-RateLimit-Reset).",
}
MINUTE_SOURCE: dict[str, Any] = {
    "limit_source": "openrouter_free_tier_per_minute",
    "remedy_hint": "Slow down requests to free models.",
}
POOL_SOURCE: dict[str, Any] = {"limit_source": "upstream_provider_shared_pool", "remedy_hint": "Retry shortly."}
BUSY: dict[str, Any] = {"raw": FULL, "provider_name": "Acme", "is_byok": False}
MIDNIGHT = Reset(after=35_000)
SOON = Reset(after=40)

_DAY = (
    refused(
        "day, 2026, low tier",
        "seen 2026: headers on the response and in the body",
        K.ACCOUNT_DAILY,
        429,
        f"{DAILY}. Add 10 credits to unlock 1000 free model requests per day",
        window("50", MIDNIGHT, **DAILY_SOURCE),
        headers=limits("50", MIDNIGHT),
        retry_after=MIDNIGHT.after,
        limit=50,
    ),
    refused(
        "day, 2026, high tier",
        "seen 2026: another suffix, a space at the end, headers in the body alone",
        K.ACCOUNT_DAILY,
        429,
        f"{DAILY}-high-balance. ",
        window("1000", MIDNIGHT, **DAILY_SOURCE),
        retry_after=MIDNIGHT.after,
        limit=1000,
    ),
    refused(
        "day, 2025",
        "seen 2025: no limit_source, provider_name null",
        K.ACCOUNT_DAILY,
        429,
        DAILY,
        window("50", MIDNIGHT, provider_name=None),
        retry_after=MIDNIGHT.after,
        limit=50,
    ),
    refused(
        "day, 2025, high tier",
        "seen 2025: by its words alone, on the response",
        K.ACCOUNT_DAILY,
        429,
        f"{DAILY}-high-balance. ",
        headers=limits("1000", MIDNIGHT),
        retry_after=MIDNIGHT.after,
        limit=1000,
    ),
    refused(
        "day, headers on the response alone, in another case",
        "guarded: names of headers have no case",
        K.ACCOUNT_DAILY,
        429,
        DAILY,
        headers={"x_RATELIMIT_limit": "50", "X_Ratelimit_RESET": MIDNIGHT},
        retry_after=MIDNIGHT.after,
        limit=50,
    ),
    refused(
        "day, headers in the body in another case",
        "seen: mixed case keys",
        K.ACCOUNT_DAILY,
        429,
        DAILY,
        {"headers": {"x-ratelimit-limit": 50, "X-RATELIMIT-RESET": MIDNIGHT}},
        retry_after=MIDNIGHT.after,
        limit=50,
    ),
    refused(
        "day, code as a string",
        "seen through proxies",
        K.ACCOUNT_DAILY,
        429,
        DAILY,
        window("50", MIDNIGHT),
        code="429",
        retry_after=MIDNIGHT.after,
        limit=50,
    ),
    refused(
        "day, reset in seconds",
        "guarded: the unit is documented nowhere",
        K.ACCOUNT_DAILY,
        429,
        DAILY,
        window("50", Reset(after=35_000, unit="s"), **DAILY_SOURCE),
        retry_after=35_000,
        limit=50,
    ),
    refused(
        "day, reset in seconds from now",
        "guarded: the unit is documented nowhere",
        K.ACCOUNT_DAILY,
        429,
        DAILY,
        window("50", Reset(after=35_000, unit="relative"), **DAILY_SOURCE),
        retry_after=35_000,
        limit=50,
    ),
    refused(
        "day, reset next year",
        "guarded: a slip of units",
        K.ACCOUNT_DAILY,
        429,
        DAILY,
        window("50", Reset(after=365 * 24 * 3600), **DAILY_SOURCE),
        retry_after=FARTHEST,
        limit=50,
    ),
    refused(
        "day, reset in the past",
        "guarded: a window that is said to be over has refused a request all the same",
        K.ACCOUNT_DAILY,
        429,
        DAILY,
        window("50", Reset(after=-90), **DAILY_SOURCE),
        limit=50,
    ),
    refused("day, by its source alone", "guarded", K.ACCOUNT_DAILY, 429, "?", DAILY_SOURCE),
)

_MINUTE = (
    refused(
        "minute, 2026",
        "seen 2026",
        K.ACCOUNT_MINUTE,
        429,
        MINUTE,
        window("20", SOON, **MINUTE_SOURCE, provider_name=None),
        retry_after=SOON.after,
        limit=20,
    ),
    refused(
        "minute, 2025",
        "seen 2025: no limit_source",
        K.ACCOUNT_MINUTE,
        429,
        MINUTE,
        window("20", SOON, provider_name=None),
        retry_after=SOON.after,
        limit=20,
    ),
    refused(
        "minute, reset at midnight",
        "guarded: no minute lasts a day, whatever its headers say",
        K.ACCOUNT_MINUTE,
        429,
        MINUTE,
        window("20", MIDNIGHT, **MINUTE_SOURCE),
        retry_after=120,
        limit=20,
    ),
    refused(
        "minute, headers on the response alone",
        "documented",
        K.ACCOUNT_MINUTE,
        429,
        MINUTE,
        headers=limits("20", SOON),
        retry_after=SOON.after,
        limit=20,
    ),
    refused(
        "minute, code as a string, reset in seconds from now",
        "guarded",
        K.ACCOUNT_MINUTE,
        429,
        MINUTE,
        window("20", Reset(after=40, unit="relative")),
        code="429",
        retry_after=40,
        limit=20,
    ),
    refused("minute, no headers", "guarded", K.ACCOUNT_MINUTE, 429, MINUTE, MINUTE_SOURCE),
)

_PROVIDER = (
    refused("provider's pool, no hint", "seen 2026", K.UPSTREAM_MODEL, 429, PROVIDER, BUSY | POOL_SOURCE),
    refused(
        "provider's pool, with a hint",
        "seen 2026: the hint three times over",
        K.UPSTREAM_MODEL,
        429,
        PROVIDER,
        BUSY
        | POOL_SOURCE
        | {
            "provider_error_code": "rate_limit_exceeded",
            "retry_after_seconds": 1,
            "retry_after_seconds_raw": 1,
            "headers": {"Retry-After": "1"},
        },
        headers={"Retry_After": "1"},
        retry_after=1,
    ),
    refused(
        "provider's pool, a hint in fractions",
        "seen 2026: rounded up beside the raw one",
        K.UPSTREAM_MODEL,
        429,
        PROVIDER,
        BUSY | POOL_SOURCE | {"retry_after_seconds": 11, "retry_after_seconds_raw": 10.918},
        retry_after=11,
    ),
    refused(
        "provider's pool, 2025",
        "seen 2025: name and raw words only",
        K.UPSTREAM_MODEL,
        429,
        PROVIDER,
        {"provider_name": "Acme", "raw": FULL},
    ),
    refused(
        "provider's own body",
        "seen: raw is a document of the provider's, as a string",
        K.UPSTREAM_MODEL,
        429,
        PROVIDER,
        {"provider_name": "Acme", "raw": '{"error":{"code":"queue_full","message":"Come back later"}}'},
    ),
    refused(
        "provider's pool, a hint on the response alone",
        "documented",
        K.UPSTREAM_MODEL,
        429,
        PROVIDER,
        BUSY,
        headers={"Retry_After": "3"},
        retry_after=3,
    ),
    refused("provider, by the words of message", "seen: no metadata", K.UPSTREAM_MODEL, 429, FULL),
    refused("provider, unnamed", "guarded", K.UPSTREAM_MODEL, 429, PROVIDER),
    refused(
        "provider, by its code",
        "documented",
        K.UPSTREAM_MODEL,
        429,
        "Rate limit exceeded",
        {"error_type": "rate_limit_exceeded", "provider_code": "rate_limited"},
    ),
    refused(
        "provider that echoes the platform's headers",
        "seen: no limit_source, so the name decides",
        K.UPSTREAM_MODEL,
        429,
        PROVIDER,
        window("3", Reset(after=60, unit="relative"), provider_name="Acme"),
        retry_after=60,
        limit=3,
    ),
    refused(
        "provider, the member's own key",
        "seen once in a third party's test",
        K.UPSTREAM_MODEL,
        429,
        PROVIDER,
        {"limit_source": "upstream_provider_byok", "is_byok": True},
    ),
    refused(
        "every provider is full",
        "documented 2026",
        K.UPSTREAM_MODEL,
        429,
        "No capacity left",
        availability={"code": "capacity_exhausted", "retryable": True, "retry_after": 40},
        retry_after=40,
    ),
)

_UNKNOWN = (
    refused(
        "bare",
        "documented",
        K.PLATFORM_UNKNOWN,
        429,
        "Rate limit exceeded",
        {"error_type": "rate_limit_exceeded"},
    ),
    refused(
        "a platform limit of no known name",
        "guarded: headers, no provider",
        K.PLATFORM_UNKNOWN,
        429,
        "Rate limit exceeded",
        window("7", Reset(after=30), provider_name=None),
        retry_after=30,
        limit=7,
    ),
    refused(
        "a platform limit of a new name",
        "guarded",
        K.PLATFORM_UNKNOWN,
        429,
        "Rate limit exceeded",
        window("7", Reset(after=30), limit_source="openrouter_free_tier_weekly"),
        retry_after=30,
        limit=7,
    ),
    Shape(
        name="429 from the edge",
        remark="documented without its body: HTML",
        kind=K.PLATFORM_UNKNOWN,
        status=429,
        headers={"Retry_After": "17"},
        body=b"<!DOCTYPE html><html><title>You are being rate limited</title></html>",
        content_type="text/html; charset=UTF-8",
        retry_after=17,
    ),
    Shape(name="429 with nothing", remark="guarded", kind=K.PLATFORM_UNKNOWN, status=429, body=b""),
)

RATE_LIMITS = (*_DAY, *_MINUTE, *_PROVIDER, *_UNKNOWN)
