"""Who and what there is in this Slack: organisations, workspaces, people, channels, messages."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from bot.clock import Clock

Json: TypeAlias = dict[str, Any]

TIME_TO_LIVE = 300.0
"""Seconds of a stream from its start, whatever is appended meanwhile."""


@dataclass(kw_only=True)
class User:
    id: str
    team: str
    name: str
    enterprise: str = ""
    is_admin: bool = False
    is_owner: bool = False
    is_bot: bool = False
    deleted: bool = False
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    locale: str = "en-US"

    def seen_from(self, team: Team) -> Json:
        """The user as `users.info` tells it to an app of a workspace."""
        abroad = self.team != team.id and not (self.enterprise and self.enterprise == team.enterprise)
        told: Json = {
            "id": self.id,
            "team_id": self.team,
            "name": self.name,
            "real_name": self.name.title(),
            "deleted": self.deleted,
            "is_bot": self.is_bot,
            "is_app_user": False,
            "updated": 1_700_000_000,
            "tz": "Europe/Berlin",
            "tz_offset": 3600,
            "locale": self.locale,
            "profile": {"display_name": self.name, "real_name": self.name.title(), "team": self.team},
        }
        if abroad:
            told["is_stranger"] = True
        else:
            told |= {
                "is_admin": self.is_admin,
                "is_owner": self.is_owner,
                "is_primary_owner": False,
                "is_restricted": self.is_restricted,
                "is_ultra_restricted": self.is_ultra_restricted,
            }
        if self.enterprise:
            told["enterprise_user"] = {"id": self.id, "enterprise_id": self.enterprise, "teams": [self.team]}
        return told


@dataclass(kw_only=True)
class Team:
    id: str
    name: str = "Acme"
    enterprise: str = ""
    agent: bool = True
    """False: a workspace without agent sessions, where only the older status calls work."""
    streams: bool = True
    """False: the streaming methods are unknown, as in GovSlack."""
    bot_token: str = ""
    bot_user: str = "UBOT"
    bot_id: str = "BBOT"
    scopes: tuple[str, ...] = ()
    """What its token may; empty: Slack does not say."""
    revoked: bool = False
    by_organisation: bool = False
    """Its organisation installed the app, for all of its workspaces: the token is the organisation's."""


@dataclass(kw_only=True)
class Channel:
    id: str
    team: str
    kind: str = "channel"
    """channel, group, im or mpim, as events say it."""
    name: str = "general"
    members: set[str] = field(default_factory=set)
    archived: bool = False
    shared: bool = False
    """Shared with another organisation, as in Slack Connect."""


@dataclass(kw_only=True)
class Hosted:
    """A file that the app uploaded. Until it is shared nobody but the app can open it."""

    name: str
    content: bytes = b""
    type: str = ""
    """Empty until Slack has looked it over."""
    alt: str = ""
    ready_at: float | None = None
    """None: it was not completed."""
    shared_in: set[str] = field(default_factory=set)


@dataclass(kw_only=True)
class Message:
    channel: str
    ts: str
    thread: str | None
    user: str
    text: str = ""
    blocks: list[Json] = field(default_factory=list)
    streamed: str = ""
    tasks: dict[str, Json] = field(default_factory=dict)
    task_titles: list[str] = field(default_factory=list)
    """Every title a task of it ever had."""
    stream: str = ""
    """live, over, stopped_by_user; empty: it never was a stream."""
    started_at: float = 0.0
    recipient: tuple[str, str] | None = None
    only_for: str | None = None
    """Of an ephemeral message: who sees it."""
    sent: Json = field(default_factory=dict)
    """The arguments it was posted with."""
    edits: int = 0
    deleted: bool = False

    @property
    def shown(self) -> str:
        """The text a person reads, without what stands beside it (footers, buttons)."""
        told = [block["text"] for block in self.blocks if block["type"] == "markdown"]
        if not self.streamed and not told:
            return self.text
        return "\n\n".join(part for part in (self.streamed, *told) if part)

    @property
    def beside(self) -> str:
        """Everything else that is written on it: footers, alerts, buttons."""
        return " ".join(words_of([block for block in self.blocks if block["type"] != "markdown"]))


def words_of(tree: Any) -> list[str]:
    """All texts in blocks."""
    if isinstance(tree, dict):
        own = [tree["text"]] if isinstance(tree.get("text"), str) else []
        return own + [word for value in tree.values() for word in words_of(value)]
    if isinstance(tree, list):
        return [word for value in tree for word in words_of(value)]
    return []


class World:
    """See the module."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.teams: dict[str, Team] = {}
        self.users: dict[str, User] = {}
        self.channels: dict[str, Channel] = {}
        self.messages: dict[tuple[str, str], Message] = {}
        self.groups: dict[str, set[str]] = {}
        """User groups: who is in each."""
        self.hosted: dict[str, Hosted] = {}
        self.app_token = "xapp-1-A1-token"
        self.app_id = "A1"
        self._ids = itertools.count(1)
        self._last_ts = 0

    def number(self) -> int:
        return next(self._ids)

    def ts(self) -> str:
        """A moment that no other message has."""
        self._last_ts = max(self._last_ts + 1, round(self.clock.now() * 1_000_000))
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def team(self, id: str, **more: Any) -> Team:
        team = self.teams[id] = Team(id=id, **{"bot_token": f"xoxb-{id}", "bot_user": f"UBOT{id}"} | more)
        self.users[team.bot_user] = User(
            id=team.bot_user, team=id, name="potluck", is_bot=True, enterprise=team.enterprise
        )
        return team

    def organisation(self, id: str, *teams: str) -> Team:
        """An organisation that installed the app for workspaces of its own: one token and one bot for all."""
        whole = self.team(id, name="Org", enterprise=id, by_organisation=True)
        for team in teams:
            self.team(team, enterprise=id, bot_token="", bot_user=whole.bot_user, by_organisation=True)
        return whole

    def channel(self, id: str, team: str, **more: Any) -> Channel:
        channel = self.channels[id] = Channel(id=id, team=team, **more)
        channel.members.add(self.teams[team].bot_user)
        return channel

    def post(self, message: Message) -> Message:
        self.messages[message.channel, message.ts] = message
        return message

    def alive(self, message: Message) -> bool:
        """A stream grows, and is not too old for it."""
        if message.stream == "live" and self.clock.monotonic() - message.started_at >= TIME_TO_LIVE:
            message.stream = "over"
        return message.stream == "live"

    def ready(self, file: str) -> bool:
        """A file was uploaded and looked over: it can stand in a block."""
        hosted = self.hosted.get(file)
        if hosted is None or hosted.ready_at is None or self.clock.monotonic() < hosted.ready_at:
            return False
        hosted.type = "image/png" if hosted.content.startswith(b"\x89PNG") else "text/plain"
        return True

    def by_token(self, token: str) -> Team | None:
        return next((team for team in self.teams.values() if team.bot_token == token), None)

    def thread(self, channel: str, root: str, *, bots: bool = True) -> list[Message]:
        """What stands in a thread below its first message, oldest first, without what was deleted."""
        return [
            one
            for one in sorted(self.messages.values(), key=lambda one: one.ts)
            if one.channel == channel
            and one.thread == root
            and not one.deleted
            and (bots == one.user.startswith("UBOT"))
        ]
