"""`potluck admin key`: what it keeps feeds a pool of the community's, and no key is ever an argument or an output."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.__main__ import main
from bot.clock import SystemClock
from bot.messages import CommunityId
from bot.openrouter.sandbox import Sandbox, SandboxSettings
from bot.storage.database import Database
from bot.storage.keys import Linked, SqlKeys
from bot.vault import Vault

KEY, OTHER = "sk-or-v1-" + "a1b2c3d4e5f60718" * 4, "sk-or-v1-" + "0f1e2d3c4b5a6978" * 4


@pytest.fixture
async def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    sandbox = Sandbox(SandboxSettings(), SystemClock())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path / 'pot.db'}")
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-everybodys")
    monkeypatch.setenv("OPENROUTER_BASE_URL", await sandbox.start())
    yield tmp_path
    await sandbox.close()


async def run(*words: str, typed: str = "", code: int = 0) -> str:
    """What a command says, without the sandbox having to wait for it."""

    def command() -> str:
        done = CliRunner().invoke(main, ["admin", "key", *words], input=typed)
        assert done.exit_code == code, done.output
        return done.output

    said = await asyncio.to_thread(command)
    assert KEY not in said
    assert OTHER not in said
    return said


async def linked(folder: Path) -> dict[CommunityId, Linked]:
    database = Database(folder / "pot.db", SystemClock())
    await database.open()
    try:
        return dict(await SqlKeys(database, SystemClock(), Vault([b"A" * 43 + b"="])).communities())
    finally:
        await database.close()


async def test_a_key_is_linked_shown_replaced_and_removed(home: Path) -> None:
    assert "No key" in await run("show", "discord:9")
    assert KEY[-4:] in await run("add", "discord:9", typed=f"{KEY}\n")
    first = (await linked(home))[CommunityId("discord:9")]
    assert first.pool.startswith("account:")
    assert KEY[-4:] in await run("show", "discord:9")
    await run("add", "discord:9", typed=OTHER)
    second = (await linked(home))[CommunityId("discord:9")]
    assert (second.pool, second.linked_at > first.linked_at) == (first.pool, True), "of the same account"
    assert "removed" in await run("remove", "discord:9")
    assert "No key" in await run("remove", "discord:9")
    assert await linked(home) == {}


async def test_what_is_no_good_key_is_not_kept(home: Path) -> None:
    assert "not an OpenRouter key" in await run("add", "discord:9", typed="hello\n", code=1)
    assert "does not accept" in await run("add", "discord:9", typed="sk-or-v1-" + "bad0cafe" * 8, code=1)
    assert await linked(home) == {}


async def test_without_an_account_for_all_there_is_nothing_to_set_apart(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENROUTER_API_KEY")
    assert "OPENROUTER_API_KEY" in await run("add", "discord:9", typed=KEY, code=2)
