"""The web adapter over a whole Potluck, and a browser without a screen: what a page would send and be sent."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp

from bot.openrouter.sandbox import SandboxSettings
from tests.fakes.deployment import Deployment, deployment
from tests.fakes.linking import Member as Linker
from tests.fakes.pages import events, page_of
from tests.fakes.virtual import VirtualClock


class Answers:
    """All that a browser was answered, headers too."""

    def __init__(self) -> None:
        self._heard: list[str] = []
        self.trace = aiohttp.TraceConfig()
        self.trace.on_response_chunk_received.append(self._chunk)
        self.trace.on_request_end.append(self._head)

    async def _chunk(
        self, session: aiohttp.ClientSession, context: SimpleNamespace, seen: aiohttp.TraceResponseChunkReceivedParams
    ) -> None:
        self._heard.append(seen.chunk.decode(errors="replace"))

    async def _head(
        self, session: aiohttp.ClientSession, context: SimpleNamespace, seen: aiohttp.TraceRequestEndParams
    ) -> None:
        self._heard.append(str(seen.response.headers))

    @property
    def text(self) -> str:
        return "\n".join(self._heard)


class Browser:
    """Asks over HTTP and reads the events."""

    def __init__(self, session: aiohttp.ClientSession, url: str, answers: Answers) -> None:
        self._session, self._url, self.answers = session, url, answers

    async def ask(
        self,
        member: str,
        text: str = "hello",
        *,
        until: str = "",
        heard: list[tuple[str, Any]] | None = None,
        **more: Any,
    ) -> list[tuple[str, Any]]:
        """The events of one reply, in `heard` as they come; with `until`, the tab is closed after the first event of
        that name."""
        body = {"member": member, "conversation": "c1", "text": text, **more}
        async with self._session.post(f"{self._url}/api/chat", json=body) as answer:
            return await _events(answer, until, heard)

    async def follow(self, ticket: str) -> list[tuple[str, Any]]:
        """The events of a held reply."""
        async with self._session.get(f"{self._url}/api/tickets/{ticket}/events") as answer:
            return await _events(answer)

    async def give_up(self, ticket: str) -> int:
        """Let a held question go; the status of the answer to that."""
        async with self._session.delete(f"{self._url}/api/tickets/{ticket}") as answer:
            return answer.status

    async def command(self, line: str, member: str) -> Any:
        """What is answered to a command that was typed into the page."""
        body = {"line": line, "member": member, "conversation": "c1"}
        async with self._session.post(f"{self._url}/api/commands", json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    def member(self, name: str) -> Linker:
        """One who links an account of their own from here."""
        return Linker(name=name, url=self._url, session=self._session)

    async def metrics(self) -> str:
        """The metrics page."""
        async with self._session.get(f"{self._url}/metrics") as answer:
            return await answer.text()

    async def pool_events(self, until: Callable[[Any], bool]) -> Any:
        """What the pool's feed tells, the first that is so."""
        async with self._session.get(f"{self._url}/api/pool/events") as answer:
            async for line in answer.content:
                if line.startswith(b"data: ") and until(told := json.loads(line[6:])):
                    answer.close()
                    return told
        return None

    async def get(self, path: str) -> Any:
        async with self._session.get(f"{self._url}{path}") as answer:
            assert answer.status == 200
            return await answer.json(content_type=None)


@asynccontextmanager
async def browsing(
    folder: Path,
    clock: VirtualClock,
    *,
    sandbox: SandboxSettings | None = None,
    **env: str,
) -> AsyncIterator[tuple[Browser, Deployment]]:
    async with deployment(folder, clock, sandbox=sandbox, env=env) as potluck:
        running, heard = potluck.running, Answers()
        async with (
            page_of(potluck, own_keys=running.own_keys, registry=running.registry) as url,
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(), trace_configs=[heard.trace]) as session,
        ):
            yield Browser(session, url, heard), potluck


async def _events(
    answer: aiohttp.ClientResponse, until: str = "", heard: list[tuple[str, Any]] | None = None
) -> list[tuple[str, Any]]:
    assert answer.status == 200, await answer.text()
    heard = [] if heard is None else heard
    async for name, event in events(answer):
        heard.append((name, event))
        if name == until:
            answer.close()
            break
    return heard
