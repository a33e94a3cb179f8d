"""The last look at a request before it leaves, and the first at what a free one cost. Pure.

The router chose well, or this says so. It reads the body as it will be sent and trusts nothing that made it: money
can hide in an id (`x:online`), in a field (`preset`), in a plugin or in a tool that OpenRouter itself runs, and the
last two are charged for beside a free model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias

from bot.messages import ModelId, Usage
from bot.routing.catalogue import is_free_id
from bot.routing.chain import CHAIN_MAX
from bot.routing.offer import Offer

FaultKind: TypeAlias = Literal[
    "model_gone", "not_free", "no_model", "too_many_models", "field", "plugin", "tool", "part", "cost", "unpaid"
]

_FIELDS = frozenset(
    {
        *("model", "models", "messages", "stream", "user", "session_id", "metadata", "plugins"),
        *("max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "min_p", "seed", "stop"),
        *("frequency_penalty", "presence_penalty", "repetition_penalty", "reasoning"),
        *("tools", "tool_choice", "parallel_tool_calls", "response_format"),
    }
)
"""What may stand in a body. `preset`, `service_tier`, `web_search_options`, `provider` and all that is new are out."""
_PLUGIN = {"id": "context-compression", "enabled": False}
"""The one plugin that may be named: it is switched off by that."""
_PARTS = frozenset({"text", "image_url"})
"""What a message may be made of. A file a model cannot read is read for it by a plugin that costs."""
_SHOWN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a request must not leave on the free lane, or should not have."""

    kind: FaultKind
    what: str
    """The id, field or sum in question, for the operator; what a member asked for may stand in it."""

    @property
    def trips(self) -> bool:
        """The free lane stops until somebody has looked: this cannot happen unless the program or OpenRouter's word is
        wrong. False for `model_gone`: the catalogue moved on since the route was chosen, so choose again."""
        return self.kind != "model_gone"


def guard(body: Mapping[str, object], offer: Offer) -> Fault | None:
    """What is wrong with a request's body, as it would be sent; None: it can cost nothing."""
    return _models(body, offer) or _fields(body)


def guard_paid(
    body: Mapping[str, object], *, model: ModelId, completion_tokens: int, max_price: Mapping[str, str]
) -> Fault | None:
    """What is wrong with the body of a request that money was set aside for; None: it can cost no more than that.

    It goes to the one model that was paid for, holds OpenRouter to the prices and the length that were reckoned with,
    and asks for nothing that is charged for besides.
    """
    bought = {"model": model, "max_completion_tokens": completion_tokens, "provider": {"max_price": dict(max_price)}}
    for name, value in bought.items():
        if body.get(name) != value:
            return _fault("unpaid", name)
    for name in ("models", "max_tokens", "tools"):
        if name in body:
            return _fault("unpaid", name)
    return _fields({name: value for name, value in body.items() if name != "provider"})


def costs(usage: Usage) -> Fault | None:
    """What is wrong with an answer of the free lane: it cost something, at OpenRouter or at a provider by its key."""
    return None if usage.whole_usd == Decimal(0) else _fault("cost", usage.whole_usd)


def _models(body: Mapping[str, object], offer: Offer) -> Fault | None:
    first, others = body.get("model"), body.get("models", [])
    if not isinstance(others, list):
        return _fault("field", "models")
    # An account has a default model, which answers where none is named. It may be any.
    named = others if first is None else [first, *others]
    if not named:
        return _fault("no_model", "")
    if len(named) > CHAIN_MAX:
        return _fault("too_many_models", len(named))
    gone = None
    for model in named:
        if not isinstance(model, str) or not is_free_id(model):
            return _fault("not_free", model)
        if not offer.free(ModelId(model)):
            gone = gone or _fault("model_gone", model)
    return gone


def _fields(body: Mapping[str, object]) -> Fault | None:
    unknown = sorted(set(body) - _FIELDS)
    if unknown:
        return _fault("field", unknown[0])
    plugins, tools = body.get("plugins", []), body.get("tools", [])
    if not isinstance(plugins, list) or any(plugin != _PLUGIN or plugin["enabled"] is not False for plugin in plugins):
        return _fault("plugin", plugins)
    # Tools of any other type run at OpenRouter's, such as its web search.
    if not isinstance(tools, list) or any(not isinstance(t, dict) or t.get("type") != "function" for t in tools):
        return _fault("tool", "")
    return _parts(body.get("messages", []))


def _parts(messages: object) -> Fault | None:
    for message in messages if isinstance(messages, list) else [messages]:
        content = message.get("content") if isinstance(message, dict) else message
        if isinstance(message, dict) and (content is None or isinstance(content, str)):
            continue
        for part in content if isinstance(content, list) else [content]:
            kind = part.get("type") if isinstance(part, dict) else part
            if kind not in _PARTS:
                return _fault("part", kind if isinstance(part, dict) else "")
    return None


def _fault(kind: FaultKind, what: object) -> Fault:
    return Fault(kind=kind, what=str(what)[:_SHOWN])
