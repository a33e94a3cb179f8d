"""`potluck run` as whoever installs it meets it: a process, its lines, its page, its end."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import aiohttp
import pytest

from tests.acceptance.processes import Ended, Running, result, results, running
from tests.fakes.pages import events

ROOT = Path(__file__).parents[2]
ANY_PORT = {"WEB_PORT": "0"}
END_WITHIN = 10.0
"""Seconds a service has to end in when it is told to, or its host loses patience and kills it."""


@asynccontextmanager
async def potluck(folder: Path, **env: str) -> AsyncIterator[tuple[Running, str]]:
    """A Potluck that serves, and the address of its page."""
    async with running("run", folder=folder, env=ANY_PORT | env) as process:
        yield process, (await process.line("Potluck")).split()[1]


@asynccontextmanager
async def ask(url: str, text: str) -> AsyncIterator[aiohttp.ClientResponse]:
    question = {"member": "ann", "conversation": "c1", "text": text}
    async with aiohttp.ClientSession() as http, http.post(f"{url}/api/chat", json=question) as response:
        assert response.status == 200, await response.text()
        yield response


def outcomes(folder: Path) -> list[tuple[str | None, str, int]]:
    """Of every lease: what came of it, the answer that was kept, whether that is whole."""
    with closing(sqlite3.connect(folder / "potluck.db")) as db:
        rows = db.execute("SELECT outcome, answer, whole FROM leases LEFT JOIN turns ON turns.id = leases.turn")
        return rows.fetchall()


def is_one_line(ended: Ended, code: int, *words: str) -> None:
    """It ended with this code and one line for a person, with these words in it."""
    assert (ended.code, ended.out) == (code, "")
    assert len(ended.err.splitlines()) == 1, ended.err
    for word in words:
        assert word in ended.err


# --- starting and ending -------------------------------------------------------------------------------------


async def test_it_works_with_nothing_set_up(tmp_path: Path) -> None:
    async with potluck(tmp_path) as (process, url):
        async with aiohttp.ClientSession() as http:
            for path in ("/", "/healthz", "/readyz", "/metrics"):
                async with http.get(url + path) as response:
                    assert response.status == 200
        async with ask(url, "What is a potluck?") as response:
            heard = [event async for event in events(response)]
        process.signal(signal.SIGTERM)
        ended = await process.ended(within=END_WITHIN)
    assert ended.code == 0
    names = [name for name, _ in heard]
    assert names[-1] == "finished"
    assert names.count("delta") >= 2, "it streams"
    assert heard[-1][1]["share"]["used"] == 1
    shown = "".join(data["text"] for name, data in heard if name == "delta")
    assert outcomes(tmp_path) == [("answered", shown, 1)]
    for name in ("OpenRouter", "Pool", "Database", "Secret", "Web page"):
        assert re.search(rf"^ *{name} ", ended.out, re.MULTILINE), ended.out
    assert "OPENROUTER_API_KEY" in ended.out
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_ends_in_mid_answer_and_settles_it(tmp_path: Path, number: signal.Signals) -> None:
    async with potluck(tmp_path) as (process, url), ask(url, "Tell me something long") as response:
        heard = []
        async for name, data in events(response):
            heard.append((name, data))
            if name == "delta" and len(heard) < 4:
                process.signal(number)
        ended = await process.ended(within=END_WITHIN)
    assert ended.code == 0
    assert "Traceback" not in ended.err
    assert (heard[-1][0], heard[-1][1]["partial"]) == ("failed", True), "the client is told, not cut off"
    [(outcome, answer, whole)] = outcomes(tmp_path)
    assert (outcome, whole) == ("stopped", 0)
    assert answer
    async with potluck(tmp_path) as (again, _):
        again.signal(signal.SIGTERM)
        assert "Recovered" not in (await again.ended()).out


async def test_control_a_killed_one_settles_nothing_and_the_next_recovers_it(tmp_path: Path) -> None:
    async with potluck(tmp_path) as (process, url), ask(url, "Tell me something long") as response:
        async for name, _ in events(response):
            if name == "delta":
                break
        process.signal(signal.SIGKILL)
        assert (await process.ended()).code == -signal.SIGKILL
    assert outcomes(tmp_path) == [(None, "", 0)]
    async with potluck(tmp_path) as (again, _):
        assert (await again.line("Recovered")).split()[1] == "1"
        again.signal(signal.SIGTERM)
        assert (await again.ended()).code == 0
    assert outcomes(tmp_path) == [("crashed", "", 0)]


async def test_it_ends_when_told_while_it_starts_and_openrouter_says_nothing(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        silent.setblocking(False)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        env = ANY_PORT | {"OPENROUTER_API_KEY": "sk-or-v1-x", "OPENROUTER_BASE_URL": url}
        async with running("run", folder=tmp_path, env=env) as process:
            asking, _ = await asyncio.get_running_loop().sock_accept(silent)
            with closing(asking):
                process.signal(signal.SIGTERM)
                ended = await process.ended(within=END_WITHIN)
    assert ended.code == 0
    assert "timeout" in ended.out
    assert "Traceback" not in ended.err


async def test_an_env_file_made_from_the_example_starts(tmp_path: Path) -> None:
    shutil.copy(ROOT / ".env.example", tmp_path / ".env")
    async with potluck(tmp_path) as (process, _):
        process.signal(signal.SIGTERM)
        assert (await process.ended(within=END_WITHIN)).code == 0


# --- what cannot work ----------------------------------------------------------------------------------------


async def test_one_process_a_database(tmp_path: Path) -> None:
    async with potluck(tmp_path):
        is_one_line(await result("run", folder=tmp_path, env=ANY_PORT), 1, "Another Potluck", "DATABASE_URL")
    async with potluck(tmp_path):
        """The one that was killed left no lock behind."""


async def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        is_one_line(await result("run", folder=tmp_path, env={"WEB_PORT": str(port)}), 1, f"{port}", "WEB_PORT")


async def test_a_database_that_cannot_be_used_is_named_and_left_alone(tmp_path: Path) -> None:
    foreign, newer, notes, folder = (tmp_path / name for name in ("songs.db", "newer.db", "notes.txt", "folder"))
    folder.mkdir()
    notes.write_text("some notes\n" * 100)
    with closing(sqlite3.connect(foreign)) as db:
        db.execute("CREATE TABLE songs (title TEXT)")
    assert (await result("migrate", folder=tmp_path, env=_database(newer))).code == 0
    with closing(sqlite3.connect(newer)) as db, db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
    unusable = {
        foreign: "another program",
        newer: "newer Potluck",
        notes: "not a database",
        folder: "unable to open",
        notes / "potluck.db": "cannot be used",
    }
    before = {file: file.read_bytes() for file in unusable if file.is_file()}
    ends = await results(*(("run", ANY_PORT | _database(file)) for file in unusable), folder=tmp_path)
    for (file, word), ended in zip(unusable.items(), ends, strict=True):
        is_one_line(ended, 1, str(file), word)
    assert before == {file: file.read_bytes() for file in before}


def _database(file: Path) -> dict[str, str]:
    return {"DATABASE_URL": f"sqlite+aiosqlite:///{file}"}
