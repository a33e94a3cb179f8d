"""What an account can be asked about itself: `/key`, `/credits`, `/generation` and the models it may use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from bot.clock import Instant
from bot.openrouter.sandbox import catalogue, refusals
from bot.openrouter.sandbox.catalogue import Json
from bot.openrouter.sandbox.keys import Caller
from bot.openrouter.sandbox.limits import Account
from bot.openrouter.sandbox.log import SandboxAttempt
from bot.openrouter.sandbox.refusals import Refusal
from bot.openrouter.sandbox.settings import Period, SandboxSettings

ALIASES: Mapping[str, str] = {"/auth/key": "/key"}
"""Older names of paths."""
_PERIODS: Mapping[str, Period | None] = {
    "usage": None,
    "usage_daily": "daily",
    "usage_weekly": "weekly",
    "usage_monthly": "monthly",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """One GET by somebody with a key."""

    caller: Caller
    account: Account
    """The caller's."""
    at: Instant
    settings: SandboxSettings
    generation: str | None = None
    """The id asked for."""
    log: Iterable[SandboxAttempt] = ()
    """Of all accounts."""


def report(path: str, asked: Inquiry) -> Json | Refusal:
    """The body of the answer."""
    match path:
        case "/key":
            return {"data": _key(asked)}
        case "/credits":
            return _credits(asked)
        case "/generation":
            return _generation(asked)
        case "/models/user":
            mine = asked.settings.of(asked.caller.account)
            return catalogue.listing(without=asked.settings.withdrawn, free_models=mine.free_models)
        case _:
            return refusals.NO_METHOD


def _key(asked: Inquiry) -> Json:
    """The day's count may pass its limit, and may be old (`key_stale_seconds`)."""
    at, account, caller = asked.at, asked.account, asked.caller
    mine = asked.settings.of(caller.account)
    used = account.reported(at, stale_seconds=asked.settings.key_stale_seconds)
    key = caller.digest
    left = account.key_left(key, at, mine)
    spent = {name: _usd(account.usage(key, at, period)) for name, period in _PERIODS.items()}
    byok = {f"byok_{name}": _usd(account.usage(key, at, period, byok=True)) for name, period in _PERIODS.items()}
    return {
        "label": caller.label,
        "limit": None if mine.key_limit is None else _usd(mine.key_limit),
        "limit_remaining": None if left is None else _usd(max(Decimal(0), left)),
        "limit_reset": mine.key_limit_reset if mine.key_limit is not None else None,
        "include_byok_in_limit": False,
        **spent,
        **byok,
        "is_free_tier": mine.credits == 0,
        "is_management_key": False,
        "is_provisioning_key": False,
        "free_model_daily_requests": {"limit": mine.rpd, "remaining": max(0, mine.rpd - used), "used": used},
        "rate_limit": {"requests": -1, "interval": "10s", "note": "This field is deprecated and safe to ignore."},
        "allowed_data_regions": ["global"],
        "budgets": [],
        "effective_budget": None,
        "creator_user_id": caller.user_id,
        "organization_id": None,
        "workspace_id": None,
        "expires_at": None,
    }


def _credits(asked: Inquiry) -> Json | Refusal:
    mine = asked.settings.of(asked.caller.account)
    if not mine.credits_readable:
        return refusals.MANAGEMENT_ONLY
    used = mine.spent + asked.account.billed()
    return {"data": {"total_credits": _usd(mine.credits), "total_usage": _usd(used)}}


def _generation(asked: Inquiry) -> Json | Refusal:
    """One answer of the account's, once it has been over for `generation_delay_seconds`; also one that was cut."""
    wanted = (
        attempt
        for attempt in asked.log
        if attempt.generation == asked.generation and attempt.account == asked.caller.account
    )
    attempt = next(wanted, None)
    if attempt is None or attempt.status != 200 or attempt.model_used is None or attempt.ended_at is None:
        return refusals.NO_GENERATION
    if asked.at < attempt.ended_at + asked.settings.generation_delay_seconds:
        return refusals.NO_GENERATION
    cut = attempt.outcome in ("cut_by_client", "cut_by_shutdown")
    finish = None if cut else "error" if attempt.outcome == "failed" else "stop"
    milliseconds = round((attempt.ended_at - attempt.at) * 1000)
    data: Json = {
        "id": attempt.generation,
        "api_type": "completions",
        "model": attempt.model_used,
        "provider_name": "Sandbox",
        "provider_responses": [],
        "router": attempt.model_asked if attempt.model_asked != attempt.model_used else None,
        "streamed": attempt.streamed,
        "cancelled": cut,
        "finish_reason": finish,
        "native_finish_reason": finish,
        "tokens_prompt": attempt.prompt_tokens,
        "tokens_completion": attempt.completion_tokens,
        "native_tokens_prompt": attempt.prompt_tokens,
        "native_tokens_completion": attempt.completion_tokens,
        "total_cost": _usd(attempt.cost),
        "usage": _usd(attempt.cost),
        "upstream_inference_cost": _usd(attempt.upstream_cost) if attempt.byok else None,
        "is_byok": attempt.byok,
        "latency": milliseconds,
        "generation_time": milliseconds,
        "moderation_latency": None,
        "session_id": attempt.session,
        "external_user": attempt.user,
        "created_at": datetime.fromtimestamp(attempt.at, UTC).isoformat(),
    }
    return {"data": data}


def _usd(amount: Decimal) -> float:
    """OpenRouter writes money as JSON numbers, though prices as strings."""
    return float(amount)
