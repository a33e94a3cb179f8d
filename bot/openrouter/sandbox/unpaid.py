"""The bodies of 402 and of the 403 that mean money: the account's credits, a key's limit, a budget."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from bot.clock import Instant
from bot.openrouter.sandbox.refusals import Refusal
from bot.openrouter.sandbox.windows import day_end

CREDITS = "https://openrouter.ai/settings/credits"
ONE_KEY = "https://openrouter.ai/workspaces/default/keys/KEYID"


def cannot_afford(asked: int, affordable: int) -> Refusal:
    """More tokens were asked for than the credits pay. The message holds an address with the key's id."""
    return Refusal(
        code=402,
        message=f"This request requires more credits, or fewer max_tokens. You requested up to {asked} tokens, but can "
        f"only afford {affordable}. To increase, visit {ONE_KEY} and adjust the key's daily limit",
        metadata={
            "limit_source": "openrouter_credits",
            "remedy_hint": f"Add credits at {CREDITS}, or lower max_tokens / prompt size to fit your balance.",
            "provider_name": None,
            "previous_errors": [],
        },
    )


def budget_limit(at: Instant, source: str) -> Refusal:
    """A budget of the workspace, a guardrail or the key is spent."""
    return Refusal(
        code=403,
        message="Budget limit exceeded",
        metadata={
            "limit_source": source,
            "scope": source.removeprefix("openrouter_").partition("_")[0],
            "limit_usd": 0.5,
            "spend_usd": 0.5,
            "resets_at": datetime.fromtimestamp(day_end(at), UTC).isoformat(),
        },
    )


NO_CREDITS = Refusal(
    code=402,
    message=f"Insufficient credits. Add more using {CREDITS}",
    metadata={"limit_source": "openrouter_credits"},
)
NO_CREDITS_2025 = replace(NO_CREDITS, metadata=None)
PROMPT_LIMIT = Refusal(
    code=402, message="Prompt tokens limit exceeded: 10335 > 6390. To increase, visit https://openrouter.ai/settings"
)
WEIGHT_EXCEEDS_BUDGET = Refusal(
    code=402,
    message="This request would exceed your available credits.",
    metadata={"reason": "weight_exceeds_budget", "limit_source": "openrouter_credits"},
)
IN_FLIGHT_BUDGET = Refusal(
    code=402,
    message="This request would exceed your available credits given your current in-flight requests. "
    "Retry after in-flight requests settle, or add credits.",
    metadata={
        "reason": "in_flight_budget_exhausted",
        "limit_source": "openrouter_in_flight_budget",
        "remedy_hint": "Retry after in-flight requests settle, or add credits.",
    },
    headers={"Retry-After": "2"},
)
IN_FLIGHT_REASON = replace(IN_FLIGHT_BUDGET, metadata={"reason": "in_flight_budget_exhausted"}, headers={})
KEY_LIMIT = Refusal(
    code=403,
    message="Key limit exceeded (total limit). Manage it using https://openrouter.ai/settings/keys",
)
KEY_LIMIT_402 = Refusal(
    code=402, message="Key limit exceeded (daily limit).", metadata={"limit_source": "openrouter_key_limit"}
)
