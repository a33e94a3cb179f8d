"""A whole Potluck in a Slack of our own: the service, the sandbox, and the real adapter between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from adapters.slack.adapter import SlackAdapter
from adapters.slack.settings import SlackSettings
from bot.commands.registry import Registry
from bot.openrouter.sandbox import SandboxSettings
from bot.ports import Conversations
from bot.storage.posts import SqlPosts
from bot.storage.slack import SqlInstallations, SqlSlackMemory
from tests.fakes.deployment import Deployment, deployment
from tests.fakes.slack.server import FakeSlack
from tests.fakes.virtual import VirtualClock


@dataclass(kw_only=True)
class Installed:
    """Both ends."""

    slack: FakeSlack
    potluck: Deployment
    adapter: SlackAdapter

    async def install(self, *teams: str) -> None:
        """Potluck was installed into workspaces before."""
        running = self.potluck.running
        kept = SqlInstallations(running.database, self.potluck.clock, running.secret.vault())
        for team in teams:
            await kept.put(team, SecretStr(self.slack.world.teams[team].bot_token))


def adapter(
    slack: FakeSlack,
    potluck: Deployment,
    *,
    conversations: Conversations | None = None,
    registry: Registry | None = None,
    **settings: Any,
) -> SlackAdapter:
    """The adapter over a deployment, or over conversations that follow a script."""
    reach = {"bot_token": slack.world.teams["T1"].bot_token, "app_token": slack.world.app_token} | settings
    running = potluck.running
    return SlackAdapter(
        settings=SlackSettings(api_url=slack.api_url, **reach),
        conversations=conversations or running.conversations,
        memory=SqlSlackMemory(running.database, potluck.clock),
        registry=registry,
        posts=SqlPosts(running.database, potluck.clock),
        installations=SqlInstallations(running.database, potluck.clock, running.secret.vault()),
        clock=potluck.clock,
    )


def all_commands(potluck: Deployment) -> Registry:
    """Those there are: `in_slack(…, registry=all_commands)`."""
    return potluck.running.registry


@asynccontextmanager
async def slack_server(clock: VirtualClock, **more: Any) -> AsyncIterator[FakeSlack]:
    slack = FakeSlack(clock, **more)
    await slack.start()
    try:
        yield slack
    finally:
        await slack.close()


@asynccontextmanager
async def in_slack(
    folder: Path,
    clock: VirtualClock,
    *,
    slack: FakeSlack | None = None,
    sandbox: SandboxSettings | None = None,
    conversations: Conversations | None = None,
    registry: Callable[[Deployment], Registry] | None = None,
    settings: dict[str, Any] | None = None,
    **env: str,
) -> AsyncIterator[Installed]:
    """Start one, with a Slack of its own unless there is one already, as after a restart."""
    async with AsyncExitStack() as stack:
        if slack is None:
            slack = await stack.enter_async_context(slack_server(clock))
        potluck = await stack.enter_async_context(deployment(folder, clock, sandbox=sandbox, env=dict(env)))
        running = adapter(
            slack,
            potluck,
            conversations=conversations,
            registry=None if registry is None else registry(potluck),
            **(settings or {}),
        )
        await running.start()
        await running.connect()
        await running.take_up()
        try:
            yield Installed(slack=slack, potluck=potluck, adapter=running)
        finally:
            await running.pause()
            await potluck.running.conversations.close()
            await running.close()
