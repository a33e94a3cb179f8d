"""The bodies of `/key`, `/credits` and `/generation`: what the account can be asked about itself."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from bot.clock import Instant
from bot.openrouter.sandbox import refusals
from bot.openrouter.sandbox.catalogue import Json
from bot.openrouter.sandbox.limits import Account
from bot.openrouter.sandbox.log import SandboxAttempt
from bot.openrouter.sandbox.refusals import USER_ID
from bot.openrouter.sandbox.settings import SandboxSettings
from bot.openrouter.sandbox.wire import Reply, json_reply

PATHS = ("/key", "/auth/key", "/credits", "/generation")


def report(
    path: str,
    generation: str | None,
    *,
    account: Account,
    log: Iterable[SandboxAttempt],
    settings: SandboxSettings,
    at: Instant,
) -> Reply:
    """The answer to a GET of one of `PATHS`. `log` is the account's; `generation` the id asked for."""
    match path:
        case "/credits":
            return json_reply(_credits(account, settings))
        case "/generation":
            attempt = next((one for one in log if one.generation == generation and one.model_used), None)
            ended_at = attempt.ended_at if attempt is not None else None
            if attempt is None or ended_at is None or at < ended_at + settings.generation_delay_seconds:
                return refusals.NO_GENERATION.reply()
            return json_reply(_generation(attempt, ended_at=ended_at))
        case _:
            return json_reply(_key(account, settings, at))


def _key(account: Account, settings: SandboxSettings, at: Instant) -> Json:
    """The count it reports may pass its limit, and may be old (`key_stale_seconds`)."""
    used, usage = account.reported(at), float(settings.spent + account.billed)
    data = {
        "label": "sk-or-v1-sandbox",
        "limit": None,
        "limit_remaining": None,
        "limit_reset": None,
        "include_byok_in_limit": False,
        "usage": usage,
        "usage_daily": usage,
        "usage_weekly": usage,
        "usage_monthly": usage,
        "byok_usage": 0,
        "byok_usage_daily": 0,
        "byok_usage_weekly": 0,
        "byok_usage_monthly": 0,
        "is_free_tier": settings.credits == 0,
        "is_management_key": False,
        "is_provisioning_key": False,
        "free_model_daily_requests": {
            "limit": settings.rpd,
            "remaining": max(0, settings.rpd - used),
            "used": used,
        },
        "rate_limit": {"requests": -1, "interval": "10s", "note": "This field is deprecated and safe to ignore."},
        "allowed_data_regions": ["global"],
        "budgets": [],
        "effective_budget": None,
        "creator_user_id": USER_ID,
        "organization_id": None,
        "workspace_id": None,
        "expires_at": None,
    }
    return {"data": data}


def _credits(account: Account, settings: SandboxSettings) -> Json:
    usage = float(settings.spent + account.billed)
    return {"data": {"total_credits": float(settings.credits), "total_usage": usage}}


def _generation(attempt: SandboxAttempt, *, ended_at: Instant) -> Json:
    cut = attempt.outcome == "cut_by_client"
    milliseconds = round((ended_at - attempt.at) * 1000)
    data = {
        "id": attempt.generation,
        "api_type": "completions",
        "model": attempt.model_used,
        "provider_name": "Sandbox",
        "streamed": attempt.streamed,
        "cancelled": cut,
        "finish_reason": None if cut else "stop",
        "native_finish_reason": None if cut else "stop",
        "tokens_prompt": attempt.prompt_tokens,
        "tokens_completion": attempt.completion_tokens,
        "native_tokens_prompt": attempt.prompt_tokens,
        "native_tokens_completion": attempt.completion_tokens,
        "total_cost": float(attempt.cost),
        "usage": float(attempt.cost),
        "upstream_inference_cost": None,
        "is_byok": False,
        "latency": milliseconds,
        "generation_time": milliseconds,
        "session_id": attempt.session,
        "external_user": attempt.user,
        "created_at": datetime.fromtimestamp(attempt.at, UTC).isoformat(),
    }
    return {"data": data}
