"""The bodies of 429: the account's own limits, and providers that are busy.

As in `refusals.py` the words are the protocol's.
"""

from __future__ import annotations

from dataclasses import replace

from bot.clock import Instant
from bot.openrouter.sandbox.catalogue import Json
from bot.openrouter.sandbox.refusals import Refusal, availability
from bot.openrouter.sandbox.windows import day_end, minute_end

HIGHER_TIER_CREDITS = 10
"""USD bought, all time, from which a daily limit is worded as the higher tier's."""
INTEGRATIONS = "https://openrouter.ai/settings/integrations"


def daily(at: Instant, *, limit: int, bought: bool, shapes: int) -> Refusal:
    """The account's free requests of the UTC day are gone. `bought`: ten credits or more, all time."""
    if bought:
        message, hint = "Rate limit exceeded: free-models-per-day-high-balance. ", ""
    else:
        message = "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day"
        hint = ", or purchase credits to raise your free-model daily limit."
    return _limited(
        message,
        limit=limit,
        resets_at=day_end(at),
        source="openrouter_free_tier_daily",
        hint=f"Wait for the daily reset (see X-RateLimit-Reset){hint}",
        shapes=shapes,
    )


def minute(at: Instant, *, limit: int, shapes: int) -> Refusal:
    """The account's free requests of the clock minute are gone."""
    return _limited(
        "Rate limit exceeded: free-models-per-min. ",
        limit=limit,
        resets_at=minute_end(at),
        source="openrouter_free_tier_per_minute",
        hint="Slow down requests to free models, or retry after the per-minute window resets.",
        shapes=shapes,
    )


def _limited(message: str, *, limit: int, resets_at: Instant, source: str, hint: str, shapes: int) -> Refusal:
    headers = {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str(int(resets_at * 1000)),
    }
    metadata: Json = {"headers": headers, "provider_name": None}
    if shapes >= 2026:
        metadata |= {"limit_source": source, "remedy_hint": hint}
    return Refusal(code=429, message=message, metadata=metadata, headers=headers)


def upstream_busy(model: str, *, retry_after: float | None = None) -> Refusal:
    """A provider's shared pool is full; other models may work. `retry_after` in seconds, where it gave a hint."""
    metadata: Json = {
        "raw": f"{model} is temporarily rate-limited upstream. Please retry shortly, or add your own key to "
        f"accumulate your rate limits: {INTEGRATIONS}",
        "provider_name": "Sandbox",
        "is_byok": False,
        "limit_source": "upstream_provider_shared_pool",
        "remedy_hint": f"Retry shortly, or add your own provider key ({INTEGRATIONS}).",
    }
    if retry_after is None:
        return Refusal(code=429, message="Provider returned error", metadata=metadata)
    seconds = str(-int(-retry_after // 1))
    metadata |= {
        "provider_error_code": "rate_limit_exceeded",
        "retry_after_seconds": int(seconds),
        "retry_after_seconds_raw": retry_after,
        "headers": {"Retry-After": seconds},
    }
    headers = {"Retry-After": seconds}
    return Refusal(code=429, message="Provider returned error", metadata=metadata, headers=headers)


def upstream_byok(model: str) -> Refusal:
    """The account's own provider key is at its limit. The source has been seen once, in somebody's test."""
    busy = upstream_busy(model)
    metadata = (busy.metadata or {}) | {"is_byok": True, "limit_source": "upstream_provider_byok"}
    return replace(busy, metadata=metadata)


def upstream_busy_2025(model: str, *, raw: str | None = None) -> Refusal:
    """The same as it looked in 2025. `raw` may be the provider's own body, as a string."""
    said = raw or f"{model} is temporarily rate-limited upstream. Please retry shortly."
    return Refusal(code=429, message="Provider returned error", metadata={"provider_name": "Sandbox", "raw": said})


def capacity_exhausted(model: str) -> Refusal:
    """Every provider of the model is full; the documented shape."""
    return Refusal(
        code=429,
        message="Rate limit exceeded",
        metadata={"error_type": "rate_limit_exceeded"},
        availability=availability("capacity_exhausted", model) | {"retryable": True, "retry_after": 40},
    )


def unnamed(at: Instant, *, limit: int) -> Refusal:
    """A limit of the platform's own that says neither which nor why; only when it is over."""
    headers = {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str(int(minute_end(at) * 1000)),
    }
    metadata: Json = {"headers": headers, "provider_name": None}
    return Refusal(code=429, message="Rate limit exceeded", metadata=metadata, headers=headers)


RATE_LIMITED = Refusal(code=429, message="Rate limit exceeded", metadata={"error_type": "rate_limit_exceeded"})
RATE_LIMITED_2025 = Refusal(code=429, message="Rate limit exceeded")
PROVIDER_RATE_LIMITED = Refusal(
    code=429,
    message="Rate limit exceeded",
    metadata={"error_type": "rate_limit_exceeded", "provider_code": "rate_limited"},
)
UPSTREAM_SAID = Refusal(
    code=429,
    message="This model is temporarily rate-limited upstream. Please retry shortly.",
    headers={"Retry-After": "3"},
)
"""The words stand in the message itself, and the hint on the response alone."""
