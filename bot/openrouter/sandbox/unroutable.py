"""The bodies that say nobody would take a request: mostly 404, and the documented `availability` beside them."""

from __future__ import annotations

from bot.openrouter.sandbox.refusals import Refusal, availability

PRIVACY = "https://openrouter.ai/settings/privacy"


def no_endpoints(model: str) -> Refusal:
    return Refusal(code=404, message=f"No endpoints found for {model}.")


def free_variant_ended(model: str) -> Refusal:
    """A `:free` id that is no longer offered. The fallback it names costs money."""
    return Refusal(
        code=404,
        message=f"No endpoints found for {model}.",
        availability=availability("free_variant_ended", model) | {"fallback_models": [model.removesuffix(":free")]},
    )


def deprecated(model: str) -> Refusal:
    return Refusal(code=404, message=f"{model} is deprecated", availability=availability("model_deprecated", model))


def region_restricted(model: str) -> Refusal:
    return Refusal(
        code=403,
        message="This model is not available in your region",
        availability=availability("region_restricted", model) | {"excluded_by": ["geo"]},
    )


def privacy_restricted(model: str) -> Refusal:
    """The data policy again, in the documented shape."""
    return Refusal(
        code=404,
        message=f"No endpoints found for {model}.",
        availability=availability("privacy_restricted", model) | {"excluded_by": ["data_policy:training"]},
    )


def over_price(model: str) -> Refusal:
    """Nobody offers it at `provider.max_price`. The code is documented, the words are a guess."""
    return Refusal(
        code=404,
        message=f"No endpoints found for {model}.",
        availability=availability("constraint_filtered", model) | {"excluded_by": ["max_price"]},
    )


def unavailable(model: str) -> Refusal:
    """Nobody can take it now, though somebody may soon."""
    return Refusal(
        code=503,
        message="Service temporarily unavailable",
        availability=availability("temporarily_unavailable", model) | {"retryable": True, "retry_after": 20},
        headers={"Retry-After": "20"},
    )


NO_IMAGES = Refusal(code=404, message="No endpoints found that support image input")
NO_TOOLS = Refusal(
    code=404,
    message="No endpoints found that support tool use. To learn more about provider routing, visit: "
    "https://openrouter.ai/docs/provider-routing",
)
DATA_POLICY = Refusal(
    code=404,
    message=f"No endpoints found matching your data policy (Free model training). Configure: {PRIVACY}",
    metadata={
        "routing_funnel": [{"step": "Initial Endpoints", "endpoint_count": 1}],
        "failed_routing_step": "Filter by Data Policy",
    },
)
DATA_POLICY_2025 = Refusal(code=404, message=DATA_POLICY.message)
GUARDRAIL_POLICY = Refusal(
    code=404,
    message=f"No endpoints available matching your guardrail restrictions and data policy. Configure: {PRIVACY}",
)
NOT_ALLOWED = Refusal(
    code=404,
    message="No allowed providers are available for the selected model. Providers serving it: Sandbox, but your "
    "request's provider.only preference permits only: elsewhere",
)
NO_MATCH = Refusal(code=404, message="No models match your request and model restrictions")
NO_PROVIDER_503 = Refusal(code=503, message="There is no available model provider that meets your routing requirements")
