"""Asks one sandbox with any account's key, and has what came back."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from bot.openrouter.sandbox import Sandbox

Json = dict[str, Any]
FREE, PAID = "sandbox/harbor-24b:free", "sandbox/summit-120b"
VERIFIER = "a-verifier-of-some-length-that-nobody-else-knows"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class Heard:
    """One response, whole."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Json:
        value = json.loads(self.text)
        assert isinstance(value, dict)
        return value

    @property
    def data(self) -> Json:
        data = self.json["data"]
        assert isinstance(data, dict)
        return data

    @property
    def said(self) -> str:
        return str(self.json["error"]["message"])


class Client:
    """Asks one sandbox, with any key."""

    def __init__(self, base: str, session: aiohttp.ClientSession) -> None:
        self.base, self.session = base, session

    async def send(self, method: str, path: str, *, key: str = "k", fault: str | None = None, **more: Any) -> Heard:
        headers = ({"Authorization": f"Bearer {key}"} if key else {}) | ({"X-Sandbox-Fault": fault} if fault else {})
        url = self.base.removesuffix("/api/v1") + path if path.startswith("/auth?") else self.base + path
        async with self.session.request(method, url, headers=headers, allow_redirects=False, **more) as response:
            return Heard(response.status, dict(response.headers), await response.text())

    async def get(self, path: str, *, key: str = "k", fault: str | None = None) -> Heard:
        return await self.send("GET", path, key=key, fault=fault)

    async def ask(self, model: str = FREE, *, key: str = "k", fault: str | None = None, **body: Any) -> Heard:
        asked = {"model": model, "messages": [{"role": "user", "content": "Hello there"}]} | body
        return await self.send("POST", "/chat/completions", key=key, fault=fault, json=asked)

    async def exchange(self, code: str, verifier: str = VERIFIER, **more: Any) -> Heard:
        body = {"code": code, "code_verifier": verifier, "code_challenge_method": "S256"} | more
        return await self.send("POST", "/auth/keys", key="", json=body)


Opened = tuple[Sandbox, Client]
Open = Callable[..., Awaitable[Opened]]
