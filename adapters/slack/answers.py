"""What a command answers, as blocks: of a message, or of a view, which takes fewer kinds of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, assert_never

from adapters.rendering.saying import Speech, tongue
from adapters.slack import look
from adapters.slack.plain_text import Mrkdwn, escape
from bot.clock import Clock, Instant
from bot.commands.answer import (
    Answer,
    DayPicture,
    Document,
    Facts,
    Line,
    Link,
    Meter,
    Next,
    Part,
    Table,
    UsePicture,
)
from bot.commands.saying import Code, Say, say, says

Surface: TypeAlias = Literal["message", "view"]
"""Where blocks stand. Modals and the Home tab take no Markdown and no alerts."""
Picture: TypeAlias = DayPicture | UsePicture

_BREAKS = re.compile(r"\s+")
_BAR = 20
_FIELDS = 10
_BLOCKS_MOST = 45
_TABLES_MAX = 10_500
"""Characters of all tables of a message: Slack counts Markdown over all blocks, and everything else besides."""
_VIEW_TABLE_MAX = 2_900
_ALT_MAX = 2_000
NEXT = "next"
"""What the action ids of steps begin with: each needs one of its own."""


class _Cells(Mrkdwn):
    """Text in a table of Markdown."""

    def text(self, text: str) -> str:
        # A piece of a sentence keeps the space it begins or ends with: values stand between the pieces.
        return escape(_BREAKS.sub(" ", text)).replace("|", "\\|")

    def at(self, moment: Instant) -> str | None:
        return None  # as text: the form for it is not read in Markdown


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who reads it."""

    locale: str
    clock: Clock

    @property
    def speech(self) -> Speech:
        return Speech(locale=self.locale, clock=self.clock, writing=Mrkdwn(tongue(self.locale)))

    @property
    def cells(self) -> Speech:
        return Speech(locale=self.locale, clock=self.clock, writing=_Cells(tongue(self.locale)))

    @property
    def plainly(self) -> Speech:
        """For what takes no markup: titles, labels, what stands for a picture."""
        return Speech(locale=self.locale, clock=self.clock)


def blocks(
    answer: Answer, reader: Reader, *, surface: Surface = "message", shown: Mapping[int, str] | None = None
) -> list[look.Block]:
    """The answer. Documents are handed over apart: see `documents`. `shown` are the ids of the files that pictures
    stand in, by their place among the `pictures`; those without one are told in words."""
    made: list[look.Block] = []
    steps: list[look.Block] = []
    files, number = shown or {}, 0
    for part in answer.parts:
        if isinstance(part, Next):
            steps.append(_step(part, reader, len(steps)))
        elif isinstance(part, DayPicture | UsePicture):
            made.append(_picture(part, reader, files.get(number)))
            number += 1
        else:
            room = _TABLES_MAX - sum(len(one["text"]) for one in made if one["type"] == "markdown")
            made += _part(part, reader, surface, room)
    if not answer.ok and made and surface == "message":
        text = made[0].get("text", {}).get("text", "") if made[0]["type"] == "section" else ""
        if text:
            made[0] = {"type": "alert", "level": "warning", "text": look.mrkdwn(text)}
    if steps:
        made += [look.actions(*steps[start : start + 5]) for start in range(0, len(steps), 5)]
    if len(made) > _BLOCKS_MOST:
        made = [*made[:_BLOCKS_MOST], look.context(reader.speech.say(say("There is more than fits here.")))]
    return made or [look.context(reader.speech.say(say("Done.")))]


def documents(answer: Answer) -> list[Document]:
    return [part for part in answer.parts if isinstance(part, Document)]


def pictures(answer: Answer) -> list[Picture]:
    return [part for part in answer.parts if isinstance(part, DayPicture | UsePicture)]


def link_button(said: Say, url: str, reader: Reader) -> look.Block:
    """Opens an address. It is told of as pressed, too, and nothing has to be done then."""
    return {
        "type": "button",
        "action_id": "link",
        "text": look.plain(reader.plainly.say(said)[: look.BUTTON_MAX]),
        "url": url,
    }


def _part(part: Part, reader: Reader, surface: Surface, room: int) -> list[look.Block]:
    speech = reader.speech
    match part:
        case Line(said=said):
            return [look.section(speech.say(said))]
        case Facts(rows=rows):
            fields = [look.mrkdwn(f"*{speech.say(name)}*\n{speech.value(value)}"[:2000]) for name, value in rows]
            return [{"type": "section", "fields": fields[at : at + _FIELDS]} for at in range(0, len(fields), _FIELDS)]
        case Table():
            return _table(part, reader, room) if surface == "message" else _lines(part, reader)
        case Meter(alt=alt):
            return [look.section(f"`{bar(part.used, part.of, part.kept)}`  {speech.say(alt)}")]
        case Document(name=name):
            return [look.context(speech.say(say("{file} comes in a direct message.", file=Code(name))))]
        case Link(url=url, said=said):
            if len(reader.plainly.say(said)) <= look.BUTTON_MAX:
                return [look.actions(link_button(said, url, reader))]
            return [look.section(speech.say(said)), look.actions(link_button(say("Open it"), url, reader))]
        case Next() | DayPicture() | UsePicture():
            return []
        case _:
            assert_never(part)


def _picture(part: Picture, reader: Reader, file: str | None) -> look.Block:
    if file is None:
        return look.context(reader.speech.say(part.alt))
    return {"type": "image", "slack_file": {"id": file}, "alt_text": reader.plainly.say(part.alt)[:_ALT_MAX]}


def _table(table: Table, reader: Reader, room: int) -> list[look.Block]:
    """A table of Markdown, as far as there is room for it."""
    speech = reader.cells
    if not table.rows:
        return [look.section(reader.speech.say(table.none))]
    figures = [all(isinstance(row[at], int | float) for row in table.rows) for at in range(len(table.head))]
    lines = [_row(speech.say(name) for name in table.head), _row("---:" if right else "---" for right in figures)]
    size = sum(map(len, lines)) + 2
    for number, row in enumerate(table.rows):
        line = _row(speech.value(value) for value in row)
        size += len(line) + 1
        if size > room:
            rest = _more(len(table.rows) - number, reader)
            return [look.markdown("\n".join(lines)), rest] if number else [rest]
        lines.append(line)
    return [look.markdown("\n".join(lines))]


def _lines(table: Table, reader: Reader) -> list[look.Block]:
    """A table where Slack shows none: a line for each row, below what its values are."""
    speech = reader.speech
    if not table.rows:
        return [look.section(speech.say(table.none))]
    head = look.context(" · ".join(speech.say(name) for name in table.head))
    lines: list[str] = []
    size = 0
    for number, row in enumerate(table.rows):
        line = "• " + " · ".join(speech.value(value) for value in row)
        size += len(line) + 1
        if size > _VIEW_TABLE_MAX:
            return [head, look.section("\n".join(lines)), _more(len(table.rows) - number, reader)]
        lines.append(line)
    return [head, look.section("\n".join(lines))]


def _more(rest: int, reader: Reader) -> look.Block:
    return look.context(reader.speech.say(says("and {count} more row", "and {count} more rows", rest)))


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell or ' ' for cell in cells)} |"


def _step(step: Next, reader: Reader, number: int) -> look.Block:
    said = reader.plainly
    value = look.carried(path=list(step.path), values=dict(step.values))
    made = look.button(said.say(step.said), f"{NEXT}{number}", value, style="danger" if step.danger else "")
    if step.danger:
        made["confirm"] = {
            "title": look.plain(said.say(say("Are you sure?"))),
            "text": look.plain(said.say(say("It cannot be undone."))),
            "confirm": look.plain(said.say(say("Yes"))),
            "deny": look.plain(said.say(say("No"))),
        }
    return made


def bar(used: float, of: float, kept: float = 0) -> str:
    """A meter of signs: what is gone, what of the rest is kept, what is left."""
    full = round(_BAR * min(1.0, used / of)) if of > 0 else 0
    aside = min(_BAR - full, round(_BAR * kept / of)) if of > 0 else 0
    return "█" * full + "▒" * aside + "░" * (_BAR - full - aside)
