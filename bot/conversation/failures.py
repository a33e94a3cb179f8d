"""What an upstream failure means to the member who asked, and whether another attempt is worth it."""

from __future__ import annotations

from typing import NamedTuple

from bot.chat_model import ModelEnd
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


class _Meaning(NamedTuple):
    code: AnswerCode
    reason: FailureReason | None
    members_doing: bool = False
    """What the member wrote was the cause."""


_MEANINGS: dict[FailureKind, _Meaning] = {
    FailureKind.ACCOUNT_DAILY: _Meaning("upstream_busy", None),
    FailureKind.ACCOUNT_MINUTE: _Meaning("upstream_busy", None),
    FailureKind.UPSTREAM_MODEL: _Meaning("upstream_busy", None),
    FailureKind.PLATFORM_UNKNOWN: _Meaning("upstream_busy", "platform"),
    FailureKind.IN_FLIGHT_BUDGET: _Meaning("upstream_busy", "in_flight"),
    FailureKind.NEGATIVE_BALANCE: _Meaning("out_of_credit", "negative_balance"),
    FailureKind.KEY_LIMIT: _Meaning("out_of_credit", "key_limit"),
    FailureKind.BAD_KEY: _Meaning("bad_key", None),
    FailureKind.MODERATION: _Meaning("moderated", "moderation", True),
    FailureKind.GUARDRAIL: _Meaning("moderated", "guardrail", True),
    FailureKind.CONTENT_FILTER: _Meaning("moderated", "content_filter", True),
    FailureKind.NO_ENDPOINTS: _Meaning("no_route", None),
    FailureKind.TOO_LARGE: _Meaning("upstream_failed", "context", True),
    FailureKind.BAD_REQUEST: _Meaning("upstream_failed", "bad_request", True),
    FailureKind.BAD_IMAGE: _Meaning("upstream_failed", "bad_image", True),
    FailureKind.TIMEOUT: _Meaning("upstream_failed", "timeout"),
    FailureKind.PROVIDER_DOWN: _Meaning("upstream_failed", "provider_down"),
    FailureKind.UNREACHABLE: _Meaning("upstream_failed", "unreachable"),
    FailureKind.EDGE_HTML: _Meaning("upstream_failed", "edge"),
    FailureKind.CUT_OFF: _Meaning("upstream_failed", "cut_off"),
    FailureKind.ERROR_IN_STREAM: _Meaning("upstream_failed", "error_in_stream"),
    FailureKind.ENDLESS: _Meaning("upstream_failed", "endless"),
    FailureKind.EMPTY_ANSWER: _Meaning("empty_answer", None),
    FailureKind.REASONING_ONLY: _Meaning("empty_answer", "reasoning_only"),
    FailureKind.LENGTH: _Meaning("empty_answer", "length"),
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


class VerdictOnlyError(UpstreamFailure):
    """A safety classifier was picked, and judged the question."""

    def __init__(self, end: ModelEnd) -> None:
        super().__init__(FailureKind.EMPTY_ANSWER, generation=end.generation, usage=end.usage)


def reply_error(failure: UpstreamFailure, *, day_resets_at: Instant, named: bool = False) -> ReplyError:
    """The one error a failure ends a reply with. `named`: one model was asked for, so that it is about that one."""
    if failure.kind is FailureKind.ACCOUNT_DAILY:
        return Refused("pool_spent", resets_at=day_resets_at, limit=failure.limit)
    if failure.kind is FailureKind.TOO_LARGE:
        return Refused("too_long")
    meaning = _MEANINGS[failure.kind]
    if isinstance(failure, VerdictOnlyError):
        return AnswerFailed(meaning.code, reason="classifier")
    reason = _NO_ROUTE.get(failure.route) if failure.route is not None else meaning.reason
    if named and failure.kind is FailureKind.UPSTREAM_MODEL:
        reason = "model_busy"
    return AnswerFailed(meaning.code, resets_at=failure.retry_at, reason=reason)


def own_error(failure: UpstreamFailure, *, day_resets_at: Instant, named: bool = False) -> ReplyError:
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
            return reply_error(failure, day_resets_at=day_resets_at, named=named)


def gives_back(failure: UpstreamFailure, *, shown: bool) -> bool:
    """The member's unit comes back: nothing was shown, and nothing the member wrote was the cause."""
    return not shown and not _MEANINGS[failure.kind].members_doing


def worth_another(failure: UpstreamFailure, *, shown: bool) -> bool:
    """Another model might answer now. Everything else would fail again, or is not ours to decide, and costs a unit."""
    return failure.kind is FailureKind.UPSTREAM_MODEL and not shown
