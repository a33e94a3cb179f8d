"""Everything that can go wrong, as data.

PotluckError
├── SettingsError              a variable is missing or wrong: names it, its fault and the fix
├── StorageError               the database cannot be used as it is
│   └── DatabaseAway           for now: it is full, locked, stopped, or changing hands
├── LinkError                  an account of a member's could not be linked: `fault` says why
├── ReplyError                 ends one message; `code` is what the outside sees, `resets_at` when it works again
│   ├── Refused                a rule of ours: nothing was sent, nothing was charged
│   │   └── AttachmentRefused  a file that came with the message cannot be used: `fault` says why
│   ├── AnswerFailed           OpenRouter or the model
│   ├── Stopped                the member did it
│   └── InternalError          our fault
└── UpstreamFailure            what the OpenRouter client raises: one class of a closed set

No prose for people in here but a log line's worth: `adapters/rendering` has the words for each code.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, TypeAlias

from bot.clock import Instant

if TYPE_CHECKING:
    from bot.messages import ModelId, Usage


class PotluckError(Exception):
    """The root: whatever Potluck itself raises on purpose."""


class SettingsError(PotluckError):
    """A setting cannot be used. Its text is one line a person can act on and never holds a secret."""

    def __init__(self, variable: str, fault: str, fix: str) -> None:
        super().__init__(f"{variable}: {fault}. {fix}")
        self.variable, self.fault, self.fix = variable, fault, fix


class StorageError(PotluckError):
    """The database is newer than this program, belongs to another one, or cannot be opened."""


DatabaseFault: TypeAlias = Literal["full", "away", "read_only", "busy", "broken"]
"""Why a database takes or gives nothing for now. `full`: its disk is; `away`: it cannot be reached; `read_only`: it
takes no changes; `busy`: others are in the way; `broken`: its disk fails."""


class DatabaseAway(StorageError):
    """It cannot be used for now. Nothing of the unit of work has happened, and the same may work later."""

    def __init__(self, fault: DatabaseFault, said: str) -> None:
        super().__init__(said)
        self.fault: DatabaseFault = fault


Shut: TypeAlias = Literal["bad_key", "out_of_credit", "no_free_models", "cost_seen", "guard", "admin"]
"""Why a pool lets nobody through until further notice."""

RefusalCode: TypeAlias = Literal[
    "daily_share_spent",
    "pool_spent",
    "line_full",
    "wait_too_long",
    "pool_paused",
    "member_blocked",
    "channel_closed",
    "model_not_allowed",
    "budget_spent",
    "too_long",
    "attachment_refused",
    "hold_expired",
]
AnswerCode: TypeAlias = Literal[
    "moderated",
    "no_route",
    "upstream_busy",
    "upstream_failed",
    "empty_answer",
    "out_of_credit",
    "bad_key",
]
ErrorCode: TypeAlias = RefusalCode | AnswerCode | Literal["stopped", "internal"]
FailureReason: TypeAlias = Literal[
    "data_policy",
    "model_gone",
    "model_busy",
    "images",
    "tools",
    "context",
    "region",
    "price",
    "key_limit",
    "negative_balance",
    "in_flight",
    "guardrail",
    "moderation",
    "content_filter",
    "timeout",
    "provider_down",
    "platform",
    "edge",
    "unreachable",
    "cut_off",
    "error_in_stream",
    "endless",
    "classifier",
    "reasoning_only",
    "length",
    "bad_request",
    "bad_image",
    "pasted_key",
    "own_key_refused",
    "own_key_day",
    "own_key_minute",
    "own_key_credit",
    "own_key_privacy",
    "database",
]
"""Finer than an `AnswerCode`, for words that say more. Where a reason has none of its own the code's stand.
`pasted_key`: the message itself should be deleted, see `bot.messages.Failed.delete_message`."""


NotAllowed: TypeAlias = Literal[
    "nobody", "denied", "wide", "ended", "model", "price", "needs_ceiling", "unpriced", "unknown", "hidden"
]
"""Why a member may not have a model: see `bot.routing.access.Why`; `unknown`: there is none of that name;
`hidden`: admins have taken it off this community's list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidOffer:
    """What a member may ask for instead, for money."""

    model: ModelId
    most: Decimal
    """US dollars that the question costs at most."""


class ReplyError(PotluckError):
    """Ends one message in words. The code is part of the contract with the outside."""

    code: ErrorCode
    reason: FailureReason | None = None
    """What is known beyond the code."""

    def __init__(self, code: ErrorCode, *, resets_at: Instant | None = None, limit: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.resets_at = resets_at
        """When the same message would work, where that is known."""
        self.limit = limit
        """The number that was passed, where there is one: units a day, tokens, places in line."""


class Refused(ReplyError):
    """Potluck did not send it."""

    def __init__(
        self,
        code: RefusalCode,
        *,
        resets_at: Instant | None = None,
        limit: int | None = None,
        why: NotAllowed | None = None,
        offer: PaidOffer | None = None,
    ) -> None:
        super().__init__(code, resets_at=resets_at, limit=limit)
        self.why = why
        """Of `model_not_allowed`: the reason."""
        self.offer = offer
        """Of `pool_spent`: what the member may have instead."""


AttachmentFault: TypeAlias = Literal[
    "too_many",
    "too_large",
    "too_large_together",
    "no_room",
    "gone",
    "unavailable",
    "empty",
    "web_page",
    "unknown_kind",
    "broken",
    "too_many_pixels",
    "pdf_locked",
    "pdf_without_text",
    "pdf_too_heavy",
    "images",
]
"""Why a file cannot be used. `no_room`: so many others are being read that memory is short; `gone`: it came with an
earlier message, and is kept no more; `unavailable`: the platform did not hand it over; `web_page`: a page came in place
of the file; `images`: no model in question reads any.
"""


class AttachmentRefused(Refused):
    """A file that came with a message cannot be used. Adapters raise it too, for what they need not take in whole."""

    def __init__(self, fault: AttachmentFault, *, name: str = "", limit: int | None = None) -> None:
        """`limit`: what was passed, in files, bytes or pixels as the fault has it."""
        super().__init__("attachment_refused", limit=limit)
        self.fault: AttachmentFault = fault
        self.name = name
        """The file's, as its sender called it: never markup. Empty: it is about all of them."""


class AnswerFailed(ReplyError):
    """It was sent, or OpenRouter could not be reached, and no whole answer came."""

    def __init__(
        self, code: AnswerCode, *, resets_at: Instant | None = None, reason: FailureReason | None = None
    ) -> None:
        super().__init__(code, resets_at=resets_at)
        self.reason = reason


class Stopped(ReplyError):
    """The member stopped it or went away."""

    def __init__(self) -> None:
        super().__init__("stopped")


class InternalError(ReplyError):
    """A fault of Potluck's; the log has the rest. For the reason `database` nothing was sent: it takes nothing now."""

    def __init__(self, reason: Literal["database"] | None = None) -> None:
        super().__init__("internal")
        self.reason = reason


LinkFault: TypeAlias = Literal["no_link", "wrong_code", "not_a_code", "not_a_key", "key_refused", "unreachable"]
"""Why an account could not be linked."""


class LinkError(PotluckError):
    """An account was not linked, and nothing was kept of what was brought."""

    def __init__(self, fault: LinkFault) -> None:
        super().__init__(fault)
        self.fault: LinkFault = fault


class FailureKind(StrEnum):
    """Every way an upstream request can end without a whole answer. Closed: each has one meaning and one act."""

    ACCOUNT_DAILY = "account_daily"
    ACCOUNT_MINUTE = "account_minute"
    UPSTREAM_MODEL = "upstream_model"
    PLATFORM_UNKNOWN = "platform_unknown"
    NEGATIVE_BALANCE = "negative_balance"
    KEY_LIMIT = "key_limit"
    IN_FLIGHT_BUDGET = "in_flight_budget"
    BAD_KEY = "bad_key"
    MODERATION = "moderation"
    GUARDRAIL = "guardrail"
    NO_ENDPOINTS = "no_endpoints"
    TOO_LARGE = "too_large"
    BAD_REQUEST = "bad_request"
    BAD_IMAGE = "bad_image"
    TIMEOUT = "timeout"
    PROVIDER_DOWN = "provider_down"
    UNREACHABLE = "unreachable"
    EDGE_HTML = "edge_html"
    EMPTY_ANSWER = "empty_answer"
    REASONING_ONLY = "reasoning_only"
    CUT_OFF = "cut_off"
    ERROR_IN_STREAM = "error_in_stream"
    CONTENT_FILTER = "content_filter"
    LENGTH = "length"
    ENDLESS = "endless"


NoRoute: TypeAlias = Literal["data_policy", "model_gone", "images", "tools", "context", "region", "price", "other"]
"""Why OpenRouter found no endpoint for a request."""


class UpstreamFailure(PotluckError):
    """An upstream request ended without a whole answer."""

    def __init__(
        self,
        kind: FailureKind,
        *,
        status: int | None = None,
        retry_at: Instant | None = None,
        limit: int | None = None,
        route: NoRoute | None = None,
        detail: str = "",
        generation: str = "",
        usage: Usage | None = None,
    ) -> None:
        super().__init__(kind.value)
        self.kind = kind
        self.status = status
        """HTTP status or the code inside the error object."""
        self.retry_at = retry_at
        """When OpenRouter says it would work again; None where it did not say."""
        self.limit = limit
        """The cap it named (`X-RateLimit-Limit`), where it did."""
        self.route = route
        """Of `NO_ENDPOINTS`: why; None for every other kind."""
        self.detail = detail
        """For the operator's log at DEBUG only: may hold provider text. Never shown, never logged above DEBUG."""
        self.generation = generation
        """OpenRouter's id of the answer that had begun, to ask `/generation` what it cost; empty: it named none."""
        self.usage = usage
        """What OpenRouter said it cost before it failed; None: it had not said."""


AccountTrouble: TypeAlias = Literal["bad_key", "out_of_credit", "no_free_models"]
"""What can be wrong with the account as a whole, so that nobody's question would be answered."""
