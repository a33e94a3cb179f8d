"""`potluck admin`: the commands of admins over the database, and in force in the process that runs beside it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bot.__main__ import main
from bot.commands.all import ALL
from bot.messages import Member
from bot.openrouter.sandbox import SandboxSettings
from tests.fakes.deployment import deployment
from tests.fakes.virtual import VirtualClock

BEN = Member("web", "ben")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path / 'potluck.db'}")
    monkeypatch.setenv("POOL_RPD", "50")
    monkeypatch.delenv("OPENROUTER_API_KEY", raising=False)
    return tmp_path


def run(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["admin", *words])
    assert done.exit_code == code, done.output
    return done.output


def read(*words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(*words, "--json"))
    return found


def test_a_change_its_line_and_the_way_back() -> None:
    assert read("quota", "grant", "web:ann", "3", "--community", "web")["change"] == 1
    assert read("quota", "weight", "web:ann", "2")["change"] == 2
    rows = read("audit", "list")["parts"][0]["rows"]
    assert [(row["Change"], row["Who"], row["Command"]) for row in rows] == [
        (2, "shell:owner", "admin quota weight"),
        (1, "shell:owner", "admin quota grant"),
    ]
    assert "taken back" in run("audit", "undo", "1")
    assert len(read("quota", "show")["parts"][0]["rows"]) == 1
    assert "already" in run("audit", "undo", "1", code=2)


def test_who_has_yet_to_ask_is_meant_by_their_id_alone() -> None:
    for words in (
        ("quota", "grant", "ben", "3"),
        ("paid", "allow", "ben"),
        ("admins", "add", "ben", "--community", "web"),
    ):
        assert "Nobody known here is called ben" in " ".join(run(*words, code=2).split())
    assert "ben" in run("quota", "grant", "web:ben", "3")


def test_rules_and_budgets() -> None:
    run("paid", "allow", "discord:123", "--models", "m/a,m/b", "--until", "2100-01-01")
    run("paid", "deny", "everyone", "--community", "discord:9", "--prompt-price", "1", "--answer-price", "5")
    run("paid", "budget", "2.50")
    run("paid", "budget", "0.1", "--per", "day", "--of", "each", "--community", "discord:9")
    rules, budgets = (part["rows"] for part in read("paid", "list")["parts"])
    assert [(rule["Rule"], rule["What"], rule["Who"]) for rule in rules] == [
        (1, "may use", "discord:123"),
        (2, "may not use", "everyone in discord:9"),
    ]
    assert {(one["Budget"], one["Per"], one["Of"]) for one in budgets} == {
        ("2.5", "month", "all together"),
        ("0.1", "day", "each member"),
    }
    run("paid", "forget", "1")
    assert [rule["Rule"] for rule in read("paid", "list")["parts"][0]["rows"]] == [2]


@pytest.mark.parametrize(
    "words",
    [
        ("paid", "allow", "nobody"),
        ("paid", "allow", "discord:123", "--prompt-price", "1"),
        ("paid", "allow", "discord:123", "--prompt-price", "cheap", "--answer-price", "1"),
        ("paid", "budget", "-1"),
        ("paid", "budget", "2000000"),
        ("paid", "budget", "1", "--of", "nobody"),
        ("paid", "forget", "7"),
        ("quota", "grant", "web:ann", "-3"),
        ("persona", "set", "be kind"),
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_refused_in_one_sentence(words: tuple[str, ...]) -> None:
    said = run(*words, code=2)
    assert "Traceback" not in said
    assert "inside Potluck" not in said
    assert read("audit", "list")["parts"][0]["rows"] == []


def test_every_command_of_admins_explains_itself() -> None:
    for command in ALL:
        if command.path[0] == "admin":
            assert command.about.text in " ".join(run(*command.path[1:], "--help").split())


@pytest.mark.virtual
async def test_what_is_changed_beside_a_process_that_runs_holds_there_within_two_seconds(
    tmp_path: Path, clock: VirtualClock
) -> None:
    sandbox = SandboxSettings(rpm=1000, rpd=1000)
    async with deployment(tmp_path, clock, sandbox=sandbox, env={"pool_rpd": "50"}) as potluck:
        office = potluck.running.office
        assert (await potluck.ask("ben")).error is None
        # By the shell, with the same settings, in a thread: time stands still meanwhile.
        monkey = {**potluck.beside, "OPENROUTER_API_KEY": "sk-or-test", "OPENROUTER_BASE_URL": "http://127.0.0.1:9"}

        def beside(*words: str) -> int:
            return CliRunner().invoke(main, ["admin", *words], env=monkey).exit_code

        assert await asyncio.to_thread(beside, "quota", "block", BEN.key) == 0
        assert (await potluck.ask("ben")).error is None, "the control: nobody has looked"
        following = asyncio.create_task(office.follow())
        await asyncio.sleep(2)
        assert (await potluck.ask("ben")).error == "member_blocked"
        assert await asyncio.to_thread(beside, "pool", "pause") == 0
        await asyncio.sleep(2)
        assert (await potluck.ask("cara")).error == "pool_paused"
        assert [change.wish.command for change in await office.history(None, limit=9)] == [
            "admin pool pause",
            "admin quota block",
        ]
        assert await asyncio.to_thread(beside, "audit", "undo", "2") == 0
        await asyncio.sleep(2)
        assert (await potluck.ask("cara")).error is None
        assert (await potluck.counted())["leases"] == {"answered": 3}, "no lease was touched from outside"
        following.cancel()
