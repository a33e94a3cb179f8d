"""What is written of the sandbox for people is what it does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.__main__ import main
from bot.openrouter.sandbox import TELLINGS, Beliefs, load_faults
from bot.openrouter.sandbox.faults import by_kind

DOCS = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")


def _row(first: str, names: tuple[str, ...]) -> str:
    return f"| `{first}` | {', '.join(f'`{name}`' for name in names)} |"


def test_the_docs_list_every_fault_by_what_it_means() -> None:
    wanted = [_row(kind, names) for kind, names in by_kind().items()]
    wanted += [_row(path, tuple(names)) for path, names in TELLINGS.items()]
    missing = [row for row in wanted if row not in DOCS.splitlines()]
    assert not missing, "put these rows into docs/sandbox.md:\n" + "\n".join(missing)


def test_the_docs_name_every_belief_that_can_be_doubted() -> None:
    named = re.findall(r"^\| `(\w+)` \| (not: )?", DOCS.partition("## What nobody knows")[2], re.MULTILINE)
    assert {name: not no for name, no in named} == {name: getattr(Beliefs(), name) for name in Beliefs.switches()}


def test_the_script_in_the_docs_is_one(tmp_path: Path) -> None:
    script = DOCS.partition("```json\n")[2].partition("```")[0]
    file = tmp_path / "day.json"
    file.write_text(script)
    assert len(load_faults(file).rules) == len(json.loads(script)) >= 5


def test_the_options_in_the_docs_are_the_commands() -> None:
    listed = CliRunner().invoke(main, ["sandbox", "--help"]).output
    assert all(option in listed for option in re.findall(r"(?<![-|])--[a-z-]+", DOCS))


def test_the_command_lists_the_faults_and_names_a_wrong_option() -> None:
    listed = CliRunner().invoke(main, ["sandbox", "--list-faults"])
    assert listed.exit_code == 0
    assert [line.split(": ")[0] for line in listed.output.splitlines()] == [*by_kind(), *TELLINGS]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--credits", "ten"], "--credits ten: expected an amount in USD"),
        (["--spent", "-1"], "--spent -1: expected an amount in USD"),
        (["--key-limit", "NaN"], "--key-limit NaN: expected an amount in USD"),
        (["--doubt", "rolling"], "--doubt: 'rolling' is none of minute_refusals_count, "),
    ],
)
def test_a_wrong_option_is_a_usage_error_in_one_line(options: list[str], says: str) -> None:
    result = CliRunner().invoke(main, ["sandbox", *options])
    assert (result.exit_code, says in result.output) == (2, True), result.output
