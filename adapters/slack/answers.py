"""What a command answers, as blocks. Pictures are told by what they say: what only one person sees holds no files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

from adapters.rendering.saying import Speech
from adapters.slack import look
from adapters.slack.plain_text import Mrkdwn, escape
from bot.clock import Clock, Instant
from bot.commands.answer import Answer, DayPicture, Document, Facts, Line, Link, Meter, Next, Part, Table, UsePicture

_BREAKS = re.compile(r"\s+")
_BAR = 20
_FIELDS = 10
_BLOCKS_MOST = 45
_TABLE_MAX = 9_000
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
        return Speech(locale=self.locale, clock=self.clock, writing=Mrkdwn())

    @property
    def cells(self) -> Speech:
        return Speech(locale=self.locale, clock=self.clock, writing=_Cells())


def blocks(answer: Answer, reader: Reader) -> list[look.Block]:
    """The answer. Documents are handed over apart: see `documents`."""
    made: list[look.Block] = []
    steps: list[look.Block] = []
    for part in answer.parts:
        if isinstance(part, Next):
            steps.append(_step(part, reader, len(steps)))
        else:
            made += _part(part, reader)
    if not answer.ok and made:
        text = made[0].get("text", {}).get("text", "") if made[0]["type"] == "section" else ""
        if text:
            made[0] = {"type": "alert", "level": "warning", "text": look.mrkdwn(text)}
    if steps:
        made += [look.actions(*steps[start : start + 5]) for start in range(0, len(steps), 5)]
    if len(made) > _BLOCKS_MOST:
        made = [*made[:_BLOCKS_MOST], look.context("There is more than fits here.")]
    return made or [look.context("Done.")]


def documents(answer: Answer) -> list[Document]:
    return [part for part in answer.parts if isinstance(part, Document)]


def _part(part: Part, reader: Reader) -> list[look.Block]:
    speech = reader.speech
    match part:
        case Line(said=said):
            return [look.section(speech.say(said))]
        case Facts(rows=rows):
            fields = [look.mrkdwn(f"*{speech.say(name)}*\n{speech.value(value)}"[:2000]) for name, value in rows]
            return [{"type": "section", "fields": fields[at : at + _FIELDS]} for at in range(0, len(fields), _FIELDS)]
        case Table():
            return _table(part, reader)
        case Meter(alt=alt):
            return [look.section(f"`{bar(part.used, part.of)}`  {speech.say(alt)}")]
        case DayPicture(alt=alt) | UsePicture(alt=alt):
            return [look.context(speech.say(alt))]
        case Document(name=name):
            return [look.context(f"`{escape(name)}` comes in a direct message.")]
        case Link(url=url, said=said):
            button = look.button(speech.say(said), "link", "")
            del button["value"]
            return [look.actions(button | {"url": url})]
        case Next():
            return []
        case _:
            assert_never(part)


def _table(table: Table, reader: Reader) -> list[look.Block]:
    speech = reader.cells
    if not table.rows:
        return [look.section(reader.speech.say(table.none))]
    figures = [all(isinstance(row[at], int | float) for row in table.rows) for at in range(len(table.head))]
    lines = [_row(speech.say(name) for name in table.head), _row("---:" if right else "---" for right in figures)]
    size = sum(map(len, lines))
    for number, row in enumerate(table.rows):
        line = _row(speech.value(value) for value in row)
        size += len(line) + 1
        if size > _TABLE_MAX:
            rest = len(table.rows) - number
            return [look.markdown("\n".join(lines)), look.context(f"and {rest:,} more rows")]
        lines.append(line)
    return [look.markdown("\n".join(lines))]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell or ' ' for cell in cells)} |"


def _step(step: Next, reader: Reader, number: int) -> look.Block:
    said = reader.speech.say(step.said)
    value = look.carried(path=list(step.path), values=dict(step.values))
    made = look.button(said, f"{NEXT}{number}", value, style="danger" if step.danger else "")
    if step.danger:
        made["confirm"] = {
            "title": look.plain("Are you sure?"),
            "text": look.plain("It cannot be undone."),
            "confirm": look.plain("Yes"),
            "deny": look.plain("No"),
        }
    return made


def bar(used: float, of: float) -> str:
    """A meter of signs."""
    full = round(_BAR * min(1.0, used / of)) if of else 0
    return "█" * full + "░" * (_BAR - full)


def one_line(parts: Sequence[look.Block]) -> str:
    return look.words_in(parts)
