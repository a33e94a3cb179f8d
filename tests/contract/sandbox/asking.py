"""Asks one sandbox, and has what came back."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from bot.openrouter.sandbox import Sandbox

Json = dict[str, Any]
KEY = {"Authorization": "Bearer sk-or-v1-test"}


@dataclass(frozen=True, slots=True)
class Heard:
    """One response, whole."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return value

    @property
    def error(self) -> Json:
        error = self.json["error"]
        assert isinstance(error, dict)
        return error

    @property
    def events(self) -> list[Json]:
        lines = self.body.decode().split("\n\n")
        return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]

    @property
    def text(self) -> str:
        return "".join(event["choices"][0]["delta"]["content"] for event in self.events)


class Client:
    """Asks one sandbox."""

    def __init__(self, base: str, session: aiohttp.ClientSession) -> None:
        self.base, self._session = base, session

    async def ask(self, text: str = "Hello there", *, headers: dict[str, str] | None = None, **body: Any) -> Heard:
        asked = {"model": "openrouter/free", "messages": [{"role": "user", "content": text}]} | body
        async with self._session.post(self.base + "/chat/completions", json=asked, headers=KEY | (headers or {})) as r:
            return Heard(r.status, dict(r.headers), await r.read())

    async def stream(self, text: str = "Hello there", **body: Any) -> Heard:
        return await self.ask(text, stream=True, **body)

    async def get(self, path: str, headers: dict[str, str] | None = None) -> Heard:
        async with self._session.get(self.base + path, headers=KEY if headers is None else headers) as r:
            return Heard(r.status, dict(r.headers), await r.read())

    async def open(self, text: str = "Hello there", **body: Any) -> aiohttp.ClientResponse:
        """A stream that is still under way."""
        asked = {"model": "openrouter/free", "stream": True, "messages": [{"role": "user", "content": text}]} | body
        return await self._session.post(self.base + "/chat/completions", json=asked, headers=KEY)


Opened = tuple[Sandbox, Client]
Open = Callable[..., Awaitable[Opened]]
