"""The doctor's findings as a table for people, or as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from adapters.terminal.inert import inert
from bot.doctor.finding import Finding, Level, stops

SIGNS: dict[Level, tuple[str, str]] = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failure": ("✗", "bold red")}


def table(findings: Sequence[Finding]) -> Table:
    """A row each: sign, what was looked at, what was found, what to do."""
    grid = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="dim")
    grid.add_column("")
    grid.add_column("check", no_wrap=True)
    grid.add_column("found")
    grid.add_column("fix")
    for finding in findings:
        sign, style = SIGNS[finding.level]
        # File names and model names come from outside: no markup, no control characters.
        fix = Text(inert(finding.fix), style="dim" if finding.level == "ok" else "")
        grid.add_row(Text(sign, style=style), inert(finding.check), Text(inert(finding.found)), fix)
    return grid


def verdict(findings: Sequence[Finding]) -> Text:
    """The last line."""
    if stops(findings):
        return Text("Potluck cannot run like this: see ✗.", style="bold red")
    warnings = sum(finding.level == "warning" for finding in findings)
    return Text("Potluck can run." if not warnings else "Potluck can run; see !.")


def as_json(findings: Sequence[Finding]) -> str:
    """The same: `{"ok": bool, "findings": [{"check", "level", "found", "fix"}]}`."""
    return json.dumps({"ok": not stops(findings), "findings": [asdict(one) for one in findings]}, ensure_ascii=False)
