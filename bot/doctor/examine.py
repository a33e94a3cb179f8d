"""The whole examination, the most important first."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from bot.clock import Clock
from bot.doctor import communities, machine, page, upstream
from bot.doctor.finding import Finding, failure, ok
from bot.doctor.models import Wanted
from bot.messages import CommunityId, ModelId
from bot.settings import faults, load_settings


async def examine(
    *,
    env_file: Path,
    clock: Clock,
    model: ModelId | None = None,
    community: CommunityId | None = None,
    space_wanted: int = machine.SPACE_WANTED,
) -> AsyncGenerator[Finding]:
    """Look at everything; no further than the settings where they cannot be used.

    Args:
        env_file: where settings may stand beside the environment.
        model: one to look up in OpenRouter's catalogue.
        community: where it is asked for; None: by the account that everybody shares.
        space_wanted: bytes that should be free beside the database.
    """
    wrong = faults(env_file)
    for fault in wrong:
        yield failure(fault.variable, fault.fault, fault.fix)
    if not wrong:
        yield ok("settings", "all can be used")
    for finding in machine.kept_secrets(env_file):
        yield finding
    if wrong:
        return
    settings = load_settings(env_file)
    in_use = not settings.server and machine.in_use(settings.database_file)
    yield machine.database(settings, in_use=in_use)
    if not settings.server:
        yield machine.disk(settings.database_file, wanted=space_wanted)
    async with aclosing(upstream.account(settings, clock, Wanted(model=model, community=community))) as findings:
        async for finding in findings:
            yield finding
    if not settings.sandbox and (linked := await communities.keys(settings, clock)) is not None:
        yield linked
    yield await page.port(settings, in_use=in_use)
    yield page.access(settings)
