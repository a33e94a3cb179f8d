"""What a paid request costs at most, and how that is said to OpenRouter and to people. Pure, and Decimal throughout.

A reservation is worth as much as it is an upper bound. So each price is taken at the highest that a request of its
size can meet: the tier its prompt may reach, and the dearest kind a token can be charged as. OpenRouter is told the
same prices as `provider.max_price`, since a model's providers differ and the catalogue shows the price of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal, localcontext
from typing import TypeAlias

from bot.routing.catalogue import ModelInfo

MILLION = Decimal(1_000_000)
MESSAGE_TOKENS = 16
"""Tokens that go with each message beside its text: its role, its name, the marks around it."""
REQUEST_TOKENS = 256
"""And with each request, such as a system prompt that a provider puts before it."""
IMAGE_TOKENS = 49_152
"""An image at its dearest. OpenAI counts up to 48,169 for one (gpt-4o-mini: 2,833 and 8 tiles of 5,667); what cuts an
image of the largest size taken in (`bot.conversation.attachments`) into patches of 28 pixels comes to 46,000."""

_AS_PROMPT = frozenset({"prompt", "input_cache_read", "input_cache_write", "input_cache_write_1h"})
"""What a token that is sent can be charged as."""
_AS_COMPLETION = frozenset({"completion", "internal_reasoning"})
_AS_IMAGE_TOKEN = frozenset({"image_token"})
"""An image's tokens are counted with the prompt's."""
_NEVER_MET = frozenset({"web_search", "audio", "audio_output", "input_audio_cache", "image_output", "discount"})
"""For what is never sent or asked for here, or no price: sound, searches, and pictures as an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a request can become."""

    prompt_tokens: int
    """Surely no more than these, images included."""
    completion_tokens: int
    """Sent as `max_completion_tokens`: reasoning counts in it."""
    images: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """US dollars: per token, and per request and image."""

    prompt: Decimal
    completion: Decimal
    request: Decimal = Decimal(0)
    image: Decimal = Decimal(0)

    def fits(self, ceiling: Rates) -> bool:
        """None of the prices is above the ceiling's."""
        return (
            self.prompt <= ceiling.prompt
            and self.completion <= ceiling.completion
            and self.request <= ceiling.request
            and self.image <= ceiling.image
        )

    @classmethod
    def per_million(cls, prompt: Decimal, completion: Decimal) -> Rates:
        """The rates of these prices in US dollars per million tokens, as people say them."""
        return cls(prompt=prompt / MILLION, completion=completion / MILLION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """What a request of some size is charged by."""

    listed: Rates
    """As the catalogue lists it for that size: what a ceiling is compared with and what OpenRouter is held to."""
    most: Rates
    """The dearest its tokens can be charged as, such as when a provider keeps the prompt for the next one."""


@dataclass(frozen=True, slots=True)
class Variable:
    """Whatever the model costs that a router picks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpriced:
    """What it costs cannot be told, so nothing may be spent on it."""

    names: tuple[str, ...]
    """The prices that are missing, unreadable or unheard of."""


Price: TypeAlias = Priced | Variable | Unpriced


def prompt_tokens(texts: Iterable[str], *, images: int = 0) -> int:
    """A number of tokens that these messages surely do not pass.

    No tokenizer in use makes more of a text than one token a byte of UTF-8; most make a quarter.
    """
    lengths = [len(text.encode(errors="replace")) for text in texts]
    return sum(lengths) + MESSAGE_TOKENS * len(lengths) + REQUEST_TOKENS + IMAGE_TOKENS * images


def price(model: ModelInfo, size: Size) -> Price:
    """What a request of this size to this model is charged by."""
    stated = {"prompt": model.prompt_price, "completion": model.completion_price, "request": model.request_price}
    if size.images:
        stated["image"] = model.image_price
    if any(value is not None and value < 0 for value in stated.values()):
        return Variable()
    met = [one for one in model.extra_prices if one.name not in _NEVER_MET]
    extra = [(one.name, one.price) for one in met if one.min_prompt_tokens <= size.prompt_tokens]
    known = _AS_PROMPT | _AS_COMPLETION | _AS_IMAGE_TOKEN | {"request", "image"}
    missing = [name for name, value in stated.items() if value is None]
    missing += [name for name, value in extra if name not in known or value is None or value < 0]
    missing += _unexplained(model)
    if missing:
        return Unpriced(names=tuple(dict.fromkeys(missing)))
    values = [*stated.items(), *extra]

    def highest(*names: str) -> Decimal:
        return max((value for name, value in values if name in names and value is not None), default=Decimal(0))

    image_token = _AS_IMAGE_TOKEN if size.images else frozenset()
    per_piece = {"request": highest("request"), "image": highest("image") if size.images else Decimal(0)}
    return Priced(
        listed=Rates(prompt=highest("prompt"), completion=highest("completion"), **per_piece),
        most=Rates(prompt=highest(*_AS_PROMPT, *image_token), completion=highest(*_AS_COMPLETION), **per_piece),
    )


def _unexplained(model: ModelInfo) -> list[str]:
    """Surcharges whose price was not kept: a catalogue of an earlier version, or a list without end."""
    kept = {one.name for one in model.extra_prices}
    names = (name.removeprefix("overrides.") for name in model.surcharges)
    return [name for name in names if name not in kept and name not in _NEVER_MET]


def most_cost(rates: Rates, size: Size) -> Decimal:
    """US dollars that a request of this size costs at most, exactly."""
    with localcontext() as exact:
        exact.prec = 100
        return (
            rates.prompt * size.prompt_tokens
            + rates.completion * size.completion_tokens
            + rates.request
            + rates.image * size.images
        )


def max_price(rates: Rates) -> Mapping[str, str]:
    """`provider.max_price`: OpenRouter asks no provider that is dearer. Per million tokens, and per request and image.

    It never rounds down: the asked model itself must fit.
    """
    prices = {"prompt": rates.prompt * MILLION, "completion": rates.completion * MILLION, "request": rates.request}
    if rates.image:
        prices["image"] = rates.image
    return {name: plain(value) for name, value in prices.items()}


def plain(value: Decimal) -> str:
    """A price without exponent and without zeros at its end, not rounded: `0.3`, `15`, `0.000001`."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def shown(usd_per_token: Decimal) -> str:
    """US dollars per million tokens as a person reads them: at least two places, never rounded down to nothing."""
    value = usd_per_token * MILLION
    places = Decimal("0.01") if value >= Decimal("0.1") or not value else Decimal("0.0001")
    return format(value.quantize(places, rounding=ROUND_CEILING), "f")
