"""What an upstream failure means to the member who asked."""

from __future__ import annotations

from bot.clock import Instant
from bot.errors import AnswerCode, AnswerFailed, FailureKind, Refused, ReplyError, UpstreamFailure

_CODES: dict[FailureKind, AnswerCode] = {
    FailureKind.ACCOUNT_MINUTE: "upstream_busy",
    FailureKind.UPSTREAM_MODEL: "upstream_busy",
    FailureKind.PLATFORM_UNKNOWN: "upstream_busy",
    FailureKind.IN_FLIGHT_BUDGET: "upstream_busy",
    FailureKind.NEGATIVE_BALANCE: "out_of_credit",
    FailureKind.KEY_LIMIT: "out_of_credit",
    FailureKind.BAD_KEY: "bad_key",
    FailureKind.MODERATION: "moderated",
    FailureKind.GUARDRAIL: "moderated",
    FailureKind.CONTENT_FILTER: "moderated",
    FailureKind.NO_ENDPOINTS: "no_route",
    FailureKind.BAD_REQUEST: "upstream_failed",
    FailureKind.TIMEOUT: "upstream_failed",
    FailureKind.PROVIDER_DOWN: "upstream_failed",
    FailureKind.UNREACHABLE: "upstream_failed",
    FailureKind.EDGE_HTML: "upstream_failed",
    FailureKind.CUT_OFF: "upstream_failed",
    FailureKind.ERROR_IN_STREAM: "upstream_failed",
    FailureKind.ENDLESS: "upstream_failed",
    FailureKind.EMPTY_ANSWER: "empty_answer",
    FailureKind.REASONING_ONLY: "empty_answer",
    FailureKind.LENGTH: "empty_answer",
}

_MEMBERS_DOING = frozenset(
    {
        FailureKind.MODERATION,
        FailureKind.GUARDRAIL,
        FailureKind.CONTENT_FILTER,
        FailureKind.TOO_LARGE,
        FailureKind.BAD_REQUEST,
    }
)


def reply_error(failure: UpstreamFailure, *, day_resets_at: Instant) -> ReplyError:
    """The one error a failure ends a reply with."""
    if failure.kind is FailureKind.ACCOUNT_DAILY:
        return Refused("pool_spent", resets_at=day_resets_at, limit=failure.limit)
    if failure.kind is FailureKind.TOO_LARGE:
        return Refused("too_long")
    return AnswerFailed(_CODES[failure.kind], resets_at=failure.retry_at)


def gives_back(failure: UpstreamFailure, *, shown: bool) -> bool:
    """The member's unit comes back: nothing was shown, and nothing the member wrote was the cause."""
    return not shown and failure.kind not in _MEMBERS_DOING
