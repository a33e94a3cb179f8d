"""What a command answers, in a terminal: text and tables, and pictures by what they say."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path
from typing import assert_never

from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from adapters.rendering.saying import Speech
from adapters.terminal.inert import inert
from bot.commands.answer import Answer, DayPicture, Document, Facts, Line, Link, Meter, Next, Part, Table, UsePicture
from bot.commands.saying import say

_BAR = 30


def shown(answer: Answer, speech: Speech) -> RenderableType:
    """The answer as it is printed. A `Document` is named only: `write_files` writes it."""
    pieces: list[RenderableType] = []
    for part, after in zip_longest(answer.parts, answer.parts[1:]):
        if pieces and isinstance(part, Line) and isinstance(after, Table):  # a head over its table
            pieces.append("")
        pieces.append(_part(part, speech))
    return Group(*pieces)


def write_files(answer: Answer, folder: Path, speech: Speech) -> list[str]:
    """What is to be handed over is put in a folder, in place of nothing. What could not be, in a sentence each."""
    faults = []
    for part in answer.parts:
        if isinstance(part, Document):
            try:
                with (folder / part.name).open("xb") as file:
                    file.write(part.content)
            except OSError as error:
                why = error.strerror or str(error)
                faults.append(speech.say(say("{file} cannot be written: {why}.", file=part.name, why=why)))
    return faults


def _part(part: Part, speech: Speech) -> RenderableType:
    match part:
        case Line(said=said):
            return Text(inert(speech.say(said)))
        case Facts(rows=rows):
            grid = Grid.grid(padding=(0, 3))
            for name, value in rows:
                grid.add_row(Text(inert(speech.say(name)), style="dim"), Text(inert(speech.value(value))))
            return grid
        case Table(head=head, rows=table, none=none):
            if not table:
                return Text(inert(speech.say(none)), style="dim")
            grid = Grid(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
            for column, name in enumerate(head):
                figures = all(isinstance(row[column], int | float) for row in table)
                grid.add_column(inert(speech.say(name)), justify="right" if figures else "left")
            for row in table:
                grid.add_row(*(Text(inert(speech.value(value))) for value in row))
            return grid
        case Meter(alt=alt):
            return Text.assemble((_bar(part), "cyan"), "  ", inert(speech.say(alt)))
        case DayPicture(alt=alt) | UsePicture(alt=alt):
            return Text(inert(speech.say(alt)), style="dim")
        case Document(name=name):
            return Text(inert(name), style="dim")
        case Link(url=url, said=said):
            return Text.assemble(inert(speech.say(said)), " ", (inert(url), "underline"))
        case Next(said=said):
            return Text.assemble(inert(speech.say(said)), " ", (_typed(part), "bold"))
        case _:
            assert_never(part)


def _bar(meter: Meter) -> str:
    full = round(_BAR * min(1.0, meter.used / meter.of)) if meter.of else 0
    return "█" * full + "░" * (_BAR - full)


def _typed(step: Next) -> str:
    """The command as it would be typed."""
    return inert("/" + " ".join([*step.path, *(f"{name}={value}" for name, value in step.values.items())]))
