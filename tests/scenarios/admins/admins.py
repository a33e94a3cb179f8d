"""Who manages a community and who runs Potluck, by their commands; and members who wait."""

from __future__ import annotations

from dataclasses import replace

from bot.messages import Finished, Held, Member, TicketId
from bot.openrouter.sandbox import SandboxSettings
from tests.fakes.commanding import Person
from tests.fakes.deployment import Deployment, Heard

OLGA = Member("web", "olga")
ENV = {"fair_policy": "fair", "promise_units": "0", "owner_ids": OLGA.key, "pool_rpd": "20"}
SANDBOX = SandboxSettings(rpm=1000, rpd=1000)
BEN, CARA = Member("web", "ben"), Member("web", "cara")


def admin(potluck: Deployment, community: str = "web") -> Person:
    return Person(potluck.running.registry, potluck.clock, Member("web", "ada"), community=community, manages=True)


def owner(potluck: Deployment) -> Person:
    return Person(potluck.running.registry, potluck.clock, OLGA)


async def held_at_last(potluck: Deployment, user: str) -> TicketId:
    """Ask until the share is taken, and the question is held."""
    while True:
        ending = (await potluck.hear(replace(potluck.message(user), hold=True))).ending
        if isinstance(ending, Held):
            return ending.ticket
        assert isinstance(ending, Finished)


async def followed(potluck: Deployment, ticket: TicketId) -> Heard:
    heard = Heard()
    async for event in potluck.running.conversations.follow(ticket):
        heard.events.append(event)
    return heard


async def lines_of_the_audit(potluck: Deployment) -> int:
    return len(await potluck.running.office.history(None, limit=1000))
