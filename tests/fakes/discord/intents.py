"""Which events a bot is shown, and which contents: Discord's rules for intents as they have stood since 2022.

Content is shown without the privileged intent only in the bot's own messages, in DMs, where the bot is mentioned (a
reply with the ping on mentions), and in what a context menu command is used on.
"""

from __future__ import annotations

from tests.fakes.discord.places import Payload

GUILDS, GUILD_MEMBERS, GUILD_PRESENCES = 1 << 0, 1 << 1, 1 << 8
GUILD_MESSAGES, DIRECT_MESSAGES, MESSAGE_CONTENT = 1 << 9, 1 << 12, 1 << 15
PRIVILEGED = GUILD_MEMBERS | GUILD_PRESENCES | MESSAGE_CONTENT

_FIELDS = {"content": "", "embeds": [], "attachments": [], "components": []}


def wanted(name: str, data: Payload, intents: int) -> bool:
    """The event is one that was asked for."""
    if name.startswith("MESSAGE_"):
        return bool(intents & (GUILD_MESSAGES if "guild_id" in data else DIRECT_MESSAGES))
    if name.startswith(("GUILD_", "CHANNEL_", "THREAD_")):
        return bool(intents & GUILDS)
    return True


def as_shown(message: Payload, *, bot: Payload, intents: int) -> Payload:
    """A message with the contents the bot may read."""
    shown = {key: value for key, value in message.items() if not key.startswith("_")}
    if isinstance(shown.get("referenced_message"), dict):
        shown["referenced_message"] = as_shown(shown["referenced_message"], bot=bot, intents=intents)
    if not may_read(message, bot=bot, intents=intents):
        shown |= {key: empty for key, empty in _FIELDS.items() if key in shown}
    return shown


def may_read(message: Payload, *, bot: Payload, intents: int) -> bool:
    mentioned = any(user["id"] == bot["id"] for user in message["mentions"])
    return bool(intents & MESSAGE_CONTENT) or "guild_id" not in message or message["author"] is bot or mentioned
