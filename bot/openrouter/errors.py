"""What an error of OpenRouter's means: every answer and error object becomes one `UpstreamFailure`.

OpenRouter says what went wrong in four places, newest first: `metadata.limit_source`, the shape of
`metadata` and `availability`, the words of `message`, and the HTTP status. They are asked in that order.
The mistake to avoid is to take one provider's or one member's trouble for the account's: that would stop the
pool for everybody. So the kinds that do are given only on OpenRouter's own word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bot.clock import Clock
from bot.errors import FailureKind, UpstreamFailure
from bot.openrouter import loose
from bot.openrouter.no_route import no_route
from bot.openrouter.retry_at import FARTHEST, retry_at

DETAIL_MAX = 500

_SOURCES: Mapping[str, FailureKind] = {
    "openrouter_free_tier_daily": FailureKind.ACCOUNT_DAILY,
    "openrouter_free_tier_per_minute": FailureKind.ACCOUNT_MINUTE,
    "openrouter_credits": FailureKind.NEGATIVE_BALANCE,
    "openrouter_in_flight_budget": FailureKind.IN_FLIGHT_BUDGET,
    "openrouter_key_limit": FailureKind.KEY_LIMIT,
    "openrouter_guardrail_budget": FailureKind.KEY_LIMIT,
    "openrouter_workspace_budget": FailureKind.KEY_LIMIT,
}
_AVAILABILITY: Mapping[str, FailureKind] = {
    "capacity_exhausted": FailureKind.UPSTREAM_MODEL,
    "temporarily_unavailable": FailureKind.PROVIDER_DOWN,
    "wrong_endpoint": FailureKind.BAD_REQUEST,
    "model_not_found": FailureKind.NO_ENDPOINTS,
    "no_endpoints": FailureKind.NO_ENDPOINTS,
    "model_deprecated": FailureKind.NO_ENDPOINTS,
    "model_unavailable_upstream": FailureKind.NO_ENDPOINTS,
    "region_restricted": FailureKind.NO_ENDPOINTS,
    "privacy_restricted": FailureKind.NO_ENDPOINTS,
    "constraint_filtered": FailureKind.NO_ENDPOINTS,
    "free_variant_ended": FailureKind.NO_ENDPOINTS,
}
_ERROR_TYPES: Mapping[str, FailureKind] = {
    "authentication": FailureKind.BAD_KEY,
    "permission_denied": FailureKind.GUARDRAIL,
    "payment_required": FailureKind.NEGATIVE_BALANCE,
    "content_policy_violation": FailureKind.MODERATION,
    "refusal": FailureKind.MODERATION,
    "context_length_exceeded": FailureKind.TOO_LARGE,
    "string_too_long": FailureKind.TOO_LARGE,
    "payload_too_large": FailureKind.TOO_LARGE,
    "image_too_large": FailureKind.BAD_IMAGE,
    "max_tokens_exceeded": FailureKind.LENGTH,
    "token_limit_exceeded": FailureKind.LENGTH,
    "not_found": FailureKind.NO_ENDPOINTS,
    "invalid_request": FailureKind.BAD_REQUEST,
    "invalid_prompt": FailureKind.BAD_REQUEST,
    "unprocessable": FailureKind.BAD_REQUEST,
    "precondition_failed": FailureKind.BAD_REQUEST,
    "invalid_image": FailureKind.BAD_IMAGE,
    "image_too_small": FailureKind.BAD_IMAGE,
    "unsupported_image_format": FailureKind.BAD_IMAGE,
    "image_not_found": FailureKind.BAD_IMAGE,
    "image_download_failed": FailureKind.BAD_IMAGE,
    "provider_overloaded": FailureKind.PROVIDER_DOWN,
    "provider_unavailable": FailureKind.PROVIDER_DOWN,
    "server": FailureKind.PROVIDER_DOWN,
    "timeout": FailureKind.TIMEOUT,
}
_WORDS: tuple[tuple[frozenset[int], str, FailureKind], ...] = (
    (frozenset({429}), "rate-limited upstream", FailureKind.UPSTREAM_MODEL),
    (frozenset({429}), "provider returned error", FailureKind.UPSTREAM_MODEL),
    (frozenset({402, 403}), "key limit exceeded", FailureKind.KEY_LIMIT),
    (frozenset({402, 403}), "budget limit exceeded", FailureKind.KEY_LIMIT),
    (frozenset({402}), "adjust the key's", FailureKind.KEY_LIMIT),
    (frozenset({402}), "in-flight requests", FailureKind.IN_FLIGHT_BUDGET),
    (frozenset({403}), "moderation", FailureKind.MODERATION),
    (frozenset({403}), "flagged", FailureKind.MODERATION),
    (frozenset({400}), "not a valid model", FailureKind.NO_ENDPOINTS),
    (frozenset({503}), "routing requirements", FailureKind.NO_ENDPOINTS),
    (frozenset({400}), "context length", FailureKind.TOO_LARGE),
    (frozenset({400}), "too long", FailureKind.TOO_LARGE),
    (frozenset({400}), "token limit reached", FailureKind.LENGTH),
)
_CAPS: tuple[tuple[str, FailureKind], ...] = (
    ("free-models-per-day", FailureKind.ACCOUNT_DAILY),
    ("free-models-per-min", FailureKind.ACCOUNT_MINUTE),
)
"""OpenRouter's names of its own caps, in the message of a 429."""
_STATUSES: Mapping[int, FailureKind] = {
    401: FailureKind.BAD_KEY,
    402: FailureKind.NEGATIVE_BALANCE,
    # An unknown refusal fails the message it refused. A key that is really locked answers 401.
    403: FailureKind.GUARDRAIL,
    404: FailureKind.NO_ENDPOINTS,
    408: FailureKind.TIMEOUT,
    413: FailureKind.TOO_LARGE,
    429: FailureKind.PLATFORM_UNKNOWN,
    504: FailureKind.TIMEOUT,
    524: FailureKind.TIMEOUT,
}
_SAME_FROM_AN_EDGE = frozenset({408, 413, 429, 504, 524})
"""Statuses that mean what they say even when a page of HTML comes with them."""
_CODES: Mapping[str, int] = {"rate_limit_exceeded": 429, "server_error": 500, "timeout": 408}
"""Words seen in place of a numeric code, as the code itself or as `error_type` beside none."""
_WINDOWS: Mapping[FailureKind, float] = {FailureKind.ACCOUNT_DAILY: FARTHEST, FailureKind.ACCOUNT_MINUTE: 120.0}
"""Seconds until the reset of a cap of the account's, at most. A minute is over in one; our clock may be behind."""
_PRIVATE = re.compile(r"sk-or-[\w-]+|user_\w+|(?<=/keys/)[\w-]+")
_HTML = re.compile(rb"(\xef\xbb\xbf)?\s*<")
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    """One error as it was reported, its parts found but not yet judged."""

    status: int | None
    committed: bool
    """It came after the request was accepted: in a stream, or in a body under status 200."""
    error: Mapping[str, object]
    message: str
    headers: Mapping[str, str]
    """Of the response and of `metadata.headers`, names in lower case."""
    provider: bool
    """A provider is named as the origin."""

    @property
    def metadata(self) -> Mapping[str, object]:
        return loose.mapping(self.error.get("metadata"))

    @property
    def availability(self) -> Mapping[str, object]:
        return loose.mapping(self.error.get("availability"))


class Failures:
    """Makes every `UpstreamFailure` of one key, with the key kept out of it."""

    def __init__(self, *, clock: Clock, secret: str) -> None:
        self._clock, self._secret = clock, secret

    def of(self, kind: FailureKind, *, status: int | None = None, detail: str = "") -> UpstreamFailure:
        """A failure whose kind is known already."""
        return UpstreamFailure(kind, status=status, detail=self._clean(detail))

    def of_answer(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamFailure:
        """The failure that an answer is which was to be an event stream and is none."""
        html = "html" in headers.get("content-type", "").lower() or _HTML.match(body) is not None
        try:
            document = loose.mapping(loose.parse(body))
        except loose.Unreadable:
            document = {}
        committed = status < 300
        error = document.get("error") or loose.first(document.get("choices")).get("error")
        if committed and document and not error:
            return self.of(FailureKind.EMPTY_ANSWER, status=status)
        report = _report(error, headers, status=None if committed and error else status, committed=committed)
        if html and status not in _SAME_FROM_AN_EDGE:
            return self._judged(FailureKind.EDGE_HTML, report)
        return self._judged(_kind(report), report, body)

    def in_stream(self, error: object, *, provider: object = None) -> UpstreamFailure:
        """The failure an error object is that came inside a stream, with the provider its chunk names."""
        report = _report(error, _NO_HEADERS, status=None, committed=True, provider=bool(provider))
        return self._judged(_kind(report), report)

    def _judged(self, kind: FailureKind, report: _Report, body: bytes = b"") -> UpstreamFailure:
        now = self._clock.now()
        at = retry_at(report.error, report.headers, now, window=_WINDOWS.get(kind))
        raw = loose.text(report.metadata.get("raw"))
        detail = f"{report.message} {raw}" if report.error else report.message or body.decode(errors="replace")
        return UpstreamFailure(
            kind,
            status=report.status,
            retry_at=at,
            limit=loose.count(report.headers.get("x-ratelimit-limit")) or None,
            route=no_route(report.error, report.message) if kind is FailureKind.NO_ENDPOINTS else None,
            detail=self._clean(detail),
        )

    def _clean(self, detail: str) -> str:
        # First redact, then cut: the other way round could leave the better half of a key.
        detail = detail.replace(self._secret, "[key]") if self._secret else detail
        return loose.encodable(" ".join(_PRIVATE.sub("[private]", detail).split())[:DETAIL_MAX])


def _report(
    error: object, headers: Mapping[str, str], *, status: int | None, committed: bool, provider: bool = False
) -> _Report:
    fields = loose.mapping(error)
    metadata = loose.mapping(fields.get("metadata"))
    if status is None:
        status = _code(fields.get("code"))
    if status is None:
        status = _CODES.get(loose.text(metadata.get("error_type")))
    inner = {name.lower(): str(value) for name, value in loose.mapping(metadata.get("headers")).items()}
    return _Report(
        status=status,
        committed=committed,
        error=fields,
        message=loose.text(fields.get("message")) or loose.text(error),
        headers=inner | {name.lower(): value for name, value in headers.items()},
        provider=provider or any(metadata.get(f"provider_{field}") for field in ("name", "code", "error_code")),
    )


def _code(code: object) -> int | None:
    return _CODES.get(code) if isinstance(code, str) and code in _CODES else loose.count(code)


def _kind(report: _Report) -> FailureKind:
    source = loose.text(report.metadata.get("limit_source"))
    if source in _SOURCES:
        return _SOURCES[source]
    if source.startswith("upstream_provider"):
        return FailureKind.UPSTREAM_MODEL
    kind = _kind_by_cap(report) or _kind_by_shape(report) or _kind_by_words(report) or _kind_by_status(report)
    # Once a request was accepted, or where a provider is named, the key and the money at fault are not ours.
    if kind in (FailureKind.BAD_KEY, FailureKind.NEGATIVE_BALANCE) and (report.provider or report.committed):
        return FailureKind.PROVIDER_DOWN
    return kind


def _kind_by_cap(report: _Report) -> FailureKind | None:
    # A refusal's message is OpenRouter's, with the provider's own words in `raw`. That of an error in a stream which
    # names a provider may be the provider's, who may have caps of the same name.
    if report.status != 429 or (report.committed and report.provider):
        return None
    return next((kind for name, kind in _CAPS if name in report.message.lower()), None)


def _kind_by_shape(report: _Report) -> FailureKind | None:
    metadata = report.metadata
    if isinstance(metadata.get("reasons"), list) or "flagged_input" in metadata:
        return FailureKind.MODERATION
    if isinstance(metadata.get("patterns"), list):
        return FailureKind.GUARDRAIL
    if metadata.get("reason") == "in_flight_budget_exhausted":
        return FailureKind.IN_FLIGHT_BUDGET
    if report.error.get("name") == "ZodError":
        return FailureKind.BAD_REQUEST
    if report.status == 429 and report.provider:
        return FailureKind.UPSTREAM_MODEL
    return _AVAILABILITY.get(loose.text(report.availability.get("code"))) or _ERROR_TYPES.get(
        loose.text(metadata.get("error_type"))
    )


def _kind_by_words(report: _Report) -> FailureKind | None:
    message = report.message.lower()
    return next((kind for statuses, words, kind in _WORDS if report.status in statuses and words in message), None)


def _kind_by_status(report: _Report) -> FailureKind:
    status = report.status
    if status is None or (status < 300 and report.error):
        return FailureKind.ERROR_IN_STREAM
    if status == 429 and report.committed:
        return FailureKind.UPSTREAM_MODEL
    if status in _STATUSES:
        return _STATUSES[status]
    if 300 <= status < 400:
        return FailureKind.EDGE_HTML
    return FailureKind.BAD_REQUEST if 400 <= status < 500 else FailureKind.PROVIDER_DOWN
