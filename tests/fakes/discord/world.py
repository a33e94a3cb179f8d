"""Who and what there is: users, servers, channels, messages. Everything a test may look at afterwards stands here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

from bot.clock import Clock

Payload: TypeAlias = dict[str, Any]
Event: TypeAlias = Callable[[str, Payload], None]

EPOCH_MS = 1_420_070_400_000
"""Snowflakes count from here."""
NONCE_SECONDS = 180.0
"""How long the same nonce finds the earlier message."""

TEXT, DM, PUBLIC_THREAD = 0, 1, 11
VIEW_CHANNEL, SEND_MESSAGES, MANAGE_MESSAGES = 1 << 10, 1 << 11, 1 << 13
ATTACH_FILES, READ_HISTORY, SEND_IN_THREADS = 1 << 15, 1 << 16, 1 << 38
EVERYONE_MAY = VIEW_CHANNEL | SEND_MESSAGES | ATTACH_FILES | READ_HISTORY | SEND_IN_THREADS | (1 << 6) | (1 << 14)
EPHEMERAL = 1 << 6


class Refused(Exception):
    """An error of Discord's API."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One write of the bot's, as it came."""

    at: float
    method: str
    path: str
    payload: Payload
    files: Mapping[str, bytes]


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
    messages: list[Payload] = field(default_factory=list)


class World:
    """See the module. `tell` hands an event to whoever may see it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last_id = 0
        self.tell: Event = lambda name, data: None
        self.bot = self.user("Potluck", bot=True)
        self.application = self.bot["id"]
        self.users: dict[int, Payload] = {int(self.bot["id"]): self.bot}
        self.guilds: dict[int, Payload] = {}
        self.channels: dict[int, Channel] = {}
        self.files: dict[str, tuple[bytes, str | None]] = {}
        """By path on the CDN: what is in it and its type."""
        self.sent: list[Sent] = []
        """Every message the bot has written or edited, in order, also those that were refused."""
        self.typed: list[tuple[float, int]] = []
        self.pings: list[tuple[str, str]] = []
        """Who was notified by the bot: `everyone`, `here`, `role:ID`, `user:ID`, with the message's id."""
        self.commands: list[Payload] = []
        self.command_syncs = 0
        self.content_intent = False
        self.base = ""
        """Where the CDN is."""

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
            "roles": [self._role(number, "@everyone", EVERYONE_MAY)],
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
                    "archived": False,
                    "auto_archive_duration": 1440,
                    "archive_timestamp": self.now(),
                    "locked": False,
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

    # --- messages ----------------------------------------------------------------------------------------

    def find(self, channel: int, message: int) -> Payload:
        for one in self.channels[channel].messages:
            if one["id"] == str(message):
                return one
        raise Refused(404, 10008, "Unknown Message")

    def message(self, channel: Channel, author: Payload, content: str, **more: Any) -> Payload:
        """Put a message into a channel and tell of it."""
        reference = more.pop("reply_to", None)
        ping = more.pop("ping", True)
        mentioned = [self.users[int(user)] for user in re.findall(r"<@!?(\d+)>", content) if int(user) in self.users]
        if reference is not None and ping and reference["author"] not in mentioned:
            mentioned.append(reference["author"])
        message: Payload = {
            "id": str(self.snowflake()),
            "channel_id": str(channel.id),
            "author": author,
            "content": content,
            "timestamp": self.now(),
            "edited_timestamp": None,
            "tts": False,
            "mention_everyone": False,
            "mentions": mentioned,
            "mention_roles": [],
            "attachments": [],
            "embeds": [],
            "components": [],
            "pinned": False,
            "type": 0 if reference is None else 19,
            "flags": 0,
            "_at": self._clock.now(),
            **more,
        }
        if channel.guild is not None:
            message["guild_id"] = str(channel.guild)
            message["member"] = self.member(author.get("_roles", ()))
        if reference is not None:
            message["message_reference"] = {
                "type": 0,
                "message_id": reference["id"],
                "channel_id": reference["channel_id"],
            }
            message["referenced_message"] = reference
        channel.messages.append(message)
        if not message["flags"] & EPHEMERAL:
            self.tell("MESSAGE_CREATE", message)
        return message

    def edit(self, message: Payload, changes: Payload) -> None:
        message.update(changes)
        message["edited_timestamp"] = self.now()
        if not message["flags"] & EPHEMERAL:
            self.tell("MESSAGE_UPDATE", message)

    def delete(self, channel: Channel, message: Payload) -> None:
        channel.messages.remove(message)
        gone = {"id": message["id"], "channel_id": message["channel_id"]}
        self.tell("MESSAGE_DELETE", gone | ({"guild_id": str(channel.guild)} if channel.guild else {}))

    def earlier(self, channel: Channel, nonce: str) -> Payload | None:
        """The bot's message under that nonce, if it is not too long ago."""
        since = self._clock.now() - NONCE_SECONDS
        for message in reversed(channel.messages):
            if message.get("nonce") == nonce and message["author"] is self.bot and message["_at"] >= since:
                return message
        return None

    def attach(self, channel: Channel, name: str, data: bytes, content_type: str | None) -> Payload:
        number = self.snowflake()
        path = f"/attachments/{channel.id}/{number}/{name}"
        self.files[path] = (data, content_type)
        url = f"{self.base}{path}?ex=6&is=5&hm=4"
        attachment: Payload = {
            "id": str(number),
            "filename": name,
            "size": len(data),
            "url": url,
            "proxy_url": url,
            "flags": 0,
        }
        if content_type is not None:
            attachment["content_type"] = content_type
        return attachment

    # --- what a reader sees ------------------------------------------------------------------------------

    def shown(self, channel: Channel, *, to: Payload | None = None) -> list[Payload]:
        """The bot's messages in a channel, oldest first; those only for one person to that person."""
        return [
            message
            for message in channel.messages
            if message["author"] is self.bot
            and (not message["flags"] & EPHEMERAL or message.get("_for") == (to or {}).get("id"))
        ]

    def ping(self, message: Payload, allowed: Payload | None, *, interaction: bool = False) -> None:
        """Write down whom the text notifies, by Discord's rules for what is allowed and what is left unsaid."""
        if allowed is None:
            allowed = {"parse": ["users"] if interaction else ["users", "roles", "everyone"]}
        content, parse = str(message["content"]), allowed.get("parse", [])
        for component in _texts(message["components"]):
            content += f"\n{component}"
        whom = []
        if "everyone" in parse:
            whom += [word for word in ("everyone", "here") if f"@{word}" in content]
        whom += [f"role:{role}" for role in re.findall(r"<@&(\d+)>", content) if "roles" in parse]
        whom += [f"user:{user}" for user in re.findall(r"<@!?(\d+)>", content) if "users" in parse]
        if allowed.get("replied_user") and message.get("referenced_message"):
            whom.append(f"user:{message['referenced_message']['author']['id']}")
        self.pings += [(who, message["id"]) for who in whom]


def _texts(components: Sequence[Payload]) -> list[str]:
    return [
        text
        for component in components
        for text in [
            *([component["content"]] if "content" in component else []),
            *_texts(component.get("components", [])),
        ]
    ]
