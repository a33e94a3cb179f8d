"""`potluck admin key`: what it keeps feeds a pool of the community's; no key is an argument, and none is shown."""

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


async def run(*words: str, typed: str = "", code: int = 0, group: str = "key") -> str:
    """What a command says, without the sandbox having to wait for it."""

    def command() -> str:
        done = CliRunner().invoke(main, ["admin", group, *words, "--community", "discord:9"], input=typed)
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
    assert "is linked" in await run("show")
    assert KEY[-4:] in (said := await run("paste", typed=f"{KEY}\n"))
    assert "that everybody shares" in said, "the sandbox's one account"
    first = (await linked(home))[CommunityId("discord:9")]
    assert first.pool.startswith("account:")
    assert KEY[-4:] in await run("show")
    await run("paste", typed=OTHER)
    second = (await linked(home))[CommunityId("discord:9")]
    assert (second.pool, second.linked_at > first.linked_at) == (first.pool, True), "of the same account"
    assert "kept nowhere" in await run("undo", "2", group="audit", code=2), "the first key is gone"
    assert "deleted" in await run("remove")
    assert "no key" in await run("remove")
    assert await linked(home) == {}
    assert "kept nowhere" in await run("undo", "3", group="audit", code=2)
    await run("paste", typed=KEY)
    assert "shell:owner" in await run("list", "--json", group="audit")
    await run("undo", "4", group="audit")
    assert await linked(home) == {}, "a link is taken back"


async def test_what_is_no_good_key_is_not_kept(home: Path) -> None:
    assert "not an OpenRouter key" in await run("paste", typed="hello world\n", code=2)
    assert "not an OpenRouter key" in await run("paste", typed="sk-or-hello\n", code=2)
    assert "does not accept" in await run("paste", typed="sk-or-v1-" + "bad0cafe" * 8, code=2)
    assert "admin key paste" in await run("add", code=2), "a shell waits for no code"
    assert await linked(home) == {}


async def test_without_an_account_for_all_there_is_nothing_to_set_apart(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENROUTER_API_KEY")
    assert "OPENROUTER_API_KEY" in await run("paste", typed=KEY, code=2)
