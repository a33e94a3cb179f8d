"""Why OpenRouter found no endpoint for a request, out of an error that says it found none. Pure.

It says so in four places, newest first: `availability.code`, what `availability` says excluded the endpoints, the
name of the step in the routing funnel that left none, and the words of the message.

The mistake to avoid is `model_gone`, which takes a model from the shelf for everybody: a reason that is told is
believed before it, and it is given only where the model is named or OpenRouter has a code for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from bot.errors import NoRoute
from bot.openrouter import loose

_CODES: Mapping[str, NoRoute] = {
    "model_not_found": "model_gone",
    "model_deprecated": "model_gone",
    "model_unavailable_upstream": "model_gone",
    "free_variant_ended": "model_gone",
    "region_restricted": "region",
    "privacy_restricted": "data_policy",
}
_EXCLUDED_BY: Mapping[str, NoRoute] = {
    "data_policy": "data_policy",
    "geo": "region",
    "data_region": "region",
    "max_price": "price",
    "context_length": "context",
}
"""By what stands before a colon: `data_policy:zdr` and `data_policy:training` are one."""
_WORDS: tuple[tuple[str, NoRoute], ...] = (
    ("data policy", "data_policy"),
    ("privacy", "data_policy"),
    ("image", "images"),
    ("tool", "tools"),
    ("context", "context"),
    ("max price", "price"),
    ("max_price", "price"),
    ("region", "region"),
    ("country", "region"),
)
_GONE = re.compile(r"no endpoints found for \S+|\S+ is not a valid model(?: id)?")
_NAMES = re.compile(r"\S*/\S*")
"""Models and addresses, whose names tell nothing: `acme/image-tool:free`."""


def no_route(error: Mapping[str, object], message: str) -> NoRoute:
    """The reason; `other` where none is told, or one that is nobody's to act on.

    Args:
        error: the error object, of a failure of the kind `NO_ENDPOINTS`.
        message: what it says in words.
    """
    availability = loose.mapping(error.get("availability"))
    if code := _CODES.get(loose.text(availability.get("code"))):
        return code
    for named in _excluded_by(availability):
        if reason := _EXCLUDED_BY.get(named.partition(":")[0]) or _by_words(named):
            return reason
    step = loose.text(loose.mapping(error.get("metadata")).get("failed_routing_step"))
    return _by_words(step) or _by_message(message.lower()) or "other"


def _excluded_by(availability: Mapping[str, object]) -> Iterator[str]:
    excluded = availability.get("excluded_by")
    for named in excluded if isinstance(excluded, list) else [excluded]:
        yield loose.text(named)
    constraint = loose.mapping(availability.get("constraint"))
    yield loose.text(constraint.get("field"))
    yield loose.text(constraint.get("detail"))


def _by_message(message: str) -> NoRoute | None:
    if _GONE.fullmatch(message.strip(" .")):
        return "model_gone"
    return _by_words(_NAMES.sub("", message))


def _by_words(text: str) -> NoRoute | None:
    lower = text.lower()
    return next((reason for words, reason in _WORDS if words in lower), None)
