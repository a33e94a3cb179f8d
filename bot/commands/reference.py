"""All commands as a page of Markdown: `python -m bot.commands.reference > docs/commands.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

from bot.commands.command import Command, Parameter, Rank

_WHO: Mapping[Rank, tuple[str, str]] = {
    "anyone": ("For everyone", "Whoever may talk to Potluck, each for themselves."),
    "admin": (
        "For those who manage a community",
        "Who manages it by its platform (Manage Server on Discord, admin or owner in Slack, whoever may open a page\n"
        "that answers its own machine only, whoever sits at the terminal), and whom they name by\n"
        "`/admin admins add`. Each takes `community=` besides, with which those who run Potluck name another one, or\n"
        "`everywhere`. How much somebody takes is shown to the admins of communities they have asked in, and to no\n"
        "others.",
    ),
    "owner": ("For those who run Potluck", "Who is named in `OWNER_IDS`, and the shell."),
}
_HEAD = """\
# Commands

The same on every platform: as slash commands on Discord, as `/potluck …` in Slack, in a message to the page and in
`potluck chat`. Those that begin with `admin` also from the shell: `potluck admin quota grant ben 3`, with `--json` for
programs. Who may do what is checked anew at every call. None takes a unit of the pool, but for the question of `/ask`.

Values stand in the order shown, or by name (`when="every day"`); those in brackets may be left out. `/help NAME` says
what each of them is. *Everyone* under "Seen by": the answer may be read by all who are there.
"""
_TAIL = """\
This page is made of the commands themselves: `make commands` writes it anew.
"""


def page(commands: Iterable[Command]) -> str:
    """The whole page."""
    listed = list(commands)
    parts = [_HEAD]
    for rank, (title, who) in _WHO.items():
        rows = [_row(command) for command in listed if command.rank == rank]
        if rows:
            table = ["| Command | What it does | Seen by |", "|---|---|---|", *rows]
            parts.append("\n".join([f"## {title}\n", f"{who}\n", *table, ""]))
    return "\n".join([*parts, _TAIL])


def _row(command: Command) -> str:
    usage = " ".join([f"/{command.name}", *(_value(one) for one in command.parameters)])
    return f"| `{_cell(usage)}` | {_cell(command.about.text)} | {'you' if command.private else 'everyone'} |"


def _value(parameter: Parameter) -> str:
    """`UNITS`, `[WHEN: today, every day]`."""
    shown = parameter.name.upper()
    if parameter.choices:
        shown = f"{shown}: {', '.join(parameter.choices)}"
    elif parameter.kind == "flag":
        shown = f"{parameter.name}=yes"
    return shown if parameter.required else f"[{shown}]"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    from bot.commands.all import ALL

    sys.stdout.write(page(ALL))
