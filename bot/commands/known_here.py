"""People in an answer as they are known where it is read: what they are elsewhere is their own affair. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

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
from bot.commands.saying import Say, Value
from bot.messages import Member

Here = Callable[[Member], Member]
"""The account a person is known by there."""


def known_here(answer: Answer, here: Here) -> Answer:
    """The same answer with each person named by the account they have there, if they have one."""
    return replace(answer, parts=[_part(part, here) for part in answer.parts])


def _part(part: Part, here: Here) -> Part:
    match part:
        case Line(said=said):
            return replace(part, said=_say(said, here))
        case Facts(rows=rows):
            return replace(part, rows=[(_say(name, here), _value(value, here)) for name, value in rows])
        case Table(rows=table):
            return replace(part, rows=[[_value(value, here) for value in row] for row in table])
        case Meter(alt=alt) | DayPicture(alt=alt):
            return replace(part, alt=_say(alt, here))
        case UsePicture(rows=used, about=about, alt=alt):
            drawn = [(_value(who, here), count) for who, count in used]
            return replace(part, rows=drawn, about=_say(about, here), alt=_say(alt, here))
        case Link(said=said) | Next(said=said):
            return replace(part, said=_say(said, here))
        case Document():
            return part
        case _:
            assert_never(part)


def _say(said: Say, here: Here) -> Say:
    return replace(said, values={name: _value(value, here) for name, value in said.values.items()})


def _value(value: Value, here: Here) -> Value:
    match value:
        case Member():
            return here(value)
        case Say():
            return _say(value, here)
        case _:
            return value
