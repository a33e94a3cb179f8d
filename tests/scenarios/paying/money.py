"""Members who may pay and budgets they pay from, and what was charged in the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from sqlalchemy import Connection, select

from bot.errors import Refused
from bot.messages import CommunityId, Failed, Finished, Member
from bot.openrouter.sandbox import Sandbox, SandboxSettings
from bot.quota.ledger import PoolId
from bot.routing.access import Grantee, Reach, ToCommunity
from bot.routing.budget import Budget, Period, pico, usd
from bot.routing.prices import Rates
from bot.storage.database import Database
from bot.storage.tables import charges, spending
from tests.fakes.deployment import Deployment, Heard, served
from tests.fakes.virtual import VirtualClock

POOL, WEB = PoolId("default"), CommunityId("web")
ANN = Member("web", "ann")
MEADOW, SUMMIT, AUTO = "sandbox/meadow-8b", "sandbox/summit-120b", "openrouter/auto"
RICH = SandboxSettings(credits=Decimal(1000), rpd=1000)
EVERYONE = ToCommunity(WEB)
EVERY_MODEL = Reach()
MODERATE = Reach(ceiling=Rates.per_million(Decimal(1), Decimal(5)))


async def allow(potluck: Deployment, to: Grantee = EVERYONE, reach: Reach = EVERY_MODEL) -> None:
    await potluck.running.access.add(allows=True, to=to, reach=reach)


async def fund(potluck: Deployment, dollars: str, period: Period = "month") -> None:
    limit = pico(Decimal(dollars))
    await potluck.running.money.set_budget(
        Budget(account=POOL, member=None, community=None, period=period, limit=limit)
    )


async def charged(potluck: Deployment) -> dict[str, int]:
    """How many charges there are in each state."""

    def unit(connection: Connection) -> list[str]:
        return list(connection.scalars(select(charges.c.state)))

    states = await potluck.running.database.read(unit)
    return {state: states.count(state) for state in states}


async def spent(database: Database) -> tuple[Decimal, Decimal]:
    """US dollars spent and set aside, by the counter of everything."""

    def unit(connection: Connection) -> tuple[int, int]:
        row = connection.execute(
            select(spending.c.spent, spending.c.held).where(
                spending.c.member == "", spending.c.community == "", spending.c.period == "ever"
            )
        ).one_or_none()
        return (0, 0) if row is None else (row.spent, row.held)

    gone, held = await database.read(unit)
    return usd(gone), usd(held)  # type: ignore[arg-type]


@asynccontextmanager
async def running(folder: Path, clock: VirtualClock, sandbox: Sandbox, url: str) -> AsyncIterator[Deployment]:
    """A Potluck over a sandbox that outlives it."""
    async with served(folder, clock, url) as started:
        yield Deployment(started, sandbox, clock, folder)


def refusal(heard: Heard) -> Refused:
    assert isinstance(heard.ending, Failed), heard.events
    assert isinstance(heard.ending.error, Refused), heard.ending
    return heard.ending.error


def finished(heard: Heard) -> Finished:
    assert isinstance(heard.ending, Finished), heard.events
    return heard.ending


def nothing_was_sent(potluck: Deployment) -> None:
    assert potluck.sandbox.log == []
    assert potluck.sandbox.billed() == 0


async def cut(potluck: Deployment, user: str = "ann") -> None:
    """Ask for money, and stop it while it is being written."""
    message = potluck.message(user, model=SUMMIT)
    asking = asyncio.create_task(potluck.hear(message, heard=(heard := Heard())))
    while not heard.text:
        await asyncio.sleep(0.05)
    potluck.running.conversations.stop(message.conversation, message.author)
    await asking
    assert heard.error == "stopped"


SPENT = replace(RICH, rpd=1)


async def empty(potluck: Deployment) -> None:
    finished(await potluck.ask("zoe"))
    assert potluck.running.scheduler.room(Member("web", "zoe"), WEB) is False
