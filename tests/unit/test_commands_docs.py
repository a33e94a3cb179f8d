"""docs/commands.md lists every command there is, as it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bot.commands.all import ALL
from bot.commands.reference import page
from bot.commands.saying import say

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_lists_the_commands_as_they_are() -> None:
    assert (DOCS / "commands.md").read_text(encoding="utf-8") == page(ALL), "make commands writes it anew"


def test_control_another_word_or_right_is_noticed() -> None:
    written, last = (DOCS / "commands.md").read_text(encoding="utf-8"), ALL[-1]
    assert written != page(ALL[:-1])
    assert written != page([*ALL[:-1], replace(last, about=say("Something else"))])
    assert written != page([*ALL[:-1], replace(last, rank="anyone")])


def test_every_command_stands_there_once() -> None:
    text = page(ALL)
    for command in ALL:
        rows = [row for row in text.splitlines() if row.startswith((f"| `/{command.name}`", f"| `/{command.name} "))]
        assert any(command.about.text in row for row in rows), command.name
