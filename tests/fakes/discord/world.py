"""What happens there: messages and files. Everything a test may look at afterwards stands here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.clock import Clock
from tests.fakes.discord import components
from tests.fakes.discord.places import Channel, Payload, Places, Refused

NONCE_SECONDS = 180.0
"""How long the same nonce finds the earlier message."""
EPHEMERAL = 1 << 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One write of the bot's, as it came."""

    at: float
    method: str
    path: str
    payload: Payload
    files: Mapping[str, bytes]


class World(Places):
    """See the module."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
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
        self.blocked = ""
        """What automatic moderation lets nobody write."""
        self.base = ""
        """Where the CDN is."""

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
            "mention_roles": re.findall(r"<@&(\d+)>", content),
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
        content, parse = "\n".join(components.texts(message)), allowed.get("parse", [])
        whom = []
        if "everyone" in parse:
            whom += [word for word in ("everyone", "here") if f"@{word}" in content]
        whom += [f"role:{role}" for role in re.findall(r"<@&(\d+)>", content) if "roles" in parse]
        whom += [f"user:{user}" for user in re.findall(r"<@!?(\d+)>", content) if "users" in parse]
        whom += [f"user:{user}" for user in allowed.get("users", []) if f"<@{user}>" in content]
        if allowed.get("replied_user") and message.get("referenced_message"):
            whom.append(f"user:{message['referenced_message']['author']['id']}")
        self.pings += [(who, message["id"]) for who in whom]
