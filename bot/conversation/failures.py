"""What an upstream failure means: to the member who asked, to the operator, and whether another attempt is worth it."""

from __future__ import annotations

from typing import NamedTuple

from bot.clock import Instant
from bot.errors import (
    AnswerCode,
    AnswerFailed,
    FailureKind,
    FailureReason,
    NoRoute,
    Refused,
    ReplyError,
    UpstreamFailure,
)
from bot.ports import ModelEnd


class _Meaning(NamedTuple):
    code: AnswerCode
    reason: FailureReason | None
    operator: str
    """One line for the log, which says what to do if there is anything to do."""
    members_doing: bool = False
    """What the member wrote was the cause."""


_MEANINGS: dict[FailureKind, _Meaning] = {
    FailureKind.ACCOUNT_DAILY: _Meaning(
        "upstream_busy", None, "the account's free requests of the day are spent: nothing is sent until 00:00 UTC"
    ),
    FailureKind.ACCOUNT_MINUTE: _Meaning(
        "upstream_busy", None, "the account's free requests of the minute are spent: the pool waits for the next one"
    ),
    FailureKind.UPSTREAM_MODEL: _Meaning("upstream_busy", None, "a model's provider had no room: the model rests"),
    FailureKind.PLATFORM_UNKNOWN: _Meaning(
        "upstream_busy", "platform", "OpenRouter asked for fewer requests without a reason: the pool pauses"
    ),
    FailureKind.IN_FLIGHT_BUDGET: _Meaning(
        "upstream_busy", "in_flight", "the account's credit is taken up by requests under way: nothing to do"
    ),
    FailureKind.NEGATIVE_BALANCE: _Meaning(
        "out_of_credit", "negative_balance", "OpenRouter asks for money: if the balance is negative, add credit to it"
    ),
    FailureKind.KEY_LIMIT: _Meaning(
        "out_of_credit", "key_limit", "the key has reached its limit: raise it at openrouter.ai/settings/keys"
    ),
    FailureKind.BAD_KEY: _Meaning(
        "bad_key", None, "OpenRouter did not accept the key: if that goes on, set OPENROUTER_API_KEY to another"
    ),
    FailureKind.MODERATION: _Meaning("moderated", "moderation", "a model's moderation refused a question", True),
    FailureKind.GUARDRAIL: _Meaning(
        "moderated", "guardrail", "a guardrail of the account's refused a question: see openrouter.ai/settings", True
    ),
    FailureKind.CONTENT_FILTER: _Meaning("moderated", "content_filter", "a model's filter ended an answer", True),
    FailureKind.NO_ENDPOINTS: _Meaning("no_route", None, "OpenRouter has no model for a question"),
    FailureKind.TOO_LARGE: _Meaning("upstream_failed", "context", "a question was too long for its model", True),
    FailureKind.BAD_REQUEST: _Meaning("upstream_failed", "bad_request", "OpenRouter did not take a request", True),
    FailureKind.TIMEOUT: _Meaning("upstream_failed", "timeout", "a model did not answer in time"),
    FailureKind.PROVIDER_DOWN: _Meaning("upstream_failed", "provider_down", "a model's provider failed"),
    FailureKind.UNREACHABLE: _Meaning(
        "upstream_failed", "unreachable", "OpenRouter cannot be reached: check the network and OPENROUTER_BASE_URL"
    ),
    FailureKind.EDGE_HTML: _Meaning("upstream_failed", "edge", "OpenRouter's edge answered in its place"),
    FailureKind.CUT_OFF: _Meaning("upstream_failed", "cut_off", "an answer was cut off"),
    FailureKind.ERROR_IN_STREAM: _Meaning("upstream_failed", "error_in_stream", "a model failed while it answered"),
    FailureKind.ENDLESS: _Meaning("upstream_failed", "endless", "an answer had no end and was cut off"),
    FailureKind.EMPTY_ANSWER: _Meaning("empty_answer", None, "a model answered nothing"),
    FailureKind.REASONING_ONLY: _Meaning("empty_answer", "reasoning_only", "a model only reasoned"),
    FailureKind.LENGTH: _Meaning("empty_answer", "length", "a model used its room up before it answered"),
}
_NO_ROUTE: dict[NoRoute, FailureReason] = {
    "data_policy": "data_policy",
    "model_gone": "model_gone",
    "images": "images",
    "tools": "tools",
    "context": "context",
    "region": "region",
    "price": "price",
}
_DATA_POLICY = "the account's privacy settings forbid a free model: allow them at openrouter.ai/settings/privacy"


class VerdictOnlyError(UpstreamFailure):
    """A safety classifier was picked, and judged the question."""

    def __init__(self, end: ModelEnd) -> None:
        super().__init__(FailureKind.EMPTY_ANSWER, generation=end.generation, usage=end.usage)


def reply_error(failure: UpstreamFailure, *, day_resets_at: Instant) -> ReplyError:
    """The one error a failure ends a reply with."""
    if failure.kind is FailureKind.ACCOUNT_DAILY:
        return Refused("pool_spent", resets_at=day_resets_at, limit=failure.limit)
    if failure.kind is FailureKind.TOO_LARGE:
        return Refused("too_long")
    meaning = _MEANINGS[failure.kind]
    if isinstance(failure, VerdictOnlyError):
        return AnswerFailed(meaning.code, reason="classifier")
    reason = _NO_ROUTE.get(failure.route) if failure.route is not None else meaning.reason
    return AnswerFailed(meaning.code, resets_at=failure.retry_at, reason=reason)


def own_error(failure: UpstreamFailure, *, day_resets_at: Instant) -> ReplyError:
    """The same where the account is the member's own, so that what is wrong with it is the member's to see to."""
    match failure.kind:
        case FailureKind.BAD_KEY:
            return AnswerFailed("bad_key", reason="own_key_refused")
        case FailureKind.ACCOUNT_DAILY:
            return AnswerFailed("upstream_busy", resets_at=failure.retry_at or day_resets_at, reason="own_key_day")
        case FailureKind.ACCOUNT_MINUTE:
            return AnswerFailed("upstream_busy", resets_at=failure.retry_at, reason="own_key_minute")
        case FailureKind.NEGATIVE_BALANCE | FailureKind.KEY_LIMIT:
            return AnswerFailed("out_of_credit", reason="own_key_credit")
        case FailureKind.NO_ENDPOINTS if failure.route == "data_policy":
            return AnswerFailed("no_route", reason="own_key_privacy")
        case _:
            return reply_error(failure, day_resets_at=day_resets_at)


def for_the_operator(failure: UpstreamFailure) -> str:
    """A line for the log."""
    return _DATA_POLICY if failure.route == "data_policy" else _MEANINGS[failure.kind].operator


def gives_back(failure: UpstreamFailure, *, shown: bool) -> bool:
    """The member's unit comes back: nothing was shown, and nothing the member wrote was the cause."""
    return not shown and not _MEANINGS[failure.kind].members_doing


def worth_another(failure: UpstreamFailure, *, shown: bool) -> bool:
    """Another model might answer now. Everything else would fail again, or is not ours to decide, and costs a unit."""
    return failure.kind is FailureKind.UPSTREAM_MODEL and not shown
