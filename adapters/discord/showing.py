"""An answer of a command as Discord shows it: text, a picture in an embed, files, buttons for what may come next.

It is one message, since what comes after the first one takes no nonce and could be doubled: text that is too long for
it goes on in embeds, and beyond those in a file.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import assert_never

import discord

from adapters.discord.look import FILE, LONGEST, escape
from adapters.discord.talk import PLATFORM
from adapters.rendering.charts import draw
from adapters.rendering.saying import Speech
from adapters.rendering.split import Limits, split
from bot.clock import Instant
from bot.commands.answer import Answer, DayPicture, Document, Facts, Line, Link, Meter, Next, Part, Table, UsePicture
from bot.commands.saying import Group
from bot.messages import Member

_LIMITS = Limits(length=LONGEST, most=4)
"""The first of the pieces is the text, the others are embeds: they may have 6,000 characters together."""
_BAR = 20
_PICTURE = "picture.png"
_LONGEST_ALT = 1024


class OnDiscord:
    """`adapters.rendering.saying.Writing`: names, times and code as Discord shows them."""

    def text(self, text: str) -> str:
        return escape(text)

    def member(self, member: Member) -> str:
        return f"<@{member.user}>" if member.platform == PLATFORM else f"`{member.key}`"

    def group(self, group: Group) -> str:
        return f"<@&{group.id}>" if group.kind == "role" else f"`{group.kind}:{group.id}`"

    def code(self, text: str) -> str:
        return f"`{text.replace('`', chr(0x2BC))}`"

    def at(self, moment: Instant) -> str | None:
        return f"<t:{int(moment)}:f>"


@dataclass(kw_only=True)
class Shown:
    """What is sent."""

    text: str = ""
    enclosed: list[tuple[str, bytes, str]] = field(default_factory=list)
    """Names of files, what is in them, what there is to be seen."""
    embeds: list[discord.Embed] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    """Labels with their addresses."""
    nexts: list[Next] = field(default_factory=list)

    def files(self) -> list[discord.File]:
        """Anew for each try: discord.py closes those it has sent, or could not send."""
        return [
            discord.File(io.BytesIO(content), filename=name, description=about[:_LONGEST_ALT] or None)
            for name, content, about in self.enclosed
        ]


async def shown(answer: Answer, speech: Speech) -> Shown:
    """The answer in the reader's language."""
    made = Shown()
    lines: list[str] = []
    for part in answer.parts:
        await _add(part, speech, lines, made)
    whole = "\n".join(line for line in lines if line)
    pieces = split(whole, _LIMITS)
    made.text, *more = pieces.texts or ("✓",)
    made.embeds[:0] = [discord.Embed(description=text) for text in more]
    if pieces.rest_as_file:
        made.enclosed.append((FILE, whole.encode(), ""))
    return made


async def _add(part: Part, speech: Speech, lines: list[str], made: Shown) -> None:
    match part:
        case Line(said=said):
            lines.append(speech.say(said))
        case Facts(rows=rows):
            lines += [f"**{speech.say(name)}**  {speech.value(value)}" for name, value in rows]
        case Table(head=head, rows=table, none=none):
            if not table:
                lines.append(speech.say(none))
            else:
                lines.append("-# " + " · ".join(speech.say(name) for name in head))
                lines += ["- " + " · ".join(speech.value(value) for value in row) for row in table]
        case Meter(used=used, of=of, kept=kept, alt=alt):
            lines.append(f"{_bar(used, of, kept)}  {speech.say(alt)}")
        case DayPicture() | UsePicture():
            picture = await draw(part, speech)
            made.enclosed.append((_PICTURE, picture.png, picture.alt))
            made.embeds.append(discord.Embed().set_image(url=f"attachment://{_PICTURE}"))
        case Document(name=name, content=content):
            made.enclosed.append((name, content, ""))
        case Link(url=url, said=said):
            made.links.append((speech.say(said), url))
        case Next():
            made.nexts.append(part)
        case _:
            assert_never(part)


def _bar(used: float, of: float, kept: float) -> str:
    """How much is gone, and of the rest how much is kept."""
    gone = 0 if of <= 0 else min(_BAR, round(_BAR * used / of))
    aside = 0 if of <= 0 else min(_BAR - gone, round(_BAR * kept / of))
    return f"`{'█' * gone}{'▒' * aside}{'░' * (_BAR - gone - aside)}`"
