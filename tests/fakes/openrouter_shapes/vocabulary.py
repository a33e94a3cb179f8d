"""The two closed vocabularies OpenRouter documents, word by word: `availability.code` and `metadata.error_type`.

Each type comes twice: refused with its status, and inside a stream without any code, where it alone speaks.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.errors import FailureKind as K
from bot.errors import NoRoute
from tests.fakes.openrouter_shapes.shape import chunk, error, refused, streamed

AVAILABILITY = (
    ("model_not_found", 400, K.NO_ENDPOINTS),
    ("wrong_endpoint", 400, K.BAD_REQUEST),
    ("no_endpoints", 404, K.NO_ENDPOINTS),
    ("model_deprecated", 404, K.NO_ENDPOINTS),
    ("model_unavailable_upstream", 404, K.NO_ENDPOINTS),
    ("capacity_exhausted", 429, K.UPSTREAM_MODEL),
    ("temporarily_unavailable", 503, K.PROVIDER_DOWN),
    ("region_restricted", 403, K.NO_ENDPOINTS),
    ("privacy_restricted", 404, K.NO_ENDPOINTS),
    ("constraint_filtered", 404, K.NO_ENDPOINTS),
    ("free_variant_ended", 404, K.NO_ENDPOINTS),
)
"""Code, its status, its meaning."""

ROUTES: Mapping[str, NoRoute] = {
    "model_not_found": "model_gone",
    "model_deprecated": "model_gone",
    "model_unavailable_upstream": "model_gone",
    "free_variant_ended": "model_gone",
    "region_restricted": "region",
    "privacy_restricted": "data_policy",
}
"""What a code says of the reason; `other` where it says nothing."""

EXCLUDED_BY: tuple[tuple[str, NoRoute], ...] = (
    ("geo", "region"),
    ("data_region", "region"),
    ("data_policy:zdr", "data_policy"),
    ("data_policy:training", "data_policy"),
    ("max_price", "price"),
    ("context_length", "context"),
    ("require_parameters", "other"),
    ("quantization", "other"),
    ("allowed_providers", "other"),
)

ERROR_TYPES = (
    ("context_length_exceeded", 400, K.TOO_LARGE, K.TOO_LARGE),
    ("max_tokens_exceeded", 400, K.LENGTH, K.LENGTH),
    ("token_limit_exceeded", 400, K.LENGTH, K.LENGTH),
    ("string_too_long", 400, K.TOO_LARGE, K.TOO_LARGE),
    ("authentication", 401, K.BAD_KEY, K.PROVIDER_DOWN),
    ("permission_denied", 403, K.GUARDRAIL, K.GUARDRAIL),
    ("payment_required", 402, K.NEGATIVE_BALANCE, K.PROVIDER_DOWN),
    ("rate_limit_exceeded", 429, K.PLATFORM_UNKNOWN, K.UPSTREAM_MODEL),
    ("provider_overloaded", 503, K.PROVIDER_DOWN, K.PROVIDER_DOWN),
    ("provider_unavailable", 502, K.PROVIDER_DOWN, K.PROVIDER_DOWN),
    ("invalid_request", 400, K.BAD_REQUEST, K.BAD_REQUEST),
    ("invalid_prompt", 400, K.BAD_REQUEST, K.BAD_REQUEST),
    ("not_found", 404, K.NO_ENDPOINTS, K.NO_ENDPOINTS),
    ("precondition_failed", 412, K.BAD_REQUEST, K.BAD_REQUEST),
    ("payload_too_large", 413, K.TOO_LARGE, K.TOO_LARGE),
    ("unprocessable", 422, K.BAD_REQUEST, K.BAD_REQUEST),
    ("content_policy_violation", 403, K.MODERATION, K.MODERATION),
    ("refusal", 400, K.MODERATION, K.MODERATION),
    ("invalid_image", 400, K.BAD_IMAGE, K.BAD_IMAGE),
    ("image_too_large", 400, K.BAD_IMAGE, K.BAD_IMAGE),
    ("image_too_small", 400, K.BAD_IMAGE, K.BAD_IMAGE),
    ("unsupported_image_format", 400, K.BAD_IMAGE, K.BAD_IMAGE),
    ("image_not_found", 400, K.BAD_IMAGE, K.BAD_IMAGE),
    ("image_download_failed", 400, K.BAD_IMAGE, K.BAD_IMAGE),
    ("server", 500, K.PROVIDER_DOWN, K.PROVIDER_DOWN),
    ("timeout", 504, K.TIMEOUT, K.TIMEOUT),
    ("unmapped", 500, K.PROVIDER_DOWN, K.ERROR_IN_STREAM),
)
"""Type, its status, its meaning when refused, its meaning in a stream: by then key and account were accepted."""

VOCABULARY = (
    *(
        refused(
            f"availability {code}",
            "documented 2026",
            kind,
            status,
            "The model cannot be used.",
            availability={"code": code, "retryable": status in (429, 503), "fallback_models": ["acme/small"]},
            route=ROUTES.get(code, "other") if kind is K.NO_ENDPOINTS else None,
        )
        for code, status, kind in AVAILABILITY
    ),
    *(
        refused(
            f"availability, excluded by {reason}",
            "documented 2026",
            K.NO_ENDPOINTS,
            404,
            "The model cannot be used.",
            availability={"code": "constraint_filtered", "retryable": False, "excluded_by": [reason]},
            route=route,
        )
        for reason, route in EXCLUDED_BY
    ),
    *(
        refused(
            f"availability {code}, in so many seconds",
            "documented 2026",
            kind,
            status,
            "The model cannot be used now.",
            availability={"code": code, "retryable": True, "retry_after": 9},
            retry_after=9,
        )
        for code, status, kind in AVAILABILITY
        if status in (429, 503)
    ),
    *(
        refused(
            f"error_type {kind}",
            "documented 2026",
            refusal,
            status,
            "?",
            {"error_type": kind},
            route="other" if refusal is K.NO_ENDPOINTS else None,
        )
        for kind, status, refusal, _ in ERROR_TYPES
    ),
    *(
        streamed(
            f"error_type {kind}, in a stream",
            "documented 2026; guarded: no code beside it",
            in_stream,
            chunk("Some "),
            chunk("words", error=error(None, "?", {"error_type": kind}), finish="error", provider=None),
            text="Some words",
            route="other" if in_stream is K.NO_ENDPOINTS else None,
        )
        for kind, _, _, in_stream in ERROR_TYPES
    ),
)
