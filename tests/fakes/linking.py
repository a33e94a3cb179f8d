"""What a member does to link an account: open the link, say yes at the sandbox, and paste what it shows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
from pydantic import SecretStr

from bot import messages
from bot.openrouter import linking
from bot.openrouter.client import OpenRouter
from tests.fakes.deployment import Deployment

ADMIN = messages.Member("web", "ada")
"""Who links accounts for a community, where it does not matter who."""
_SHOWN = re.compile(r"auth_code_[0-9a-f]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One who links, by HTTP alone."""

    name: str
    url: str
    session: aiohttp.ClientSession

    async def own_key(self, method: str = "GET", step: str = "", **fields: object) -> tuple[int, Any]:
        """Status and body of one request under `/api/own-key`."""
        address = f"{self.url}/api/own-key{step}"
        who = {"member": self.name}
        options: dict[str, Any] = {"json": {**who, **fields}} if method == "POST" else {"params": who}
        async with self.session.request(method, address, **options) as answer:
            return answer.status, await answer.json()

    async def start(self) -> str:
        """A new link."""
        status, body = await self.own_key("POST", "/start")
        assert status == 200, body
        return str(body["link"])

    async def approve(self, link: str, account: str = "") -> str:
        """Say yes on the page behind a link, as the owner of an account: the code it shows."""
        async with self.session.get(link, params={"account": account} if account else None) as answer:
            assert answer.status == 200
            found = _SHOWN.search(await answer.text())
        assert found is not None
        return found[0]

    async def link(self, account: str) -> dict[str, Any]:
        """Link an account by its code."""
        status, body = await self.own_key("POST", "/finish", code=await self.approve(await self.start(), account))
        assert status == 200, body
        return dict(body)


def challenge_in(link: str) -> str:
    """What a link carries in the verifier's place."""
    return parse_qs(urlsplit(link).query)["code_challenge"][0]


async def key_of(potluck: Deployment, account: str) -> SecretStr:
    """A real-looking key of an account, as its owner would have made one."""
    verifier = linking.verifier(account.encode().ljust(32, b"."))
    code = potluck.sandbox.grant(linking.challenge(verifier), account=account)
    client = OpenRouter(base_url=potluck.running.upstream, api_key="x", clock=potluck.clock)
    try:
        return await client.exchange_code(code, verifier)
    finally:
        await client.close()
