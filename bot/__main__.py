"""The `potluck` command. Exit codes: 0, 1 when something went wrong at run time, 2 for usage or settings."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.admin import admin
from bot.command_line import one_line_errors, run_async, settings_and_logs
from bot.errors import SettingsError
from bot.settings import faults, load_settings
from bot.trying import sandbox, simulate

if TYPE_CHECKING:
    from bot.doctor.finding import Finding

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(context_settings=CONTEXT)
@click.version_option(package_name="potluck", prog_name="potluck")
def main() -> None:
    """Potluck shares one OpenRouter account's free allowance fairly among everyone who chats with it.

    It reads its settings from the environment and from a .env file; .env.example explains each.
    With none at all, `potluck run` works with a built-in stand-in for OpenRouter.
    """
    # The level's sums are small: numpy's threads would only get in each other's way. Read when numpy is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@main.command()
@click.option("--only", default="", metavar="NAMES", help="Adapters to start, with commas: web, discord, slack.")
@one_line_errors
def run(only: str) -> None:
    """Start the service: the web page, the chats that are set up, and OpenRouter or its sandbox behind them."""
    from bot import running

    names = [name.strip() for name in only.split(",") if name.strip()]
    unknown = set(names) - set(running.ADAPTERS)
    if unknown:
        there = ", ".join(running.ADAPTERS)
        raise click.UsageError(f"--only {', '.join(sorted(unknown))}: there is no such adapter. There is: {there}.")
    settings = settings_and_logs()
    run_async(running.run(settings, say=click.echo, only=names))


@main.command()
@click.option("--member", "name", help="Whose share it takes. Your user name on this machine, if unset.")
@one_line_errors
def chat(name: str | None) -> None:
    """Chat in this terminal, or answer one question from a pipe: echo hi | potluck chat

    It takes part in the same pool as everyone else. Ctrl-C stops an answer, and leaves at the prompt; Ctrl-D leaves.
    Lines you write are remembered for the arrow keys until you leave, and in no file.
    """
    from adapters.terminal.chat import member, own_name
    from adapters.terminal.session import talk
    from bot.telemetry import logs

    try:
        me = member(name or own_name())
    except ValueError as error:
        raise click.UsageError(f"--member: {error}.") from None
    settings = load_settings()
    # What a person needs to know is said in words here; LOG_LEVEL asks for more.
    level = settings.log_level if "log_level" in settings.model_fields_set else "ERROR"
    logs.set_up(level=level, form=settings.log_format)
    from bot.alone import StartError
    from bot.app import service
    from bot.clock import SystemClock

    clock = SystemClock()
    try:
        sys.exit(talk(service(settings, clock), member=me, clock=clock))
    except StartError as error:
        page = f" at http://{settings.web_host}:{settings.web_port}" if settings.web_port else ""
        raise StartError(f"{error} Or chat on the web page of the one that runs{page}.") from None


@main.command()
@click.argument("model", required=False)
@click.option("--community", metavar="COMMUNITY", help="Look MODEL up for one community, such as discord:123.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@one_line_errors
def doctor(model: str | None, community: str | None, as_json: bool) -> None:
    """Look for what would keep Potluck from running: settings, database, key, limits, port, clock.

    It changes nothing and asks no model. With MODEL it looks that one up in OpenRouter's catalogue, too: its lane, its
    price, who may use it and why not.
    The exit code is 1 if Potluck could not run.
    """
    from rich.console import Console

    from adapters.terminal import findings as shown
    from bot.clock import SystemClock
    from bot.doctor.examine import examine
    from bot.doctor.finding import stops
    from bot.messages import CommunityId, ModelId

    if community and not model:
        raise click.UsageError("--community goes with a model: potluck doctor MODEL --community COMMUNITY.")

    async def look() -> list[Finding]:
        wanted, place = ModelId(model) if model else None, CommunityId(community) if community else None
        looking = examine(env_file=Path(".env"), clock=SystemClock(), model=wanted, community=place)
        found = [one async for one in looking]
        return found + [one async for one in _chats()]

    with Console(stderr=True).status("Looking"):
        found = asyncio.run(look())
    if as_json:
        click.echo(shown.as_json(found))
    else:
        Console().print(shown.table(found), "", shown.verdict(found), sep="\n")
    sys.exit(stops(found))


async def _chats() -> AsyncGenerator[Finding]:
    """The chats that are set up, as far as the settings can be used."""
    if faults():
        return
    settings = load_settings()
    if settings.discord_token is not None:
        from adapters.discord import doctor as on_discord

        token = settings.discord_token.get_secret_value()
        async for finding in on_discord.examine(token, api_url=settings.discord_api_url):
            yield finding
    if settings.slack:
        from adapters.slack.examine import findings
        from bot.clock import SystemClock
        from bot.platforms import slack_settings

        async for finding in findings(slack_settings(settings), SystemClock().monotonic):
            yield finding


@main.group()
def discord() -> None:
    """What belongs to Discord alone."""


@discord.command()
@click.option("--optional", is_flag=True, help="Also ask for the right to delete messages that hold a pasted key.")
@one_line_errors
def invite(optional: bool) -> None:
    """Print the links that add the bot to a server, or to one's own account."""
    from adapters.discord.portal import OPTIONAL, PERMISSIONS, application_of, invitations

    token = load_settings().discord_token
    application = None if token is None else application_of(token.get_secret_value())
    if application is None:
        raise SettingsError("DISCORD_TOKEN", "is no bot's token", "docs/discord.md says where it is found.")
    server, own = invitations(application, optional=optional)
    asked = PERMISSIONS | OPTIONAL if optional else PERMISSIONS
    click.echo(f"To a server:       {server}")
    click.echo(f"To one's account:  {own}")
    names = ", ".join(name.replace("_", " ") for name, given in asked if given)
    click.echo(f"\nPermissions: {names}.")
    click.echo("Intents: none that is privileged. With Message Content Intent threads go on without mentions.")


@main.group()
def slack() -> None:
    """Set up Potluck in Slack. docs/slack.md goes through it."""


@slack.command()
@click.option("--name", default="Potluck", show_default=True, help="What it is called in Slack.")
@click.option("--url", default="", metavar="https://…", help="Where Slack reaches it over HTTP. Unset: Socket Mode.")
def manifest(name: str, url: str) -> None:
    """Print the app's manifest, to paste at api.slack.com/apps."""
    import json

    from adapters.slack.manifest import manifest as made

    if url and not url.startswith("https://"):
        raise click.UsageError("--url: Slack takes an https:// address only.")
    if not 0 < len(name) <= 35:
        raise click.UsageError("--name: 1 to 35 characters.")
    click.echo(json.dumps(made(name=name, url=url.rstrip("/")), indent=2, ensure_ascii=False))


@main.command()
@one_line_errors
def migrate() -> None:
    """Create the database, or bring it to this version. `run` does it too."""
    from bot.storage.migration import migrate as to_head

    settings = settings_and_logs()
    done = to_head(settings.database)
    if done.before == done.after:
        click.echo(f"{settings.database_name} is at version {done.after} already.")
    else:
        click.echo(f"{settings.database_name} is now at version {done.after} (was {done.before or 'new'}).")


for command in (admin, simulate, sandbox):
    main.add_command(command)


if __name__ == "__main__":
    main()
