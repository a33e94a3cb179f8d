"""What others wrote cannot move a terminal's cursor; a line is a command or a question, never both."""

from __future__ import annotations

import io
import json
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from adapters.terminal.chat import member, own_name
from adapters.terminal.findings import as_json, table, verdict
from adapters.terminal.inert import inert
from bot.doctor.finding import Finding, failure, ok, warning

ESCAPES = "\x1b[31m", "\x1b]0;title\x07", "\x9b2J", "\x1bc", "\x08\x08", "\r", "\x07", "\x7f", "\x85"


@given(st.lists(st.one_of(st.text(), st.sampled_from(ESCAPES))))
def test_no_control_character_is_left_however_the_text_was_cut(pieces: list[str]) -> None:
    shown = "".join(inert(piece) for piece in pieces)
    assert all(char in "\n\t" or unicodedata.category(char) != "Cc" for char in shown)
    assert shown == inert("".join(pieces)), "a cut changes nothing"
    assert inert(shown) == shown


@given(st.text(alphabet=st.characters(exclude_categories=["Cc"])))
def test_every_other_text_is_left_as_it_is(text: str) -> None:
    assert inert(f"{text}\n\té 🍲") == f"{text}\n\té 🍲"


def test_a_member_has_a_name_that_is_safe_everywhere() -> None:
    assert member("ann.b-c_9").key == "terminal:ann.b-c_9"
    assert member(own_name()).platform == "terminal"
    for name in ("", "a b", "a/b", "ann\x1b", "a" * 65):
        with pytest.raises(ValueError, match="name"):
            member(name)


def _shown(*findings: Finding) -> str:
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None)
    console.print(table(findings), verdict(findings))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_findings_are_shown_with_a_sign_each_and_a_verdict() -> None:
    fine, odd, bad = ok("disk", "room"), warning("clock", "late", "Set it."), failure("key", "wrong", "Get one.")
    assert re.search(r"✓ +disk +room", _shown(fine))
    assert "can run." in _shown(fine)
    assert re.search(r"! +clock +late +Set it\.", _shown(fine, odd))
    assert "see !" in _shown(fine, odd)
    assert re.search(r"✗ +key +wrong +Get one\.", _shown(fine, odd, bad))
    assert "cannot run" in _shown(fine, odd, bad)


def test_findings_of_files_with_strange_names_are_inert() -> None:
    shown = _shown(ok("database", "[bold]a.db[/] \x1b[2J"))
    assert "[bold]a.db[/]" in shown
    assert "\x1b[2J" not in shown


def test_findings_as_json() -> None:
    document = json.loads(as_json([failure("key", "wrong", "Get one.")]))
    assert document == {
        "ok": False,
        "findings": [{"check": "key", "level": "failure", "found": "wrong", "fix": "Get one."}],
    }
    assert json.loads(as_json([ok("disk", "room")]))["ok"] is True
