"""Everything that can be made to go wrong, by name: a closed registry.

A request meets a fault by the header `X-Sandbox-Fault: NAME`, by `sandbox:NAME` in its last user message or
by a rule of the script (`script.py`), in this order. `FailureKind.UNREACHABLE` has no fault: it is what a
client meets where no sandbox listens, since whatever is received has been sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from types import MappingProxyType
from typing import TypeAlias

from bot.clock import Instant
from bot.errors import FailureKind
from bot.openrouter.sandbox import breakages, limited, refusals
from bot.openrouter.sandbox.catalogue import CLASSIFIER
from bot.openrouter.sandbox.refusals import Refusal
from bot.openrouter.sandbox.wire import Answer, Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What an error body may tell of the request it answers."""

    at: Instant
    rpm: int
    rpd: int
    model: str
    question: str = ""


@dataclass(frozen=True, slots=True)
class Refuses:
    """An error in place of the answer."""

    make: Callable[[Scene], Refusal]


@dataclass(frozen=True, slots=True)
class Alters:
    """The model says something else, or its provider fails."""

    change: Callable[[Answer], Answer]


@dataclass(frozen=True, slots=True)
class Breaks:
    """The bytes on the wire are not what they should be."""

    change: Callable[[Reply], Reply]


Act: TypeAlias = Refuses | Alters | Breaks


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One named fault."""

    name: str
    means: FailureKind | None
    """What a client should make of it; None where the answer is whole all the same."""
    act: Act


def _refuse(name: str, means: FailureKind, refusal: Refusal | Callable[[Scene], Refusal]) -> Fault:
    make = (lambda _: refusal) if isinstance(refusal, Refusal) else refusal
    return Fault(name=name, means=means, act=Refuses(make))


def _alter(name: str, means: FailureKind | None, change: Callable[[Answer], Answer]) -> Fault:
    return Fault(name=name, means=means, act=Alters(change))


def _break(name: str, means: FailureKind | None, change: Callable[[Reply], Reply]) -> Fault:
    return Fault(name=name, means=means, act=Breaks(change))


def _daily(*, bought: bool = False, shapes: int = 2026) -> Callable[[Scene], Refusal]:
    return lambda scene: limited.daily(scene.at, limit=scene.rpd, bought=bought, shapes=shapes)


def _minute(*, shapes: int = 2026) -> Callable[[Scene], Refusal]:
    return lambda scene: limited.minute(scene.at, limit=scene.rpm, shapes=shapes)


def _half_then(error: Refusal, *, shapes: int = 2026) -> Callable[[Answer], Answer]:
    """Half the text, then an error."""
    return lambda answer: replace(answer, text=answer.text[: len(answer.text) // 2], error=error.error(), shapes=shapes)


def _only(error: Refusal) -> Callable[[Answer], Answer]:
    """An error as the first and only thing of a 200."""
    return lambda answer: replace(answer, reasoning=(), text=(), error=error.error())


def _spent(answer: Answer) -> Answer:
    """The daily limit, told only after the stream has begun."""
    return _only(limited.daily(Instant(answer.created), limit=50, bought=False, shapes=answer.shapes))(answer)


def _said(*text: str, finish: str, native: str | None = None) -> Callable[[Answer], Answer]:
    """Other text, another ending."""
    return lambda answer: replace(answer, reasoning=(), text=text, finish=finish, native_finish=native or finish)


def _cut(finish: str) -> Callable[[Answer], Answer]:
    """Half the text, and a finish reason that says why."""
    return lambda answer: replace(
        answer, text=answer.text[: len(answer.text) // 2], finish=finish, native_finish=finish
    )


def _thinks_only(answer: Answer) -> Answer:
    return replace(answer, reasoning=answer.reasoning + answer.text, text=(), finish="length", native_finish="length")


def _classifier(answer: Answer) -> Answer:
    return replace(answer, model=CLASSIFIER, reasoning=(), text=("safe",))


def _billed(answer: Answer) -> Answer:
    return replace(answer, cost=answer.cost + Decimal("0.0042"))


def _registry(faults: Iterable[Fault]) -> Mapping[str, Fault]:
    return MappingProxyType({fault.name: fault for fault in faults})


_K = FailureKind

FAULTS: Mapping[str, Fault] = _registry(
    [
        # The account's limits.
        _refuse("account_daily", _K.ACCOUNT_DAILY, _daily()),
        _refuse("account_daily_bought", _K.ACCOUNT_DAILY, _daily(bought=True)),
        _refuse("account_daily_2025", _K.ACCOUNT_DAILY, _daily(shapes=2025)),
        _refuse("account_minute", _K.ACCOUNT_MINUTE, _minute()),
        _refuse("account_minute_2025", _K.ACCOUNT_MINUTE, _minute(shapes=2025)),
        _refuse("platform_unknown", _K.PLATFORM_UNKNOWN, limited.RATE_LIMITED),
        # One model, or its provider, is busy.
        _refuse("upstream_model", _K.UPSTREAM_MODEL, lambda scene: limited.upstream_busy(scene.model)),
        _refuse(
            "upstream_model_hint",
            _K.UPSTREAM_MODEL,
            lambda scene: limited.upstream_busy(scene.model, retry_after=10.918),
        ),
        _refuse("upstream_model_2025", _K.UPSTREAM_MODEL, lambda scene: limited.upstream_busy_2025(scene.model)),
        _refuse(
            "upstream_model_raw",
            _K.UPSTREAM_MODEL,
            lambda scene: limited.upstream_busy_2025(scene.model, raw='{"detail":"Too many requests"}'),
        ),
        _refuse("upstream_model_typed", _K.UPSTREAM_MODEL, limited.PROVIDER_RATE_LIMITED),
        _refuse("capacity_exhausted", _K.UPSTREAM_MODEL, lambda scene: limited.capacity_exhausted(scene.model)),
        # Money.
        _refuse("negative_balance", _K.NEGATIVE_BALANCE, refusals.NO_CREDITS),
        _refuse("cannot_afford", _K.NEGATIVE_BALANCE, refusals.CANNOT_AFFORD),
        _refuse("weight_exceeds_budget", _K.NEGATIVE_BALANCE, refusals.WEIGHT_EXCEEDS_BUDGET),
        _refuse("in_flight_budget", _K.IN_FLIGHT_BUDGET, refusals.IN_FLIGHT_BUDGET),
        _refuse("key_limit", _K.KEY_LIMIT, refusals.KEY_LIMIT),
        _refuse("key_limit_402", _K.KEY_LIMIT, refusals.KEY_LIMIT_402),
        _refuse("budget_limit", _K.KEY_LIMIT, lambda scene: refusals.budget_limit(scene.at)),
        # Who asks, and what.
        _refuse("bad_key", _K.BAD_KEY, refusals.UNKNOWN_KEY),
        _refuse("no_credentials", _K.BAD_KEY, refusals.NO_CREDENTIALS),
        _refuse("moderation", _K.MODERATION, lambda scene: refusals.moderated(scene.model, scene.question)),
        _refuse("guardrail", _K.GUARDRAIL, refusals.GUARDRAIL),
        _refuse("unknown_model", _K.NO_ENDPOINTS, lambda scene: refusals.invalid_model(scene.model)),
        _refuse("no_endpoints", _K.NO_ENDPOINTS, lambda scene: refusals.no_endpoints(scene.model)),
        _refuse("free_variant_ended", _K.NO_ENDPOINTS, lambda scene: refusals.free_variant_ended(scene.model)),
        _refuse("data_policy", _K.NO_ENDPOINTS, refusals.DATA_POLICY),
        _refuse("guardrail_policy", _K.NO_ENDPOINTS, refusals.GUARDRAIL_POLICY),
        _refuse("no_images", _K.NO_ENDPOINTS, refusals.NO_IMAGES),
        _refuse("no_tools", _K.NO_ENDPOINTS, refusals.NO_TOOLS),
        _refuse("region_restricted", _K.NO_ENDPOINTS, lambda scene: refusals.region_restricted(scene.model)),
        _refuse("too_large", _K.TOO_LARGE, refusals.TOO_LARGE),
        _refuse("context_length", _K.TOO_LARGE, refusals.context_length(8_192, 9_001)),
        _refuse("bad_request", _K.BAD_REQUEST, refusals.NO_MESSAGES),
        _refuse("reasoning_mandatory", _K.BAD_REQUEST, refusals.REASONING_MANDATORY),
        _refuse("unprocessable", _K.BAD_REQUEST, Refusal(code=422, message="Invalid argument")),
        # Machines.
        _refuse("timeout", _K.TIMEOUT, Refusal(code=408, message="Operation timed out. Please try again later.")),
        _refuse("gateway_timeout", _K.TIMEOUT, Refusal(code=504, message="Gateway timeout")),
        _refuse("edge_timeout", _K.TIMEOUT, Refusal(code=524, message="Request timed out. Please try again later.")),
        _refuse("internal_error", _K.PROVIDER_DOWN, refusals.INTERNAL_ERROR),
        _refuse("provider_down", _K.PROVIDER_DOWN, refusals.PROVIDER_DOWN),
        _refuse("unavailable", _K.PROVIDER_DOWN, refusals.UNAVAILABLE),
        _refuse("overloaded", _K.PROVIDER_DOWN, Refusal(code=529, message="Provider returned error")),
        _break("edge_html", _K.EDGE_HTML, breakages.page),
        _break("edge_html_200", _K.EDGE_HTML, breakages.page_as_answer),
        # Errors in a 200.
        _refuse("provider_down_body", _K.PROVIDER_DOWN, refusals.PROVIDER_DOWN.as_body()),
        _refuse("account_daily_body", _K.ACCOUNT_DAILY, lambda scene: _daily()(scene).as_body()),
        _alter("account_daily_in_stream", _K.ACCOUNT_DAILY, _spent),
        _alter("provider_down_first", _K.PROVIDER_DOWN, _only(refusals.DISCONNECTED)),
        _alter("provider_down_in_stream", _K.PROVIDER_DOWN, _half_then(refusals.DISCONNECTED)),
        _alter("length_in_stream_2025", _K.LENGTH, _half_then(refusals.TOKEN_LIMIT, shapes=2025)),
        _alter("error_in_stream", _K.ERROR_IN_STREAM, _cut("error")),
        _alter("error_native", _K.ERROR_IN_STREAM, _said(finish="stop", native="network_error")),
        _break("malformed", _K.ERROR_IN_STREAM, breakages.malformed),
        # Answers that are none, or not whole.
        _alter("empty_answer", _K.EMPTY_ANSWER, _said(finish="stop")),
        _alter("blank_answer", _K.EMPTY_ANSWER, _said("\n", "  ", "\n", finish="stop")),
        _break("null_choices", _K.EMPTY_ANSWER, breakages.null_choices),
        _break("whitespace", _K.PROVIDER_DOWN, breakages.whitespace),
        _alter("reasoning_only", _K.REASONING_ONLY, _thinks_only),
        _alter("content_filter", _K.CONTENT_FILTER, _cut("content_filter")),
        _alter("length", _K.LENGTH, _said(finish="length")),
        _break("cut_off", _K.CUT_OFF, breakages.ended_early),
        _break("closed_early", _K.CUT_OFF, breakages.closed_early),
        _break("reset_midway", _K.CUT_OFF, breakages.reset_midway),
        _break("reset_at_once", _K.CUT_OFF, breakages.reset_at_once),
        _break("stall", _K.TIMEOUT, breakages.stalled),
        _break("silent", _K.TIMEOUT, breakages.silent),
        _break("no_body", _K.TIMEOUT, breakages.no_body),
        _break("comments_for_ever", _K.TIMEOUT, breakages.comments_for_ever),
        _break("endless", _K.ENDLESS, breakages.endless),
        _break("endless_line", _K.ENDLESS, breakages.endless_line),
        # Odd, but whole.
        _break("slices", None, breakages.sliced),
        _break("oddities", None, breakages.odd_but_whole),
        _break("no_done", None, breakages.without_done),
        _break("no_usage", None, breakages.without_usage),
        _alter("usage_2025", None, lambda answer: replace(answer, shapes=2025)),
        _alter("unmarked_model", None, lambda answer: replace(answer, model=answer.model.removesuffix(":free"))),
        _alter("shortened", None, _cut("length")),
        _alter("classifier", None, _classifier),
        _alter("wrong_cost", None, _billed),
    ]
)
