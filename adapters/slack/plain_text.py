"""Between Slack's way of writing text and plain text. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from adapters.rendering.saying import ENGLISH, Tongue
from bot.clock import Instant
from bot.commands.saying import Group, say
from bot.messages import Member

_ENTITY = re.compile(r"<([@#!]?)([^<>|]*)(?:\|([^<>]*))?>")
_ALIVE = re.compile(r"<(?=[!@#])")
_COMMAND = re.compile(r"^/(?=[a-z])(?!ask\b|potluck\b|invite\b)")
_BREAK = "\u200b"
"""A space of no width: what stands behind it is no mention any more, and looks the same."""


def read(text: str, *, bot_user: str = "") -> str:
    """What a person wrote, as they see it: mentions of the bot are gone, others and links are in words."""

    def plain(found: re.Match[str]) -> str:
        kind, value, label = found[1], found[2], found[3]
        if kind == "@":
            return "" if value == bot_user else f"@{label or value}"
        if kind == "#":
            return f"#{label or value}"
        if kind == "!":
            return label or f"@{value.partition('^')[0]}"
        return f"{label} ({value})" if label and label not in value else value

    return unescape(_ENTITY.sub(plain, text)).strip()


def mentions(text: str, user: str) -> bool:
    """Somebody is called by name."""
    return re.search(rf"<@{re.escape(user)}(\|[^>]*)?>", text) is not None


def for_another(text: str, bot_user: str) -> bool:
    """It begins by calling somebody else: it is not meant for the bot."""
    found = re.match(r"\s*<@([A-Z0-9]+)(\|[^>]*)?>", text)
    return found is not None and found[1] != bot_user


def unescape(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def escape(text: str) -> str:
    """Text in which nothing works as markup of Slack's, nor as a mention."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def defuse(text: str) -> str:
    """Markdown of a model's, in which no mention calls anybody. Piece by piece the same as whole, as long as no piece
    ends with `<`."""
    return _ALIVE.sub(f"<{_BREAK}", text)


class Mrkdwn:
    """`adapters.rendering.saying.Writing` for Slack's own markup."""

    def __init__(self, tongue: Tongue = ENGLISH) -> None:
        self._tongue = tongue

    def text(self, text: str) -> str:
        # Stars, underscores and back ticks only look; what calls people or opens pages begins with a bracket.
        return escape(text)

    def member(self, member: Member) -> str:
        return f"<@{member.user}>" if member.platform == "slack" else escape(member.key)

    def group(self, group: Group) -> str:
        # Shown by its id: writing it as Slack does would call everybody in it.
        return f"`{escape(group.id)}`"

    def code(self, text: str) -> str:
        # All commands but one stand behind Potluck's own: another that began with their name would be another app's.
        shown = _COMMAND.sub("/potluck ", text, count=1)
        return f"`{escape(shown.replace('`', chr(39)))}`"

    def at(self, moment: Instant) -> str | None:
        return at(moment, self._tongue)


def at(moment: Instant, tongue: Tongue) -> str:
    """A moment by the reader's own clock; UTC where it cannot be shown so."""
    form = tongue.say(say("{date} at {time}", date="{date_short_pretty}", time="{time}"))
    fallback = datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"<!date^{int(moment)}^{form}|{fallback}>"
