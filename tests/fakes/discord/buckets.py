"""Rate limits that really limit: buckets by route and channel, one for the whole bot, a count of what was invalid."""

from __future__ import annotations

import re
from dataclasses import dataclass

from aiohttp import web

from bot.clock import Clock

GLOBAL, GLOBAL_SECONDS = 50, 1.0
OLD_EDITS, OLD_EDITS_SECONDS = 3, 20.0
"""Of messages older than an hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One kind of route: how many requests in how many seconds, for each value of its first group."""

    name: str
    method: str
    path: re.Pattern[str]
    limit: int
    seconds: float


def _rule(name: str, method: str, path: str, limit: int, seconds: float) -> Rule:
    return Rule(name=name, method=method, path=re.compile(path), limit=limit, seconds=seconds)


RULES = (
    _rule("create", "POST", r"/channels/(\d+)/messages", 5, 5.0),
    _rule("edit", "PATCH", r"/channels/(\d+)/messages/\d+", 5, 5.0),
    _rule("delete", "DELETE", r"/channels/(\d+)/messages/\d+", 5, 1.0),
    _rule("typing", "POST", r"/channels/(\d+)/typing", 5, 5.0),
    _rule("react", "PUT", r"/channels/(\d+)/messages/\d+/reactions/.*", 1, 0.25),
    _rule("webhook", "(POST|PATCH)", r"/webhooks/(\d+/[^/]+)(/messages/.*)?", 5, 2.0),
    _rule("commands", "PUT", r"/applications/(\d+)/commands", 2, 20.0),
)


@dataclass
class _Window:
    began: float
    used: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limited:
    """A request that came too early."""

    at: float
    scope: str
    path: str


class Buckets:
    """See the module."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: dict[tuple[str, str], _Window] = {}
        self.limited: list[Limited] = []
        """Every 429 there was."""
        self.invalid: list[tuple[float, int]] = []
        """Answers that count against the bot's address: 401, 403, and 429 that are not shared."""
        self.shared_for = 0.0
        """Seconds for which creating messages is limited by what others do."""

    def exhaust(self, name: str, major: object, *, seconds: float) -> None:
        """Nothing of that kind goes through for so long, as if others had used it all up."""
        rule = next(rule for rule in RULES if rule.name == name)
        began = self._clock.now() + seconds - rule.seconds
        self._windows[name, str(major)] = _Window(began=began, used=rule.limit)

    def take(self, method: str, path: str) -> tuple[dict[str, str], web.Response | None]:
        """Count a request: the headers of its answer, and the answer itself if it came too early."""
        now = self._clock.now()
        rule = next((rule for rule in RULES if re.fullmatch(rule.method, method) and rule.path.fullmatch(path)), None)
        if rule is None:
            return {}, None
        found = rule.path.fullmatch(path)
        assert found is not None
        if rule.name == "create" and self.shared_for:
            again, self.shared_for = self.shared_for, 0.0
            return {}, self._refuse("shared", path, again, {})
        if rule.name != "webhook":
            whole = self._window("global", "", GLOBAL_SECONDS, now)
            whole.used += 1
            if whole.used > GLOBAL:
                return {}, self._refuse("global", path, whole.began + GLOBAL_SECONDS - now, {})
        window = self._window(rule.name, found[1], rule.seconds, now)
        window.used += 1
        resets = window.began + rule.seconds
        headers = {
            "X-RateLimit-Limit": str(rule.limit),
            "X-RateLimit-Remaining": str(max(0, rule.limit - window.used)),
            "X-RateLimit-Reset": f"{resets:.3f}",
            "X-RateLimit-Reset-After": f"{resets - now:.3f}",
            "X-RateLimit-Bucket": f"hash-of-{rule.name}",
        }
        if window.used > rule.limit:
            return headers, self._refuse("user", path, resets - now, headers)
        return headers, None

    def old_edit(self, path: str, message: str) -> web.Response | None:
        """Count an edit of a message that is older than an hour."""
        now = self._clock.now()
        window = self._window("old", message, OLD_EDITS_SECONDS, now)
        window.used += 1
        return (
            self._refuse("user", path, window.began + OLD_EDITS_SECONDS - now, {}) if window.used > OLD_EDITS else None
        )

    def note(self, status: int) -> None:
        if status in (401, 403):
            self.invalid.append((self._clock.now(), status))

    def _window(self, name: str, major: str, seconds: float, now: float) -> _Window:
        window = self._windows.get((name, major))
        if window is None or now >= window.began + seconds:
            window = self._windows[name, major] = _Window(began=now)
        return window

    def _refuse(self, scope: str, path: str, again: float, headers: dict[str, str]) -> web.Response:
        now = self._clock.now()
        self.limited.append(Limited(at=now, scope=scope, path=path))
        if scope != "shared":
            self.invalid.append((now, 429))
        body = {"message": "You are being rate limited.", "retry_after": again, "global": scope == "global"}
        more = {"Retry-After": f"{again:.3f}", "X-RateLimit-Scope": scope, "Via": "1.1 google"}
        if scope == "global":
            more["X-RateLimit-Global"] = "true"
        return web.json_response(body, status=429, headers=headers | more)
