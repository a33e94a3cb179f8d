"""`potluck admin key …`: communities' own OpenRouter accounts, from the shell."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING

import click

from bot.command_line import one_line_errors, run_async, settings_and_logs
from bot.errors import LinkFault, PotluckError, SettingsError

if TYPE_CHECKING:
    from bot.settings import Settings
    from bot.storage.keys import SqlKeys

_SOON = "A Potluck that runs takes it up within a minute."
_FAULTS: Mapping[LinkFault, str] = {
    "not_a_key": "That is not an OpenRouter key. It begins with sk-or- and is one long word.",
    "key_refused": "OpenRouter does not accept this key. Make another one at openrouter.ai/settings/keys.",
    "unreachable": "OpenRouter could not be asked, so nothing was kept. Check the network, or try again in a minute.",
}


class _NotLinkedError(PotluckError):
    """Its text is one line that says what to do."""


@click.group()
def key() -> None:
    """OpenRouter keys of communities: each makes a pool of its own, with its account's requests a day.

    A community is written as in PLATFORM:TENANT, such as discord:123. A Potluck that runs takes a change up within a
    minute; who waits in line then goes on in the line of the other pool.
    """


@key.command()
@click.argument("community")
@one_line_errors
def add(community: str) -> None:
    """Link a key for COMMUNITY, in place of the one there is. It is asked for, or read from standard input."""
    from pydantic import SecretStr

    pasted = SecretStr(click.prompt("Key", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline())

    async def link(kept: SqlKeys, settings: Settings) -> None:
        from bot.clock import SystemClock
        from bot.errors import LinkError
        from bot.messages import CommunityId
        from bot.openrouter.client import OpenRouter
        from bot.own_keys import checked, key_in
        from bot.pools import account_pool
        from bot.secrets import load_secret
        from bot.vault import last_four

        if settings.sandbox:
            raise SettingsError("OPENROUTER_API_KEY", "is unset, so the sandbox stands in for OpenRouter", "Set it.")
        client = OpenRouter(base_url=settings.openrouter_base_url, api_key="none", clock=SystemClock())
        try:
            one = key_in(pasted)
            info = await checked(client, one)
        except LinkError as error:
            raise _NotLinkedError(_FAULTS.get(error.fault, str(error))) from None
        finally:
            await client.close()
        await kept.put(CommunityId(community), one, pool=account_pool(info, one, load_secret(settings).pseudonym()))
        click.echo(f"The key that ends in {last_four(one)} is kept. {_SOON}")

    _with_keys(link)


@key.command()
@click.argument("community")
@one_line_errors
def show(community: str) -> None:
    """Show the end of the key that COMMUNITY has linked."""

    async def tell(kept: SqlKeys, settings: Settings) -> None:
        from datetime import UTC, datetime

        from bot.messages import CommunityId

        shown = await kept.show(CommunityId(community))
        if shown is None:
            click.echo("No key is linked.")
            return
        ends = f"ends in {shown.last_four}" if shown.works else "is there and SECRET_KEY does not open it"
        click.echo(f"The key {ends}; linked on {datetime.fromtimestamp(shown.linked_at, UTC):%Y-%m-%d %H:%M} UTC.")

    _with_keys(tell)


@key.command()
@click.argument("community")
@one_line_errors
def remove(community: str) -> None:
    """Forget the key of COMMUNITY: it draws on the pool for all again."""

    async def forget(kept: SqlKeys, settings: Settings) -> None:
        from bot.messages import CommunityId

        was_there = await kept.remove(CommunityId(community))
        click.echo(f"The key is removed; at OpenRouter it still exists. {_SOON}" if was_there else "No key was linked.")

    _with_keys(forget)


def _with_keys(work: Callable[[SqlKeys, Settings], Coroutine[None, None, None]]) -> None:
    """Do something with the keys that are kept."""
    from bot.clock import SystemClock
    from bot.secrets import load_secret
    from bot.storage.database import Database
    from bot.storage.keys import SqlKeys
    from bot.storage.migration import migrate as to_head

    settings = settings_and_logs()
    to_head(settings.database)
    clock = SystemClock()

    async def opened() -> None:
        database = Database(settings.database, clock)
        await database.open()
        try:
            await work(SqlKeys(database, clock, load_secret(settings).vault()), settings)
        finally:
            await database.close()

    run_async(opened())
