"""A Potluck in a world with other accounts, which communities link."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import SecretStr

from bot.messages import CommunityId, Held, TicketId
from bot.openrouter import linking
from bot.openrouter.sandbox import AccountSettings, FaultRule, Faults, SandboxSettings
from tests.fakes.deployment import Deployment, Heard, deployment
from tests.fakes.linking import ADMIN, key_of
from tests.fakes.virtual import VirtualClock

OURS = CommunityId("web:ours")
THEIRS = CommunityId("web:theirs")
ACCOUNTS: Mapping[str, AccountSettings] = {
    "ours": AccountSettings(rpd=3),
    "theirs": AccountSettings(rpd=7),
    "poor": AccountSettings(rpd=1),
}


@asynccontextmanager
async def potlucks(
    folder: Path, clock: VirtualClock, *rules: FaultRule, rpd: int = 20, **env: str
) -> AsyncIterator[Deployment]:
    """A Potluck that shares an account of 20 a day, in a world with other accounts."""
    sandbox = SandboxSettings(rpd=rpd, accounts=ACCOUNTS, faults=Faults(rules=rules))
    async with deployment(folder, clock, sandbox=sandbox, env=env) as potluck:
        yield potluck


async def link(potluck: Deployment, community: CommunityId, account: str) -> SecretStr:
    key = await key_of(potluck, account)
    await potluck.running.community_keys.link_community(community, key, by=ADMIN)
    return key


def accounts(potluck: Deployment) -> list[str]:
    """Whose each request was, as the sandbox has it."""
    return [attempt.account for attempt in potluck.sandbox.log]


async def used(potluck: Deployment) -> dict[str, int]:
    """Of each pool, by what the community's members are shown."""
    told = potluck.running.conversations
    return {name: (await told.pool(CommunityId(name))).used for name in ("web", OURS, THEIRS)}


async def until_waiting(potluck: Deployment, community: CommunityId | None, number: int) -> None:
    async with asyncio.timeout(60):
        while (await potluck.running.conversations.pool(community)).waiting != number:
            await asyncio.sleep(0.1)


async def asking(potluck: Deployment, users: str, community: CommunityId) -> list[asyncio.Task[Heard]]:
    return [asyncio.create_task(potluck.ask(user, community=community)) for user in users.split()]


async def held(potluck: Deployment, user: str, community: CommunityId) -> TicketId:
    """Ask until the share is taken, and have the next question wait for more."""
    while (heard := await potluck.ask(user, community=community)).error is None:
        pass
    assert heard.error == "daily_share_spent"
    heard = await potluck.ask(user, community=community, hold=True)
    assert isinstance(heard.ending, Held)
    return heard.ending.ticket


async def followed(potluck: Deployment, ticket: TicketId) -> Heard:
    heard = Heard()
    async for event in potluck.running.conversations.follow(ticket):
        heard.events.append(event)
    return heard


async def link_again(potluck: Deployment, account: str) -> SecretStr:
    """Another key of the account."""
    verifier = linking.verifier(b"another key of the same account!!")
    code = potluck.sandbox.grant(linking.challenge(verifier), account=account)
    return await potluck.running.pools.default.client.exchange_code(code, verifier)
