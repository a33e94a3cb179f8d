"""Who and where: users, servers, channels, and how Discord writes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

from bot.clock import Clock

Payload: TypeAlias = dict[str, Any]
Event: TypeAlias = Callable[[str, Payload], None]

EPOCH_MS = 1_420_070_400_000
"""Snowflakes count from here."""

TEXT, DM, PUBLIC_THREAD = 0, 1, 11
VIEW_CHANNEL, SEND_MESSAGES, MANAGE_MESSAGES = 1 << 10, 1 << 11, 1 << 13
ATTACH_FILES, READ_HISTORY, SEND_IN_THREADS = 1 << 15, 1 << 16, 1 << 38
EVERYONE_MAY = VIEW_CHANNEL | SEND_MESSAGES | ATTACH_FILES | READ_HISTORY | SEND_IN_THREADS | (1 << 6) | (1 << 14)


class Refused(Exception):
    """An error of Discord's API."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass
class Channel:
    id: int
    type: int
    guild: int | None = None
    name: str = ""
    parent: int | None = None
    people: tuple[int, ...] = ()
    denied: int = 0
    """What nobody but its owner may do here."""
    archived: bool = False
    locked: bool = False
    messages: list[Payload] = field(default_factory=list)


class Places:
    """See the module. `tell` hands an event to whoever may see it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last_id = 0
        self.tell: Event = lambda name, data: None
        self.bot = self.user("Potluck", bot=True)
        self.application = self.bot["id"]
        self.users: dict[int, Payload] = {int(self.bot["id"]): self.bot}
        self.guilds: dict[int, Payload] = {}
        self.left: set[int] = set()
        """Servers it is in no more."""
        self.channels: dict[int, Channel] = {}

    # --- making things -----------------------------------------------------------------------------------

    def snowflake(self) -> int:
        wanted = (int(self._clock.now() * 1000) - EPOCH_MS) << 22
        self._last_id = max(wanted, self._last_id + 1)
        return self._last_id

    def now(self) -> str:
        return datetime.fromtimestamp(self._clock.now(), UTC).isoformat()

    def user(self, name: str, *, bot: bool = False) -> Payload:
        return {
            "id": str(self.snowflake()),
            "username": name.lower(),
            "global_name": name,
            "discriminator": "0",
            "avatar": None,
            "bot": bot,
            "public_flags": 0,
        }

    def guild(self, name: str = "Kitchen") -> Payload:
        number = self.snowflake()
        guild: Payload = {
            "id": str(number),
            "name": name,
            "owner_id": "1",
            "icon": None,
            "splash": None,
            "discovery_splash": None,
            "banner": None,
            "description": None,
            "vanity_url_code": None,
            "preferred_locale": "en-US",
            "afk_channel_id": None,
            "afk_timeout": 300,
            "system_channel_id": None,
            "system_channel_flags": 0,
            "rules_channel_id": None,
            "public_updates_channel_id": None,
            "verification_level": 0,
            "default_message_notifications": 0,
            "explicit_content_filter": 0,
            "mfa_level": 0,
            "nsfw_level": 0,
            "premium_tier": 0,
            "premium_progress_bar_enabled": False,
            "features": [],
            "emojis": [],
            "stickers": [],
            "roles": [
                self._role(number, "@everyone", EVERYONE_MAY),
                {**self._role(self.snowflake(), "Potluck", 0), "managed": True, "tags": {"bot_id": self.bot["id"]}},
            ],
            "members": [],
            "threads": [],
            "presences": [],
            "voice_states": [],
            "stage_instances": [],
            "guild_scheduled_events": [],
            "large": False,
            "unavailable": False,
            "member_count": 3,
            "joined_at": self.now(),
        }
        guild["members"] = [{**self.member(), "user": self.bot}]
        self.guilds[number] = guild
        return guild

    def _role(self, number: int, name: str, permissions: int) -> Payload:
        return {
            "id": str(number),
            "name": name,
            "permissions": str(permissions),
            "color": 0,
            "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
            "hoist": False,
            "position": 0,
            "managed": False,
            "mentionable": False,
            "flags": 0,
        }

    def member(self, roles: Sequence[str] = ()) -> Payload:
        return {"roles": list(roles), "joined_at": self.now(), "deaf": False, "mute": False, "flags": 0, "nick": None}

    def channel(self, guild: Payload, name: str = "general", *, denied: int = 0) -> Channel:
        channel = Channel(self.snowflake(), TEXT, guild=int(guild["id"]), name=name, denied=denied)
        self.channels[channel.id] = channel
        return channel

    def thread(self, parent: Channel, name: str = "a thread") -> Channel:
        thread = Channel(self.snowflake(), PUBLIC_THREAD, guild=parent.guild, name=name, parent=parent.id)
        self.channels[thread.id] = thread
        self.tell("THREAD_CREATE", self.channel_payload(thread))
        return thread

    def archive(self, thread: Channel, *, archived: bool = True, locked: bool = False) -> None:
        """A thread falls asleep, or somebody closes it."""
        thread.archived, thread.locked = archived, locked
        self.tell("THREAD_UPDATE", self.channel_payload(thread))

    def leave(self, guild: Payload) -> None:
        """The bot is removed from a server."""
        self.left.add(int(guild["id"]))
        self.tell("GUILD_DELETE", {"id": guild["id"]})

    def dm(self, user: Payload) -> Channel:
        number = int(user["id"])
        for channel in self.channels.values():
            if channel.type == DM and channel.people == (number,):
                return channel
        channel = Channel(self.snowflake(), DM, people=(number,))
        self.channels[channel.id] = channel
        return channel

    def channel_payload(self, channel: Channel) -> Payload:
        if channel.type == DM:
            people = [self.users[person] for person in channel.people]
            return {"id": str(channel.id), "type": DM, "recipients": people, "last_message_id": None, "flags": 0}
        payload: Payload = {
            "id": str(channel.id),
            "type": channel.type,
            "guild_id": str(channel.guild),
            "name": channel.name,
            "parent_id": str(channel.parent) if channel.parent else None,
            "position": 0,
            "nsfw": False,
            "topic": None,
            "rate_limit_per_user": 0,
            "last_message_id": None,
            "flags": 0,
            "permission_overwrites": [
                {"id": str(channel.guild), "type": 0, "allow": "0", "deny": str(channel.denied)},
            ],
        }
        if channel.type == PUBLIC_THREAD:
            payload |= {
                "owner_id": self.bot["id"],
                "message_count": 0,
                "member_count": 2,
                "thread_metadata": {
                    "archived": channel.archived,
                    "auto_archive_duration": 1440,
                    "archive_timestamp": self.now(),
                    "locked": channel.locked,
                },
            }
        return payload

    def guild_payload(self, guild: Payload) -> Payload:
        mine = [channel for channel in self.channels.values() if channel.guild == int(guild["id"])]
        return {
            **guild,
            "channels": [self.channel_payload(channel) for channel in mine if channel.type == TEXT],
            "threads": [self.channel_payload(channel) for channel in mine if channel.type == PUBLIC_THREAD],
        }

    def bot_may(self, channel: Channel) -> int:
        if channel.guild is None:
            return EVERYONE_MAY
        parent = self.channels[channel.parent] if channel.parent else channel
        return EVERYONE_MAY & ~(channel.denied | parent.denied)
