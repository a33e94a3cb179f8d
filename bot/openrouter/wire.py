"""OpenRouter's JSON: a request written, and answers of any shape read into values of one shape.

Providers, proxies and two years of API versions write numbers as strings, objects as null and lists as
objects. Everything that looks inside such a document goes through here, so that a strange field is a
missing field and never an exception from the middle of a stream.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from types import MappingProxyType

from bot.clock import Instant
from bot.messages import ModelId, Usage
from bot.ports import ChatRequest

COUNT_MAX = 1_000_000_000
"""No honest count of tokens or requests is larger; it also fits a 32-bit column."""
USD_MAX = Decimal(1_000_000)

_NOTHING: Mapping[str, object] = MappingProxyType({})


class Unreadable(Exception):
    """A document that is no JSON, or not the one that was asked for. Holds nothing of it."""


def parse(data: bytes) -> object:
    """The JSON document, whatever it is. Bytes that are no UTF-8 become U+FFFD: one torn letter is no failure.

    Raises:
        Unreadable: it is none, or too deep to be read.
    """
    try:
        return json.loads(data.decode(errors="replace").strip("\ufeff \t\r\n"))
    except (ValueError, RecursionError):
        raise Unreadable from None


def mapping(value: object) -> Mapping[str, object]:
    """An object's members; none for anything else."""
    return value if isinstance(value, dict) else _NOTHING


def first(value: object) -> Mapping[str, object]:
    """The first element of a list, as `mapping`."""
    return mapping(value[0]) if isinstance(value, list) and value else _NOTHING


def text(value: object) -> str:
    """A string, or the texts of a list of content parts; empty for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(part for item in value if isinstance(part := mapping(item).get("text"), str))
    return ""


def encodable(string: str) -> str:
    """The string with lone surrogates, which JSON can carry and UTF-8 cannot, replaced by U+FFFD."""
    try:
        string.encode()
    except UnicodeEncodeError:
        return string.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return string


def number(value: object) -> Decimal | None:
    """A finite number, also written as a string; None for anything else.

    Floats go through their shortest text, so 0.1 is 0.1 and not the binary fraction next to it.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        parsed = Decimal(str(value)[:64])
    except InvalidOperation:
        return None
    return parsed if parsed.is_finite() else None


def count(value: object) -> int | None:
    """A whole number from 0 to `COUNT_MAX`, clamped into it; None for what is no number."""
    parsed = number(value)
    return None if parsed is None else int(min(max(parsed, Decimal(0)), Decimal(COUNT_MAX)))


def moment(value: object) -> Instant | None:
    """An ISO 8601 date or time, UTC where it names no zone; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
        return Instant((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None


def chat_request(request: ChatRequest) -> bytes:
    """The body of `POST /chat/completions`. Lone surrogates, which no UTF-8 can hold, become question marks."""
    document = {
        "model": request.model,
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        "stream": True,
        "user": request.user,
        "session_id": request.session,
        "metadata": {"attempt": request.attempt},
        # The context is cut to size here, with a notice; OpenRouter would drop its middle without a word.
        "plugins": [{"id": "context-compression", "enabled": False}],
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def usage(value: object) -> Usage:
    """The usage object of a chunk, 2025 and 2026 shapes. Zero where it says nothing that makes sense."""
    fields = mapping(value)
    details = mapping(fields.get("completion_tokens_details"))
    cost = number(fields.get("cost")) or Decimal(0)
    return Usage(
        prompt_tokens=count(fields.get("prompt_tokens")) or 0,
        completion_tokens=count(fields.get("completion_tokens")) or 0,
        reasoning_tokens=count(details.get("reasoning_tokens")) or 0,
        cost_usd=min(max(cost, Decimal(0)), USD_MAX),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyInfo:
    """What `GET /key` says of the key and its account. None: it did not say.

    The daily count lags by a minute or more and includes refused requests: a lower bound of what is used.
    """

    free_used: int | None
    free_limit: int | None
    """Free requests a UTC day. Follows from all-time purchases, not from `is_free_tier`."""
    free_remaining: int | None
    limit_usd: Decimal | None
    limit_remaining_usd: Decimal | None
    """What the key may still spend; None also where the key has no cap."""
    is_free_tier: bool | None
    """The account has never bought credits."""


def key_info(document: object) -> KeyInfo:
    """The answer of `GET /key`.

    Raises:
        Unreadable: it has another shape.
    """
    data = mapping(document).get("data")
    if not isinstance(data, dict):
        raise Unreadable
    free = mapping(data.get("free_model_daily_requests"))
    tier = data.get("is_free_tier")
    return KeyInfo(
        free_used=count(free.get("used")),
        free_limit=count(free.get("limit")),
        free_remaining=count(free.get("remaining")),
        limit_usd=number(data.get("limit")),
        limit_remaining_usd=number(data.get("limit_remaining")),
        is_free_tier=tier if isinstance(tier, bool) else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """One entry of `GET /models`. Prices are US dollars per token, request or image; -1 on routers."""

    id: ModelId
    name: str
    context_length: int | None
    prompt_price: Decimal | None
    """None: the entry states none that can be read, so it must not pass for free."""
    completion_price: Decimal | None
    request_price: Decimal | None
    image_price: Decimal | None
    input_modalities: tuple[str, ...]
    output_modalities: tuple[str, ...]
    expires_at: Instant | None
    """When the model is withdrawn, 00:00 UTC of the day named."""

    @property
    def costs_nothing(self) -> bool:
        """Every price that a chat request can meet is stated and zero."""
        return not any(
            price is None or price
            for price in (self.prompt_price, self.completion_price, self.request_price, self.image_price)
        )


def model_list(document: object) -> list[ModelInfo]:
    """The answer of `GET /models`; entries without an id are left out.

    Raises:
        Unreadable: it has another shape.
    """
    data = mapping(document).get("data")
    if not isinstance(data, list):
        raise Unreadable
    return [_model(entry) for item in data if text((entry := mapping(item)).get("id"))]


def _model(entry: Mapping[str, object]) -> ModelInfo:
    prices, architecture = mapping(entry.get("pricing")), mapping(entry.get("architecture"))
    model = encodable(text(entry.get("id")))
    return ModelInfo(
        id=ModelId(model),
        name=encodable(text(entry.get("name"))) or model,
        context_length=count(entry.get("context_length")),
        prompt_price=number(prices.get("prompt")),
        completion_price=number(prices.get("completion")),
        request_price=number(prices.get("request", 0)),
        image_price=number(prices.get("image", 0)),
        input_modalities=_strings(architecture.get("input_modalities")),
        output_modalities=_strings(architecture.get("output_modalities")),
        expires_at=moment(entry.get("expiration_date")),
    )


def _strings(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
