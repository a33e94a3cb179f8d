"""What a command answers, for programs: figures as figures, times in UTC, and what is said besides."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import assert_never

from adapters.rendering.saying import Speech
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
from bot.commands.saying import At, Code, Group, Percent, Say, Span, Usd, Value
from bot.messages import Member


def as_json(answer: Answer, speech: Speech) -> str:
    """One object: `ok`, the number of the `change`, what is `said`, and the `parts` that are more than words."""
    parts = [written for part in answer.parts if (written := _part(part, speech)) is not None]
    said = list(_said(answer, speech))
    return json.dumps({"ok": answer.ok, "change": answer.change, "said": said, "parts": parts}, ensure_ascii=False)


def _said(answer: Answer, speech: Speech) -> Iterator[str]:
    for part in answer.parts:
        match part:
            case Line(said=said):
                yield speech.say(said)
            case Meter(alt=alt) | DayPicture(alt=alt) | UsePicture(alt=alt):
                yield speech.say(alt)
            case _:
                pass


def _part(part: Part, speech: Speech) -> dict[str, object] | None:
    match part:
        case Facts(rows=facts):
            return {"facts": {speech.say(name): _value(value, speech) for name, value in facts}}
        case Table(head=head, rows=rows):
            names = [speech.say(name) for name in head]
            return {"rows": [dict(zip(names, (_value(value, speech) for value in row), strict=True)) for row in rows]}
        case Meter(used=used, of=of, kept=kept):
            return {"meter": {"used": used, "of": of, "kept": kept}}
        case UsePicture(rows=used_by):
            return {"used": [[_value(name, speech), units] for name, units in used_by]}
        case Document(name=name):
            return {"file": name}
        case Link(url=url):
            return {"link": url}
        case Line() | Next() | DayPicture():
            return None
        case _:
            assert_never(part)


def _value(value: Value, speech: Speech) -> object:
    match value:
        case bool() | int() | float() | str():
            return value
        case Member():
            return value.key
        case Code(text=text):
            return text
        case Usd(amount=amount):
            return f"{amount:f}"
        case Percent(part=part):
            return part
        case Span(seconds=seconds):
            return seconds
        case At(moment=moment):
            return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        case Group(kind=kind, id=id):
            return f"{kind}:{id}"
        case Say():
            return speech.say(value)
        case _:
            assert_never(value)
