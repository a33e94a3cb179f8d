"""Everything that can be made to go wrong with an answer, by name: a closed registry.

A request meets a fault by the header `X-Sandbox-Fault: NAME`, by `sandbox:NAME` in its last user message or
by a rule of the script (`script.py`), in this order. `NAME_body`, `NAME_first` and `NAME_in_stream` put an error
that refuses into a 200; see `fault.py`. `FailureKind.UNREACHABLE` has no fault: it is what a client meets where no
sandbox listens, since whatever is received has been sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType

from bot.errors import FailureKind
from bot.openrouter.sandbox import breakages, limited, refusals, unpaid, unroutable
from bot.openrouter.sandbox.catalogue import CLASSIFIER
from bot.openrouter.sandbox.fault import Fault, Scene, alter, break_, half_then, only, places, refuse
from bot.openrouter.sandbox.refusals import Refusal
from bot.openrouter.sandbox.wire import Answer


def _daily(*, bought: bool = False, shapes: int = 2026) -> Callable[[Scene], Refusal]:
    return lambda scene: limited.daily(scene.at, limit=scene.rpd, bought=bought, shapes=shapes)


def _minute(*, shapes: int = 2026) -> Callable[[Scene], Refusal]:
    return lambda scene: limited.minute(scene.at, limit=scene.rpm, shapes=shapes)


def _busy(**given: float | None) -> Callable[[Scene], Refusal]:
    return lambda scene: limited.upstream_busy(scene.model, retry_after=given.get("retry_after"))


def _of_model(make: Callable[[str], Refusal]) -> Callable[[Scene], Refusal]:
    return lambda scene: make(scene.model)


def _budget(source: str) -> Callable[[Scene], Refusal]:
    return lambda scene: unpaid.budget_limit(scene.at, source)


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
    """The faults by name, with the places of each; what is named outright stands for the one that would be made."""
    named = {fault.name: fault for fault in faults}
    made = {place.name: place for fault in named.values() for place in places(fault)}
    return MappingProxyType(made | named)


WHOLE = "whole"
"""Stands for a kind where the answer is whole all the same."""
_K = FailureKind

FAULTS: Mapping[str, Fault] = _registry(
    [
        # The account's limits.
        refuse("account_daily", _K.ACCOUNT_DAILY, _daily()),
        refuse("account_daily_bought", _K.ACCOUNT_DAILY, _daily(bought=True)),
        refuse("account_daily_2025", _K.ACCOUNT_DAILY, _daily(shapes=2025)),
        refuse("account_daily_bought_2025", _K.ACCOUNT_DAILY, _daily(bought=True, shapes=2025)),
        refuse("account_minute", _K.ACCOUNT_MINUTE, _minute()),
        refuse("account_minute_2025", _K.ACCOUNT_MINUTE, _minute(shapes=2025)),
        refuse("platform_unknown", _K.PLATFORM_UNKNOWN, limited.RATE_LIMITED),
        refuse("platform_unknown_2025", _K.PLATFORM_UNKNOWN, limited.RATE_LIMITED_2025),
        refuse("platform_unknown_reset", _K.PLATFORM_UNKNOWN, lambda scene: limited.unnamed(scene.at, limit=scene.rpm)),
        refuse("platform_unknown_word", _K.PLATFORM_UNKNOWN, replace(limited.RATE_LIMITED, word="rate_limit_exceeded")),
        break_("platform_unknown_html", _K.PLATFORM_UNKNOWN, breakages.page_too_many),
        # One model, or its provider, is busy.
        refuse("upstream_model", _K.UPSTREAM_MODEL, _busy()),
        refuse("upstream_model_hint", _K.UPSTREAM_MODEL, _busy(retry_after=10.918)),
        refuse("upstream_model_soon", _K.UPSTREAM_MODEL, _busy(retry_after=1)),
        refuse("upstream_model_said", _K.UPSTREAM_MODEL, limited.UPSTREAM_SAID),
        refuse("upstream_model_2025", _K.UPSTREAM_MODEL, _of_model(limited.upstream_busy_2025)),
        refuse(
            "upstream_model_raw",
            _K.UPSTREAM_MODEL,
            lambda scene: limited.upstream_busy_2025(scene.model, raw='{"detail":"Too many requests"}'),
        ),
        refuse("upstream_model_typed", _K.UPSTREAM_MODEL, limited.PROVIDER_RATE_LIMITED),
        refuse("upstream_model_byok", _K.UPSTREAM_MODEL, _of_model(limited.upstream_byok)),
        refuse("capacity_exhausted", _K.UPSTREAM_MODEL, _of_model(limited.capacity_exhausted)),
        # Money.
        refuse("negative_balance", _K.NEGATIVE_BALANCE, unpaid.NO_CREDITS),
        refuse("negative_balance_2025", _K.NEGATIVE_BALANCE, unpaid.NO_CREDITS_2025),
        refuse("prompt_limit", _K.NEGATIVE_BALANCE, unpaid.PROMPT_LIMIT),
        refuse("cannot_afford", _K.NEGATIVE_BALANCE, unpaid.cannot_afford(32_768, 5_142)),
        refuse("weight_exceeds_budget", _K.NEGATIVE_BALANCE, unpaid.WEIGHT_EXCEEDS_BUDGET),
        refuse("in_flight_budget", _K.IN_FLIGHT_BUDGET, unpaid.IN_FLIGHT_BUDGET),
        refuse("in_flight_reason", _K.IN_FLIGHT_BUDGET, unpaid.IN_FLIGHT_REASON),
        refuse("key_limit", _K.KEY_LIMIT, unpaid.KEY_LIMIT),
        refuse("key_limit_402", _K.KEY_LIMIT, unpaid.KEY_LIMIT_402),
        refuse("budget_limit", _K.KEY_LIMIT, _budget("openrouter_key_limit")),
        refuse("guardrail_budget", _K.KEY_LIMIT, _budget("openrouter_guardrail_budget")),
        refuse("workspace_budget", _K.KEY_LIMIT, _budget("openrouter_workspace_budget")),
        # Who asks, and what.
        refuse("bad_key", _K.BAD_KEY, refusals.UNKNOWN_KEY),
        refuse("no_credentials", _K.BAD_KEY, refusals.NO_CREDENTIALS),
        refuse("no_credentials_2025", _K.BAD_KEY, refusals.NO_CREDENTIALS_2025),
        refuse("no_header", _K.BAD_KEY, refusals.NO_HEADER),
        refuse("moderation", _K.MODERATION, lambda scene: refusals.moderated(scene.model, scene.question)),
        refuse("guardrail", _K.GUARDRAIL, refusals.GUARDRAIL),
        refuse("policy_violation", _K.MODERATION, refusals.POLICY_VIOLATION),
        refuse("management_only", _K.GUARDRAIL, refusals.MANAGEMENT_ONLY),
        refuse("unknown_model", _K.NO_ENDPOINTS, _of_model(refusals.invalid_model)),
        refuse("no_endpoints", _K.NO_ENDPOINTS, _of_model(unroutable.no_endpoints)),
        refuse("free_variant_ended", _K.NO_ENDPOINTS, _of_model(unroutable.free_variant_ended)),
        refuse("data_policy", _K.NO_ENDPOINTS, unroutable.DATA_POLICY),
        refuse("guardrail_policy", _K.NO_ENDPOINTS, unroutable.GUARDRAIL_POLICY),
        refuse("no_images", _K.NO_ENDPOINTS, unroutable.NO_IMAGES),
        refuse("no_tools", _K.NO_ENDPOINTS, unroutable.NO_TOOLS),
        refuse("region_restricted", _K.NO_ENDPOINTS, _of_model(unroutable.region_restricted)),
        refuse("data_policy_2025", _K.NO_ENDPOINTS, unroutable.DATA_POLICY_2025),
        refuse("privacy_restricted", _K.NO_ENDPOINTS, _of_model(unroutable.privacy_restricted)),
        refuse("over_price", _K.NO_ENDPOINTS, _of_model(unroutable.over_price)),
        refuse("deprecated", _K.NO_ENDPOINTS, _of_model(unroutable.deprecated)),
        refuse("not_allowed", _K.NO_ENDPOINTS, unroutable.NOT_ALLOWED),
        refuse("no_match", _K.NO_ENDPOINTS, unroutable.NO_MATCH),
        refuse("no_provider_503", _K.NO_ENDPOINTS, unroutable.NO_PROVIDER_503),
        refuse("unknown_generation", _K.NO_ENDPOINTS, refusals.NO_GENERATION),
        refuse("too_large", _K.TOO_LARGE, refusals.TOO_LARGE),
        refuse("context_length", _K.TOO_LARGE, refusals.context_length(8_192, 9_001)),
        refuse("context_length_2025", _K.TOO_LARGE, refusals.CONTEXT_LENGTH_2025),
        refuse("image_too_large", _K.BAD_IMAGE, refusals.IMAGE_TOO_LARGE),
        refuse("bad_request", _K.BAD_REQUEST, refusals.NO_MESSAGES),
        refuse("reasoning_mandatory", _K.BAD_REQUEST, refusals.REASONING_MANDATORY),
        refuse("unprocessable", _K.BAD_REQUEST, refusals.UNPROCESSABLE),
        refuse("bad_image", _K.BAD_IMAGE, refusals.BAD_IMAGE),
        refuse("zod", _K.BAD_REQUEST, refusals.zod("messages")),
        # Machines.
        refuse("timeout", _K.TIMEOUT, refusals.TIMEOUT),
        refuse("timeout_typed", _K.TIMEOUT, refusals.TIMEOUT_TYPED),
        refuse("gateway_timeout", _K.TIMEOUT, refusals.GATEWAY_TIMEOUT),
        refuse("edge_timeout", _K.TIMEOUT, refusals.EDGE_TIMEOUT),
        refuse("internal_error", _K.PROVIDER_DOWN, refusals.INTERNAL_ERROR),
        refuse("internal_error_2025", _K.PROVIDER_DOWN, refusals.INTERNAL_ERROR_2025),
        refuse("internal_error_word", _K.PROVIDER_DOWN, replace(refusals.INTERNAL_ERROR_2025, word="server_error")),
        refuse("provider_down", _K.PROVIDER_DOWN, refusals.PROVIDER_DOWN),
        refuse("provider_down_2025", _K.PROVIDER_DOWN, refusals.PROVIDER_DOWN_2025),
        refuse("provider_key", _K.PROVIDER_DOWN, refusals.PROVIDER_KEY),
        refuse("unavailable", _K.PROVIDER_DOWN, refusals.UNAVAILABLE),
        refuse("unavailable_soon", _K.PROVIDER_DOWN, _of_model(unroutable.unavailable)),
        refuse("overloaded", _K.PROVIDER_DOWN, refusals.OVERLOADED),
        refuse("overloaded_typed", _K.PROVIDER_DOWN, refusals.OVERLOADED_TYPED),
        break_("edge_html", _K.EDGE_HTML, breakages.page),
        break_("edge_html_200", _K.EDGE_HTML, breakages.page_as_answer),
        break_("edge_blocked", _K.EDGE_HTML, breakages.page_blocked),
        break_("redirect", _K.EDGE_HTML, breakages.redirect),
        # Errors in a 200 that are none of the above in another place.
        alter("provider_down_first", _K.PROVIDER_DOWN, only(refusals.DISCONNECTED)),
        alter("provider_down_in_stream", _K.PROVIDER_DOWN, half_then(refusals.DISCONNECTED)),
        alter("length_in_stream_2025", _K.LENGTH, half_then(refusals.TOKEN_LIMIT_2025, shapes=2025)),
        alter("length_in_stream", _K.LENGTH, half_then(refusals.TOKEN_LIMIT)),
        alter("error_in_stream", _K.ERROR_IN_STREAM, _cut("error")),
        alter("error_native", _K.ERROR_IN_STREAM, _said(finish="stop", native="network_error")),
        break_("malformed", _K.ERROR_IN_STREAM, breakages.malformed),
        # Answers that are none, or not whole.
        alter("empty_answer", _K.EMPTY_ANSWER, _said(finish="stop")),
        alter("blank_answer", _K.EMPTY_ANSWER, _said("\n", "  ", "\n", finish="stop")),
        break_("null_choices", _K.EMPTY_ANSWER, breakages.null_choices),
        break_("whitespace", _K.PROVIDER_DOWN, breakages.whitespace),
        alter("reasoning_only", _K.REASONING_ONLY, _thinks_only),
        alter("content_filter", _K.CONTENT_FILTER, _cut("content_filter")),
        alter("length", _K.LENGTH, _said(finish="length")),
        break_("cut_off", _K.CUT_OFF, breakages.ended_early),
        break_("closed_early", _K.CUT_OFF, breakages.closed_early),
        break_("reset_midway", _K.CUT_OFF, breakages.reset_midway),
        break_("reset_at_once", _K.CUT_OFF, breakages.reset_at_once),
        break_("stall", _K.TIMEOUT, breakages.stalled),
        break_("silent", _K.TIMEOUT, breakages.silent),
        break_("no_body", _K.TIMEOUT, breakages.no_body),
        break_("comments_for_ever", _K.TIMEOUT, breakages.comments_for_ever),
        break_("endless", _K.ENDLESS, breakages.endless),
        break_("endless_line", _K.ENDLESS, breakages.endless_line),
        # Odd, but whole.
        break_("slices", None, breakages.sliced),
        break_("oddities", None, breakages.odd_but_whole),
        break_("no_done", None, breakages.without_done),
        break_("no_usage", None, breakages.without_usage),
        alter("usage_2025", None, lambda answer: replace(answer, shapes=2025)),
        alter("unmarked_model", None, lambda answer: replace(answer, model=answer.model.removesuffix(":free"))),
        alter("shortened", None, _cut("length")),
        alter("classifier", None, _classifier),
        alter("wrong_cost", None, _billed),
    ]
)
"""By name, the places of each fault among them."""


def by_kind() -> Mapping[str, tuple[str, ...]]:
    """The faults that are not another's in another place, by the kind of failure; those that are none come last."""
    own = [fault for fault in FAULTS.values() if fault.of is None]
    kinds = {kind.value: tuple(fault.name for fault in own if fault.means is kind) for kind in FailureKind}
    whole = tuple(fault.name for fault in own if fault.means is None)
    return MappingProxyType({kind: names for kind, names in kinds.items() if names} | {WHOLE: whole})


def faults_of(kind: str) -> tuple[str, ...]:
    """Every fault that means a kind of failure, in every place; `WHOLE` for those that mean none."""
    return tuple(name for name, fault in FAULTS.items() if (fault.means.value if fault.means else WHOLE) == kind)
