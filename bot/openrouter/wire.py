"""OpenRouter's documents: a request written, and answers read, whatever shape they have by now."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import assert_never

from pydantic import SecretStr

from bot.chat_model import ChatRequest, ContentPart, ImagePart, TextPart
from bot.messages import ModelId, Usage
from bot.openrouter.loose import USD_MIN, Unreadable, count, encodable, mapping, moment, money, number, text
from bot.routing.catalogue import ExtraPrice
from bot.routing.catalogue import ModelInfo as ModelInfo
from bot.routing.judges import judges

USD_MAX = Decimal(1_000_000)

KEY_MAX = 512
"""Characters of a key. One is 73."""
_NAME_MAX, _LIST_MAX = 200, 64
"""Characters of a name in the catalogue, and how many of a list are kept. Honest ones are far from either."""
_NO_SURCHARGES = frozenset({"prompt", "completion", "request", "image", "web_search", "discount"})
"""Entries of `pricing` that are read elsewhere, that only a search can meet, or that are no price."""
_CONDITIONS = ("min_", "max_")
"""How the terms of an override begin that say when it holds."""


def chat_document(request: ChatRequest) -> Mapping[str, object]:
    """What `POST /chat/completions` is sent."""
    document: dict[str, object] = {
        "model": request.model,
        "messages": [{"role": message.role, "content": _content(message.content)} for message in request.messages],
        "stream": True,
        "user": request.user,
        "session_id": request.session,
        "metadata": {"attempt": request.attempt},
        # The context is cut to size here, with a notice; OpenRouter would drop its middle without a word.
        "plugins": [{"id": "context-compression", "enabled": False}],
    }
    if request.fallbacks:
        document["models"] = list(request.fallbacks)
    if request.max_completion_tokens is not None:
        document["max_completion_tokens"] = request.max_completion_tokens
    if request.max_price is not None:
        document["provider"] = {"max_price": dict(request.max_price)}
    return document


def _content(content: str | Sequence[ContentPart]) -> str | list[dict[str, object]]:
    if isinstance(content, str):
        return content
    return [_part(part) for part in content]


def _part(part: ContentPart) -> dict[str, object]:
    match part:
        case TextPart(text):
            return {"type": "text", "text": text}
        case ImagePart():
            # The bytes themselves: an address would be fetched by somebody else, from where it may not be open.
            url = f"data:{part.media_type};base64,{b64encode(part.content).decode()}"
            return {"type": "image_url", "image_url": {"url": url}}
        case _:
            assert_never(part)


def encoded(document: Mapping[str, object]) -> bytes:
    """A document as it is sent. Lone surrogates, which no UTF-8 can hold, become question marks."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def usage(value: object) -> Usage:
    """The usage object of a chunk, 2025 and 2026 shapes. Zero where it says nothing that makes sense."""
    fields = mapping(value)
    details = mapping(fields.get("completion_tokens_details"))
    return Usage(
        prompt_tokens=count(fields.get("prompt_tokens")) or 0,
        completion_tokens=count(fields.get("completion_tokens")) or 0,
        reasoning_tokens=count(details.get("reasoning_tokens")) or 0,
        cost_usd=_cost(number(fields.get("cost")) or Decimal(0)),
        upstream_usd=_upstream(fields.get("is_byok"), mapping(fields.get("cost_details"))),
    )


def _upstream(is_byok: object, costs: Mapping[str, object]) -> Decimal | None:
    """What a provider charged the owner of its key. Without such a key a price may stand there, and means nothing."""
    return _cost(number(costs.get("upstream_inference_cost")) or Decimal(0)) if is_byok is True else None


def _cost(cost: Decimal) -> Decimal:
    return min(max(cost, USD_MIN), USD_MAX) if cost > 0 else Decimal(0)


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
    account: str | None = None
    """OpenRouter's id of the account: the organisation's, else the user's whose key it is. Nobody is shown it."""
    byok_month_usd: Decimal | None = None
    """List price of what went by providers' own keys this calendar month of UTC, for this key of the account alone."""


def exchanged_key(document: object) -> SecretStr:
    """The answer of `POST /auth/keys`.

    Raises:
        Unreadable: it holds no key.
    """
    key = text(mapping(document).get("key"))
    if not (0 < len(key) <= KEY_MAX and key.isascii() and key.isprintable() and " " not in key):
        raise Unreadable
    return SecretStr(key)


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
        limit_usd=money(data.get("limit")),
        limit_remaining_usd=money(data.get("limit_remaining")),
        is_free_tier=tier if isinstance(tier, bool) else None,
        account=_account(data),
        byok_month_usd=money(data.get("byok_usage_monthly")),
    )


def _account(key: Mapping[str, object]) -> str | None:
    ids = (key.get(name) for name in ("organization_id", "creator_user_id"))
    return next((one for one in ids if isinstance(one, str) and one), None)


def balance(document: object) -> Decimal:
    """USD left, by the answer of `GET /credits`. Below zero even free models are refused.

    Raises:
        Unreadable: it has another shape.
    """
    data = mapping(mapping(document).get("data"))
    bought, used = money(data.get("total_credits")), money(data.get("total_usage"))
    if bought is None or used is None:
        raise Unreadable
    return bought - used


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """What became of one answer, by `GET /generation`, which knows of those that were cut off, too."""

    model: ModelId
    usage: Usage
    """Its cost is what the account was charged, and always told."""
    cancelled: bool | None
    """The connection was closed before its end; None: it does not say."""
    finish_reason: str
    """Empty: it does not say."""


def generation(document: object) -> Generation:
    """The answer of `GET /generation`.

    Raises:
        Unreadable: it has another shape, or does not tell the cost.
    """
    data = mapping(mapping(document).get("data"))
    cost = number(data.get("total_cost"))
    cost = number(data.get("usage")) if cost is None else cost
    if cost is None:
        raise Unreadable
    cancelled = data.get("cancelled")
    return Generation(
        model=ModelId(encodable(text(data.get("model")))[:_NAME_MAX]),
        usage=Usage(
            prompt_tokens=count(data.get("tokens_prompt")) or 0,
            completion_tokens=count(data.get("tokens_completion")) or 0,
            reasoning_tokens=count(data.get("native_tokens_reasoning")) or 0,
            cost_usd=_cost(cost),
            upstream_usd=_upstream(data.get("is_byok"), data),
        ),
        cancelled=cancelled if isinstance(cancelled, bool) else None,
        finish_reason=encodable(text(data.get("finish_reason")))[:_NAME_MAX],
    )


def model_list(document: object) -> list[ModelInfo]:
    """The answer of `GET /models`; entries without an id, or with one that is none, are left out.

    Raises:
        Unreadable: it has another shape.
    """
    data = mapping(document).get("data")
    if not isinstance(data, list):
        raise Unreadable
    return [_model(entry) for item in data if 0 < len(text((entry := mapping(item)).get("id"))) <= _NAME_MAX]


def _model(entry: Mapping[str, object]) -> ModelInfo:
    prices, architecture = mapping(entry.get("pricing")), mapping(entry.get("architecture"))
    provider = mapping(entry.get("top_provider"))
    model = encodable(text(entry.get("id")))
    name = encodable(text(entry.get("name")))[:_NAME_MAX] or model
    return ModelInfo(
        id=ModelId(model),
        name=name,
        canonical_slug=encodable(text(entry.get("canonical_slug")))[:_NAME_MAX],
        alias_of=_alias(entry.get("alias_target")),
        context_length=count(entry.get("context_length")),
        provider_context=count(provider.get("context_length")),
        max_completion_tokens=count(provider.get("max_completion_tokens")),
        prompt_price=number(prices.get("prompt")),
        completion_price=number(prices.get("completion")),
        request_price=_optional_price(prices.get("request")),
        image_price=_optional_price(prices.get("image")),
        surcharges=tuple(_surcharges(prices))[:_LIST_MAX],
        extra_prices=tuple(_extra_prices(prices))[:_LIST_MAX],
        input_modalities=_strings(architecture.get("input_modalities")),
        output_modalities=_strings(architecture.get("output_modalities")),
        supported_parameters=_strings(entry.get("supported_parameters")),
        judges=judges(model, name, text(entry.get("description"))),
        expires_at=moment(entry.get("expiration_date")),
    )


def _alias(value: object) -> ModelId | None:
    """What an id stands for. Written in a way that cannot be read it still stands for something else."""
    return ModelId(encodable(str(value))[:_NAME_MAX]) if value else None


def _optional_price(value: object) -> Decimal | None:
    return Decimal(0) if value is None else number(value)


def _surcharges(prices: Mapping[str, object]) -> Iterator[str]:
    """What can be charged beyond the four prices that have a field of their own, each by the name it has there."""
    for name, value in prices.items():
        if name == "overrides":
            for override in value if isinstance(value, list) else [value]:
                terms = mapping(override)
                if override is not None and not terms:
                    yield name
                for term, price in terms.items():
                    if not term.startswith(_CONDITIONS) and _optional_price(price) != 0:
                        yield encodable(f"{name}.{term}")[:_NAME_MAX]
        elif name not in _NO_SURCHARGES and _optional_price(value) != 0:
            yield encodable(name)[:_NAME_MAX]


def _extra_prices(prices: Mapping[str, object]) -> Iterator[ExtraPrice]:
    """The prices that `_surcharges` names. An override whose condition is not the prompt's length may always hold."""
    for name, value in prices.items():
        if name == "overrides":
            for terms in map(mapping, value if isinstance(value, list) else [value]):
                others = any(term.startswith(_CONDITIONS) and term != "min_prompt_tokens" for term in terms)
                since = 0 if others else count(terms.get("min_prompt_tokens")) or 0
                for term, price in terms.items():
                    if not term.startswith(_CONDITIONS) and _optional_price(price) != 0:
                        yield _extra_price(term, price, since)
        elif name not in _NO_SURCHARGES and _optional_price(value) != 0:
            yield _extra_price(name, value, 0)


def _extra_price(name: str, price: object, since: int) -> ExtraPrice:
    return ExtraPrice(name=encodable(name)[:_NAME_MAX], price=_optional_price(price), min_prompt_tokens=since)


def _strings(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, list) else []
    return tuple(encodable(item)[:_NAME_MAX] for item in items if isinstance(item, str))[:_LIST_MAX]
