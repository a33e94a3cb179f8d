"""OpenRouter's error bodies but for 429 (`limited.py`), one function or constant each.

Messages, `limit_source` and the like are the protocol: clients tell one failure from another by them, so they
are as OpenRouter writes them. Seen on the wire or in its documentation between mid-2025 and October 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from bot.clock import Instant
from bot.openrouter.sandbox.catalogue import Json
from bot.openrouter.sandbox.limits import day_end
from bot.openrouter.sandbox.wire import Reply, json_reply

USER_ID = "user_sandbox"
"""The account's id, which OpenRouter adds to errors and nobody should be shown."""
PRIVACY = "https://openrouter.ai/settings/privacy"
DOCS = "https://openrouter.ai/docs/api/reference/errors-and-debugging"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An error in OpenRouter's envelope."""

    code: int
    message: str
    metadata: Json | None = None
    availability: Json | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int | None = None
    """HTTP status where it is not the code: 200 for an error in place of an answer."""

    def error(self) -> Json:
        """The object under `error`."""
        error: Json = {"message": self.message, "code": self.code}
        if self.metadata is not None:
            error["metadata"] = self.metadata
        if self.availability is not None:
            error["availability"] = self.availability
        return error

    def as_body(self) -> Refusal:
        """The same error with HTTP status 200."""
        return replace(self, status=200, headers={})

    def reply(self) -> Reply:
        body = {"error": self.error(), "user_id": USER_ID}
        return replace(json_reply(body, status=self.status or self.code, headers=self.headers), broken=True)


def invalid_model(model: str) -> Refusal:
    return Refusal(code=400, message=f"{model} is not a valid model ID")


def unknown_fault(name: str) -> Refusal:
    """The sandbox's own: a header names a fault that does not exist."""
    return Refusal(code=400, message=f"X-Sandbox-Fault: there is no fault {name!r}")


def context_length(limit: int, asked: int) -> Refusal:
    return Refusal(
        code=400,
        message=f"This endpoint's maximum context length is {limit} tokens. However, you requested about {asked} "
        "tokens. Please reduce the length of either one, or use the context-compression plugin.",
        metadata={"provider_name": None, "error_type": "context_length_exceeded"},
    )


def free_variant_ended(model: str) -> Refusal:
    """A `:free` id that is no longer offered. The fallback it names costs money."""
    return Refusal(
        code=404,
        message=f"No endpoints found for {model}.",
        availability=availability("free_variant_ended", model) | {"fallback_models": [model.removesuffix(":free")]},
    )


def moderated(model: str, text: str) -> Refusal:
    """The provider's moderation refused the input; the body repeats some of it."""
    return Refusal(
        code=403,
        message="Your chosen model requires moderation and your input was flagged",
        metadata={
            "reasons": ["violence"],
            "flagged_input": text if len(text) <= 100 else f"{text[:48]}...{text[-49:]}",
            "provider_name": "Sandbox",
            "model_slug": model,
        },
    )


def no_endpoints(model: str) -> Refusal:
    return Refusal(code=404, message=f"No endpoints found for {model}.")


def region_restricted(model: str) -> Refusal:
    return Refusal(
        code=403,
        message="This model is not available in your region",
        availability=availability("region_restricted", model) | {"excluded_by": ["geo"]},
    )


def budget_limit(at: Instant) -> Refusal:
    """A budget of the workspace or the key is spent."""
    return Refusal(
        code=403,
        message="Budget limit exceeded",
        metadata={
            "limit_source": "openrouter_key_limit",
            "scope": "key",
            "limit_usd": 0.5,
            "spend_usd": 0.5,
            "resets_at": datetime.fromtimestamp(day_end(at), UTC).isoformat(),
        },
    )


def availability(code: str, model: str) -> Json:
    """The object that says why no endpoint would take a request; documented in August 2026."""
    return {"code": code, "retryable": False, "requested_models": [model], "docs_url": DOCS}


NO_CREDENTIALS = Refusal(code=401, message="No cookie auth credentials found")
UNKNOWN_KEY = Refusal(code=401, message="User not found.")
NOT_JSON = Refusal(code=400, message="Input must have at least 1 token.")
NO_MESSAGES = Refusal(code=400, message='Input required: specify "prompt" or "messages"')
NO_MODEL = Refusal(code=400, message="No models provided")
TOO_MANY_MODELS = Refusal(code=400, message="'models' array must have 3 items or fewer.")
REASONING_MANDATORY = Refusal(
    code=400,
    message="Reasoning is mandatory for this endpoint and cannot be disabled.",
    metadata={"provider_name": None},
)
TOO_LARGE = Refusal(code=413, message="Request payload too large")
NO_CREDITS = Refusal(
    code=402,
    message="Insufficient credits. Add more using https://openrouter.ai/settings/credits",
    metadata={"limit_source": "openrouter_credits"},
)
NO_IMAGES = Refusal(code=404, message="No endpoints found that support image input")
DATA_POLICY = Refusal(
    code=404,
    message=f"No endpoints found matching your data policy (Free model training). Configure: {PRIVACY}",
    metadata={
        "routing_funnel": [{"step": "Initial Endpoints", "endpoint_count": 1}],
        "failed_routing_step": "Filter by Data Policy",
    },
)
NO_GENERATION = Refusal(code=404, message="Generation not found")
MANAGEMENT_ONLY = Refusal(code=403, message="Only management keys can perform this operation")
CANNOT_AFFORD = Refusal(
    code=402,
    message="This request requires more credits, or fewer max_tokens. You requested up to 32768 tokens, but can only "
    "afford 5142. To increase, visit https://openrouter.ai/workspaces/default/keys/KEYID and adjust the key's limit",
    metadata={
        "limit_source": "openrouter_credits",
        "remedy_hint": "Add credits, or lower max_tokens / prompt size to fit your remaining balance.",
        "provider_name": None,
        "previous_errors": [],
    },
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
KEY_LIMIT = Refusal(
    code=403,
    message="Key limit exceeded (total limit). Manage it using https://openrouter.ai/settings/keys",
)
KEY_LIMIT_402 = Refusal(
    code=402, message="Key limit exceeded (daily limit).", metadata={"limit_source": "openrouter_key_limit"}
)
GUARDRAIL = Refusal(
    code=403,
    message="Request blocked: prompt injection patterns detected",
    metadata={"patterns": ["ignore all previous instructions"]},
)
GUARDRAIL_POLICY = Refusal(
    code=404,
    message=f"No endpoints available matching your guardrail restrictions and data policy. Configure: {PRIVACY}",
)
NO_TOOLS = Refusal(code=404, message="No endpoints found that support tool use.")
INTERNAL_ERROR = Refusal(code=500, message="Internal Server Error", metadata={"error_type": "server"})
PROVIDER_DOWN = Refusal(
    code=502,
    message="Provider returned error",
    metadata={"provider_name": "Sandbox", "error_type": "provider_unavailable"},
)
UNAVAILABLE = Refusal(code=503, message="Service temporarily unavailable", headers={"Retry-After": "5"})
DISCONNECTED = Refusal(
    code=502, message="Provider disconnected mid-stream", metadata={"error_type": "provider_unavailable"}
)
TOKEN_LIMIT = Refusal(code=400, message="Token limit reached")
