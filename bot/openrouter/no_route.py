"""Why OpenRouter found nobody to take a request: by its own code for it, else by the words of its message. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from bot.errors import NoRoute
from bot.openrouter import wire

_CODES: Mapping[str, NoRoute] = {
    "model_not_found": "model_gone",
    "no_endpoints": "model_gone",
    "model_deprecated": "model_gone",
    "model_unavailable_upstream": "model_gone",
    "free_variant_ended": "model_gone",
    "region_restricted": "region",
    "privacy_restricted": "data_policy",
}
_EXCLUDED: tuple[tuple[str, NoRoute], ...] = (
    ("data_policy", "data_policy"),
    ("max_price", "price"),
    ("context_length", "context"),
    ("geo", "region"),
    ("data_region", "region"),
)
_WORDS: tuple[tuple[str, NoRoute], ...] = (
    ("data policy", "data_policy"),
    ("image input", "images"),
    ("tool use", "tools"),
    ("context length", "context"),
    ("in your region", "region"),
    ("not a valid model", "model_gone"),
    ("deprecated", "model_gone"),
    ("no endpoints found for", "model_gone"),
)


def no_route(message: str, availability: Mapping[str, object]) -> NoRoute:
    """The reason, by the message and the `availability` of an error."""
    code = wire.text(availability.get("code"))
    if code in _CODES:
        return _CODES[code]
    listed = availability.get("excluded_by")
    excluded = [wire.text(reason) for reason in listed] if isinstance(listed, list) else []
    for name, route in _EXCLUDED:
        if any(reason.startswith(name) for reason in excluded):
            return route
    said = message.lower()
    return next((route for words, route in _WORDS if words in said), "other")
