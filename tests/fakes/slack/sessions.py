"""Agent sessions and the older status line of assistant threads."""

from __future__ import annotations

from tests.fakes.slack.web_api import ApiError, Call, Method, need
from tests.fakes.slack.world import Json

STATUSES = ("active", "processing", "suspended", "closed")


class Sessions:
    """See the module."""

    def __init__(self) -> None:
        self.statuses: dict[tuple[str, str], list[str]] = {}
        """Every status a thread's session had, in order."""
        self.legacy: dict[tuple[str, str], list[str]] = {}
        """The same of the older line: free text, empty once it was taken away."""
        self.prompts: list[Json] = []

    def methods(self) -> dict[str, Method]:
        return {
            "agents.sessions.setStatus": self.set_status,
            "assistant.threads.setStatus": self.set_legacy,
            "assistant.threads.setSuggestedPrompts": self.suggest,
        }

    def status(self, channel: str, root: str) -> str | None:
        """What the person sees; None: there is no session."""
        return self.statuses.get((channel, root), [None])[-1]

    def begin(self, channel: str, root: str) -> None:
        """A stream makes a session by itself."""
        if (channel, root) not in self.statuses:
            self.set(channel, root, "processing")

    def check(self, status: str) -> None:
        if status not in STATUSES:
            raise ApiError("invalid_arguments")

    def set(self, channel: str, root: str, status: str) -> None:
        self.statuses.setdefault((channel, root), []).append(status)

    def set_status(self, call: Call) -> Json:
        channel, status = need(call, "channel_id", "status")
        if not call.team.agent:
            raise ApiError("not_authorized")
        self.check(status)
        self.set(channel, call.args.get("thread_ts", ""), status)
        return {}

    def set_legacy(self, call: Call) -> Json:
        channel, root = need(call, "channel_id", "thread_ts")
        if "status" not in call.args:
            raise ApiError("invalid_arguments")
        self.legacy.setdefault((channel, root), []).append(call.args["status"])
        return {}

    def suggest(self, call: Call) -> Json:
        _, prompts = need(call, "channel_id", "prompts")
        if len(prompts) > 4:
            raise ApiError("invalid_arguments")
        self.prompts.append(call.args)
        return {}
