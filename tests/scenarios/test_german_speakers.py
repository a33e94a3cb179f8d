"""Who speaks German is spoken to in German, on the page, in the terminal and in Slack; everybody else in English."""

from __future__ import annotations

import io
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from html import unescape
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from rich.console import Console

from adapters.rendering.saying import Speech
from adapters.terminal.chat import Chat, member
from adapters.terminal.screen import Screen
from bot.commands.registry import Registry
from bot.openrouter.sandbox import SandboxSettings
from tests.fakes.deployment import deployment
from tests.fakes.pages import page_of
from tests.fakes.slack.potluck import in_slack
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

IN_PLACE = ("help", "quota", "pool", "model show", "privacy show", "link", "key show", "stop", "admin pool status",
            "admin audit list", "admin paid list", "admin models list", "admin quota show", "admin top",
            "admin channels list", "admin persona list", "admin admins list", "admin owner communities", "nothing",
            "admin quota grant", "quota x=1")  # fmt: skip
"""Commands with every kind of answer, refusals among them."""


class Page:
    def __init__(self, url: str, session: aiohttp.ClientSession, registry: Registry) -> None:
        self.url, self._session, self.registry = url, session, registry

    async def get(self, path: str, language: str) -> tuple[str, Mapping[str, str]]:
        async with self._session.get(self.url + path, headers={"Accept-Language": language}) as answer:
            return await answer.text(), answer.headers

    async def command(self, line: str, language: str) -> dict[str, Any]:
        body = {"member": "ann", "conversation": "c", "line": f"/{line}"}
        headers = {"Accept-Language": language, "Time-Zone": "Europe/Vienna"}
        async with self._session.post(f"{self.url}/api/commands", json=body, headers=headers) as answer:
            return dict(await answer.json())

    async def chat(self, text: str, language: str, **fields: object) -> dict[str, Any]:
        """The last event."""
        body = {"member": "ann", "conversation": "c", "text": text, **fields}
        headers = {"Accept-Language": language, "Time-Zone": "Europe/Vienna"}
        async with self._session.post(f"{self.url}/api/chat", json=body, headers=headers) as answer:
            told = await answer.text()
            if answer.content_type == "application/json":
                return dict(json.loads(told))
            return dict(json.loads(told.strip().rpartition("data: ")[2]))


@asynccontextmanager
async def page(folder: Path, clock: VirtualClock) -> AsyncIterator[Page]:
    async with (
        deployment(folder, clock, sandbox=SandboxSettings(rpd=1), env={"pool_rpd": "1"}) as potluck,
        aiohttp.ClientSession() as session,
        page_of(potluck, registry=potluck.running.registry) as url,
    ):
        yield Page(url, session, potluck.running.registry)


def texts(answer: Mapping[str, Any]) -> set[str]:
    """All that a command says in words: neither figures nor names nor what is copied."""
    said: set[str] = set()
    for part in answer["parts"]:
        said |= {part[name] for name in ("text", "alt") if part.get(name)}
        if part["part"] == "table":
            said |= {*part["head"], *([] if part["rows"] else [part["none"]])}
        if part["part"] == "facts":
            said |= {name for name, _ in part["rows"]}
    return said


ALIKE = {"Name", "Community", "Budget"}
"""The same in both languages."""


async def test_the_page_speaks_german_to_who_wants_it_and_english_to_all_others(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with page(tmp_path, clock) as open_page:
        german, headers = await open_page.get("/", "fr;q=0.9,de-AT;q=0.8,en;q=0.5")
        assert '<html lang="de-AT">' in german
        assert (headers["Content-Language"], headers["Vary"]) == ("de-AT", "Accept-Language")
        assert "Wie heißt du?" in german
        said = json.loads(unescape(re.findall(r'data-texts="([^"]*)"', german)[0]))
        assert said["Ask as {name}"] == "Als {name} fragen"
        assert said["{count} second"] == ["{count} Sekunde", "{count} Sekunden"]
        assert "Was Potluck speichert" in (await open_page.get("/privacy", "de"))[0]
        english, headers = await open_page.get("/", "fr")
        assert '<html lang="en">' in english
        assert headers["Content-Language"] == "en"
        assert "What are you called?" in english
        assert 'data-texts="{}"' in english
        # Nothing is started again when somebody's language is another one.
        await open_page.chat("why is the sky blue?", "de")
        told = await open_page.chat("und das Meer?", "de-DE,de;q=0.9")
        assert told["message"].startswith("Der heutige Topf ist leer: ")
        assert "Er ist morgen um " in told["message"]
        assert " wieder voll. " in told["message"]
        others = await open_page.chat("and the sea?", "en-US")
        assert others["message"].startswith("Today's pool is empty: ")
        again = await open_page.chat("und das Meer?", "de")
        assert again["message"] == told["message"]
        assert (await open_page.chat("", "de"))["message"] == "text: Schreib etwas."


async def test_every_command_answers_in_german(tmp_path: Path, clock: VirtualClock) -> None:
    async with page(tmp_path, clock) as open_page:
        for line in IN_PLACE:
            german, english = [texts(await open_page.command(line, language)) for language in ("de", "fr")]
            assert german, line
            assert not german & english - ALIKE, line
        about = json.loads((await open_page.get("/api/commands?member=ann", "de"))[0])["commands"]
        plain = json.loads((await open_page.get("/api/commands?member=ann", "en"))[0])["commands"]
        assert len(about) > 50
        for ours, theirs in zip(about, plain, strict=True):
            assert ours["path"] == theirs["path"], "what is typed is the same everywhere"
            assert ours["about"] != theirs["about"], ours
            for one, other in zip(ours["parameters"], theirs["parameters"], strict=True):
                assert one["about"] != other["about"], ours
        for command in open_page.registry.commands:
            for said in (command.about, *(one.about for one in command.takes)):
                assert len(Speech(locale="de", clock=clock).say(said)) <= 100, said.text


async def test_the_terminal_speaks_german(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock) as potluck:
        speech = Speech(locale="de_DE", clock=clock)
        chat = Chat(
            conversations=potluck.running.conversations,
            registry=potluck.running.registry,
            clock=clock,
            member=member("ann"),
            speech=speech,
            days=30,
            folder=tmp_path,
        )
        out = Console(file=io.StringIO(), width=200)
        screen = Screen(answers=out, notes=out, clock=clock, tongue=speech)
        out.print(await chat.welcome())
        for line in ("/help", "/why", "/detach", "/attach nirgends.txt"):
            done = await chat.do(line)
            assert done is not None
            out.print(done.shown)
        async with aclosing(chat.ask("Warum ist der Himmel blau?")) as events:
            async for event in events:
                screen.show(event)
        screen.close()
        assert isinstance(out.file, io.StringIO)
        shown = out.file.getvalue()
    for said in (
        "Potluck · ann · 0 von heute ",
        "/help zeigt die Befehle · Strg-C hält eine Antwort an",
        "In diesem Terminal",
        "Fragen und Antworten bleiben 30 Tage in der Datenbank.",
        "Alle fangen morgen um ",
        "Es war nichts angehängt.",
        "nirgends.txt lässt sich nicht lesen:",
        "Lass Privates weg.",
        " · kostenlos · 1 von heute ",
    ):
        assert said in shown, said


async def test_slack_speaks_the_language_of_an_account(tmp_path: Path, clock: VirtualClock) -> None:
    async with in_slack(tmp_path, clock) as there:
        uwe, ann = there.slack.person("U1UWE", locale="de-DE"), there.slack.person("U1ANN")
        said = await uwe.asks("warum ist der Himmel blau?")
        (answer,) = await there.slack.settled("C1", said.root)
        assert "1 von heute" in answer.beside
        buttons = json.dumps(answer.blocks, ensure_ascii=False)
        assert "Gute Antwort" in buttons
        assert "Hier nur antworten, wenn erwähnt" in buttons
        other = await ann.asks("why is the sky blue?")
        (answer,) = await there.slack.settled("C1", other.root)
        assert "1 of today" in answer.beside
