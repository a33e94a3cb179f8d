"""The command line from outside: help, usage and settings errors, and the database's own command."""

from __future__ import annotations

import base64
from pathlib import Path

import click
import pytest

from bot.__main__ import main
from tests.acceptance.processes import result, results

PLANTED = {
    "OPENROUTER_API_KEY": "sk-or-v1-planted-secret",
    "SECRET_KEY": base64.urlsafe_b64encode(b"a planted secret of 32 bytes: ok").decode(),
    "WEB_TOKEN": "planted-token",
}
WRONG = {
    "OPENROUTER_API_KEY": "planted secret",
    "OPENROUTER_BASE_URL": "openrouter.ai",
    "DATABASE_URL": "mysql://localhost/potluck",
    "POOL_RPM": "0",
    "POOL_RPD": "many",
    "FAIR_POLICY": "unfair",
    "MAX_WAIT_SECONDS": "nan",
    "RETAIN_MESSAGES_DAYS": "-1",
    "OWNER_IDS": "ann",
    "SECRET_KEY": "planted-but-short",
    "WEB_HOST": "a..b",
    "WEB_PORT": "65536",
    "WEB_TOKEN": "planted token",
    "LOG_FORMAT": "xml",
    "LOG_LEVEL": "loud",
}


def left_in(folder: Path) -> list[Path]:
    """What a command has begun."""
    return list(folder.iterdir())


async def test_a_wrong_setting_ends_in_one_line_that_tells_no_secret(tmp_path: Path) -> None:
    ends = await results(*(("run", PLANTED | {name: value}) for name, value in WRONG.items()), folder=tmp_path)
    for name, ended in zip(WRONG, ends, strict=True):
        assert (ended.code, ended.out) == (2, ""), ended
        assert len(ended.err.splitlines()) == 1, ended.err
        assert ended.err.startswith(f"{name}: ")
        for secret in (*PLANTED.values(), WRONG[name] if name in PLANTED else "planted"):
            assert secret not in ended.err
    assert left_in(tmp_path) == []


async def test_a_page_for_others_needs_a_password(tmp_path: Path) -> None:
    ended = await result("run", folder=tmp_path, env={"WEB_HOST": "0.0.0.0"})
    assert (ended.code, len(ended.err.splitlines())) == (2, 1)
    assert "WEB_TOKEN" in ended.err


async def test_every_command_explains_itself(tmp_path: Path) -> None:
    names = [*main.commands]
    top, version, *ends = await results(
        ("--help", {}), ("--version", {}), *((f"{name} --help", {}) for name in names), folder=tmp_path
    )
    assert (top.code, top.err, version.code) == (0, "", 0)
    assert version.out.startswith("potluck")
    for name, ended in zip(names, ends, strict=True):
        assert f"  {name} " in top.out
        assert (ended.code, ended.err) == (0, "")
        assert ended.out.startswith(f"Usage: potluck {name}")
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("name", [*main.commands])
def test_every_option_says_what_it_is_for_or_shows_its_default(name: str) -> None:
    command = main.commands[name]
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help or parameter.show_default, f"{name} {parameter.opts}"
    assert command.help


async def test_usage_errors_are_told_apart_from_the_rest(tmp_path: Path) -> None:
    wrong = ("serve", "run --fast", "run --only irc", "sandbox --rpm many", "sandbox --faults missing.json")
    for ended in await results(*((arguments, {}) for arguments in wrong), folder=tmp_path):
        assert (ended.code, ended.out) == (2, "")
        assert "Traceback" not in ended.err
    assert left_in(tmp_path) == []


async def test_migrate_makes_the_database_and_says_so(tmp_path: Path) -> None:
    first = await result("migrate", folder=tmp_path)
    again = await result("migrate", folder=tmp_path)
    assert (first.code, again.code) == (0, 0)
    assert "(was new)" in first.out
    assert "already" in again.out
    assert (tmp_path / "potluck.db").exists()
