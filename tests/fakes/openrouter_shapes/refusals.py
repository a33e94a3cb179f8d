"""Every other status: what was asked, who asked, what it costs, and what is down."""

from __future__ import annotations

from bot.errors import FailureKind as K
from bot.errors import NoRoute
from tests.fakes.openrouter_shapes.shape import Reset, Shape, refused

IN_FLIGHT = "This request would exceed your available credits given your current in-flight requests."
KEYS = "https://openrouter.ai/workspaces/default/keys/0123456789abcdef"

_ASKED = (
    refused(
        "no such model",
        "seen 2026",
        K.NO_ENDPOINTS,
        400,
        "acme/none:free is not a valid model ID",
        route="model_gone",
    ),
    refused("four models", "seen", K.BAD_REQUEST, 400, "'models' array must have 3 items or fewer."),
    refused("no messages", "seen", K.BAD_REQUEST, 400, 'Input required: specify "prompt" or "messages"'),
    refused("no JSON", "seen", K.BAD_REQUEST, 400, "Input must have at least 1 token."),
    refused(
        "reasoning cannot be turned off",
        "seen 2026",
        K.BAD_REQUEST,
        400,
        "Reasoning is mandatory for this endpoint and cannot be disabled.",
        {"provider_name": None},
    ),
    refused(
        "longer than the context",
        "seen",
        K.TOO_LARGE,
        400,
        "This endpoint's maximum context length is 8192 tokens. However, you requested about 9000 tokens.",
    ),
    Shape(
        name="another envelope",
        remark="seen 2026 on other routes",
        kind=K.BAD_REQUEST,
        status=400,
        body={"success": False, "error": {"name": "ZodError", "message": "[]"}},
    ),
    Shape(
        name="an envelope of nulls",
        remark="documented: each of them may be null",
        kind=K.BAD_REQUEST,
        status=400,
        body={
            "error": {"code": 400, "message": "Bad Request", "metadata": None},
            "user_id": None,
            "openrouter_metadata": None,
        },
    ),
    refused(
        "a chain that failed",
        "documented: what its earlier models said stands beside it",
        K.BAD_REQUEST,
        422,
        "Provider returned error",
        {"provider_name": "Acme", "previous_errors": [{"code": 429, "message": "Provider returned error"}]},
    ),
    Shape(name="words for an error", remark="guarded", kind=K.BAD_REQUEST, status=400, body={"error": "Bad Request"}),
    Shape(name="an error with nothing in it", remark="guarded", kind=K.BAD_REQUEST, status=400, body={"error": {}}),
    refused("413", "documented", K.TOO_LARGE, 413, "Request payload too large"),
    refused("422", "documented", K.BAD_REQUEST, 422, "Invalid argument"),
)

_WHO = (
    refused("no key", "seen 2026", K.BAD_KEY, 401, "No cookie auth credentials found"),
    refused("no key, 2025", "seen 2025", K.BAD_KEY, 401, "No auth credentials found"),
    refused("no header", "documented", K.BAD_KEY, 401, "Missing Authentication header"),
    refused("an unknown key", "seen 2026", K.BAD_KEY, 401, "User not found."),
    refused(
        "a provider's key",
        "guarded: not the account's",
        K.PROVIDER_DOWN,
        401,
        "Provider returned error",
        {"provider_name": "Acme", "raw": "invalid x-api-key"},
    ),
)

_MONEY = (
    refused(
        "no credits, 2026",
        "seen 2026",
        K.NEGATIVE_BALANCE,
        402,
        "Insufficient credits. Add more using https://openrouter.ai/settings/credits",
        {"limit_source": "openrouter_credits"},
    ),
    refused("no credits, 2025", "documented: also for free models", K.NEGATIVE_BALANCE, 402, "Insufficient credits"),
    refused(
        "cannot afford so many tokens",
        "seen 2026: names the key's page",
        K.NEGATIVE_BALANCE,
        402,
        "This request requires more credits, or fewer max_tokens. You requested up to 32768 tokens, but can only "
        f"afford 5142. To increase, visit {KEYS} and adjust the key's daily limit",
        {"limit_source": "openrouter_credits", "provider_name": None, "previous_errors": []},
    ),
    refused(
        "cannot afford the prompt",
        "seen",
        K.NEGATIVE_BALANCE,
        402,
        f"Prompt tokens limit exceeded: 10335 > 6390. To increase, visit {KEYS} and upgrade to a paid account",
    ),
    refused(
        "the key's own cap, by its words",
        "seen 2025: no limit_source",
        K.KEY_LIMIT,
        402,
        f"This request requires more credits. To increase, visit {KEYS} and adjust the key's total limit",
    ),
    refused(
        "a paid search beside a free model",
        "seen: what it costs is asked for in the same words",
        K.NEGATIVE_BALANCE,
        402,
        "Insufficient credits. This account never purchased credits.",
        {"provider_name": None},
    ),
    refused(
        "too much in flight, by its reason",
        "guarded: no limit_source",
        K.IN_FLIGHT_BUDGET,
        402,
        IN_FLIGHT,
        {"reason": "in_flight_budget_exhausted"},
    ),
    refused(
        "too much in flight,",
        "documented 2026",
        K.IN_FLIGHT_BUDGET,
        402,
        f"{IN_FLIGHT} Retry after in-flight requests settle, or add credits.",
        {"reason": "in_flight_budget_exhausted", "limit_source": "openrouter_in_flight_budget"},
        headers={"Retry_After": "3"},
        retry_after=3,
    ),
    refused(
        "too heavy for the budget",
        "documented 2026: no wait helps",
        K.NEGATIVE_BALANCE,
        402,
        "This request would exceed your available credits.",
        {"reason": "weight_exceeds_budget", "limit_source": "openrouter_credits"},
    ),
    refused(
        "the key's own cap",
        "documented 2026",
        K.KEY_LIMIT,
        402,
        "Key limit exceeded",
        {"limit_source": "openrouter_key_limit"},
    ),
)

_FORBIDDEN = (
    refused(
        "the key's own cap, 403",
        "seen, many times",
        K.KEY_LIMIT,
        403,
        "Key limit exceeded (total limit). Manage it using https://openrouter.ai/settings/keys",
    ),
    refused(
        "the key's own cap, 403, weekly",
        "seen: what is in the brackets varies",
        K.KEY_LIMIT,
        403,
        "Key limit exceeded (weekly limit). Manage it using https://openrouter.ai/settings/keys",
    ),
    *(
        refused(
            f"a budget: {source}",
            "documented 2026",
            K.KEY_LIMIT,
            403,
            "Budget limit exceeded",
            {
                "limit_source": source,
                "scope": "workspace",
                "limit_usd": 5,
                "spend_usd": 5.01,
                "resets_at": Reset(after=35_200, unit="iso"),
            },
            retry_after=35_200,
        )
        for source in ("openrouter_guardrail_budget", "openrouter_workspace_budget", "openrouter_key_limit")
    ),
    refused(
        "moderation",
        "documented",
        K.MODERATION,
        403,
        "Your chosen model requires moderation and your input was flagged",
        {"reasons": ["violence"], "flagged_input": "so...on", "provider_name": "Acme", "model_slug": "acme/small"},
    ),
    refused(
        "guardrail",
        "documented",
        K.GUARDRAIL,
        403,
        "Request blocked: prompt injection patterns detected",
        {"patterns": ["ignore all previous instructions"]},
    ),
    refused(
        "region",
        "documented",
        K.NO_ENDPOINTS,
        403,
        "Not available here",
        availability={"code": "region_restricted", "retryable": False},
        route="region",
    ),
    refused(
        "not with this key",
        "documented: of `/credits` and its like",
        K.GUARDRAIL,
        403,
        "Only management keys can perform this operation",
    ),
    refused("forbidden, no reason", "guarded: this message alone", K.GUARDRAIL, 403, "Forbidden"),
)

_NO_ROUTES: tuple[tuple[NoRoute, str, str, str], ...] = (
    ("model_gone", "free variant gone", "seen", "No endpoints found for acme/small:free."),
    (
        "data_policy",
        "guardrails leave none",
        "seen",
        "No endpoints available matching your guardrail restrictions and data policy. "
        "Configure: https://openrouter.ai/settings/privacy",
    ),
    ("images", "no image input", "seen, many times", "No endpoints found that support image input"),
    (
        "tools",
        "no tools",
        "seen",
        "No endpoints found that support tool use. To learn more about provider routing, visit: "
        "https://openrouter.ai/docs/provider-routing",
    ),
    (
        "other",
        "provider not allowed",
        "documented",
        "No allowed providers are available for the selected model. Providers serving acme/small: acme, "
        "but your request's provider.only preference permits only: other.",
    ),
    ("other", "router finds none", "documented", "No models match your request and model restrictions"),
)

_ROUTES = (
    *(refused(name, remark, K.NO_ENDPOINTS, 404, message, route=route) for route, name, remark, message in _NO_ROUTES),
    refused(
        "data policy",
        "seen 2026: the privacy settings",
        K.NO_ENDPOINTS,
        404,
        "No endpoints found matching your data policy (Free model training). "
        "Configure: https://openrouter.ai/settings/privacy",
        {
            "routing_funnel": [{"step": "Initial Endpoints", "endpoint_count": 1}],
            "failed_routing_step": "Filter by Data Policy",
        },
        route="data_policy",
    ),
    Shape(name="404 with nothing", remark="guarded", kind=K.NO_ENDPOINTS, status=404, body=b"", route="other"),
)

_DOWN = (
    refused("408", "documented", K.TIMEOUT, 408, "Operation timed out. Please try again later."),
    refused("500", "documented", K.PROVIDER_DOWN, 500, "Internal Server Error", {"error_type": "server"}),
    refused("502", "documented", K.PROVIDER_DOWN, 502, "Provider returned error", {"provider_name": "Acme"}),
    refused(
        "503, overloaded",
        "documented",
        K.PROVIDER_DOWN,
        503,
        "Service temporarily unavailable",
        {"error_type": "provider_overloaded"},
        headers={"Retry_After": "5"},
        retry_after=5,
    ),
    refused(
        "503, no route",
        "documented",
        K.NO_ENDPOINTS,
        503,
        "There is no available model provider that meets your routing requirements",
        route="other",
    ),
    refused("503", "documented", K.PROVIDER_DOWN, 503, "Service temporarily unavailable"),
    refused(
        "503, a moment to come back",
        "documented: an HTTP date does as well as seconds",
        K.PROVIDER_DOWN,
        503,
        "Service temporarily unavailable",
        headers={"Retry_After": Reset(after=60, unit="http")},
        retry_after=60,
    ),
    refused("504", "documented", K.TIMEOUT, 504, "Provider timed out"),
    refused("524", "documented", K.TIMEOUT, 524, "Request timed out. Please try again later."),
    refused("529", "documented", K.PROVIDER_DOWN, 529, "Provider returned error"),
    refused("a code that is a word", "seen through proxies", K.PROVIDER_DOWN, 500, "?", code="server_error"),
    *(
        Shape(
            name=f"{status} from the edge",
            remark="guarded: never assume JSON",
            kind=kind,
            status=status,
            body=b"<!DOCTYPE html>\n<html><title>acme | Error</title></html>",
            content_type="text/html; charset=UTF-8",
        )
        for status, kind in (
            (403, K.EDGE_HTML),
            (502, K.EDGE_HTML),
            (503, K.EDGE_HTML),
            (413, K.TOO_LARGE),
            (504, K.TIMEOUT),
            (524, K.TIMEOUT),
        )
    ),
)

REFUSALS = (*_ASKED, *_WHO, *_MONEY, *_FORBIDDEN, *_ROUTES, *_DOWN)
