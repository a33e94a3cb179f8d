"""A command typed as a line says the same as one whose values were picked in a form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.commands.answer import Answer
from bot.commands.command import Call, Command, Parameter
from bot.commands.saying import say
from bot.commands.typed import Typed, typed


async def _nothing(call: Call) -> Answer:
    return Answer([])


def _parameter(name: str, kind: str = "text", *choices: str) -> Parameter:
    return Parameter(name=name, kind=kind, about=say("x"), choices=choices, required=False)  # type: ignore[arg-type]


COMMANDS = (
    Command(
        path=("admin", "quota", "grant"),
        about=say("x"),
        rank="admin",
        handler=_nothing,
        parameters=(
            _parameter("member", "member"),
            _parameter("units", "whole"),
            _parameter("when", "text", "today", "daily"),
        ),
    ),
    Command(path=("ask",), about=say("x"), handler=_nothing, parameters=(_parameter("question", "long_text"),)),
    Command(path=("quota",), about=say("x"), handler=_nothing),
)


@pytest.mark.parametrize(
    ("line", "path", "values"),
    [
        ("/quota", ("quota",), {}),
        (
            "/admin quota grant ben 3 daily",
            ("admin", "quota", "grant"),
            {"member": "ben", "units": "3", "when": "daily"},
        ),
        ("/admin  quota grant units=3 ben", ("admin", "quota", "grant"), {"member": "ben", "units": "3"}),
        ('/admin quota grant "ben s" 3', ("admin", "quota", "grant"), {"member": "ben s", "units": "3"}),
        (
            "/admin quota grant ben 3 community=x",
            ("admin", "quota", "grant"),
            {"member": "ben", "units": "3", "community": "x"},
        ),
        ('/ask why don\'t  ships "sink"?', ("ask",), {"question": 'why don\'t  ships "sink"?'}),
        ("/ask what does x=1 mean", ("ask",), {"question": "what does x=1 mean"}),
        ("/admin quota wat", ("admin", "quota", "wat"), {}),
        ("/wat now", ("wat",), {}),
    ],
)
def test_a_line_is_read(line: str, path: tuple[str, ...], values: dict[str, str]) -> None:
    assert typed(line, COMMANDS) == Typed(path, values)


@pytest.mark.parametrize("line", ["/usr/bin/env does what?", "hello", "/", "/ ", "//", "a /quota"])
def test_what_is_no_command_is_a_question(line: str) -> None:
    assert typed(line, COMMANDS) is None


def test_what_is_too_much_is_not_lost_silently() -> None:
    read = typed("/quota of ben", COMMANDS)
    assert read is not None
    assert "of ben" in read.given.values()


@given(st.text(st.characters(codec="utf-8", exclude_characters='"'), min_size=1).map(str.strip).filter(bool))
def test_free_text_comes_through_as_it_was_written(text: str) -> None:
    if text.startswith("question="):
        return
    read = typed(f"/ask {text}", COMMANDS)
    assert read is not None
    assert read.given == {"question": text}


@given(st.text())
def test_no_line_is_too_strange(text: str) -> None:
    typed(text, COMMANDS)
    typed(f"/admin quota grant {text}", COMMANDS)
