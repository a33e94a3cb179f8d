"""What is wrong with a Discord set-up: token, intents, what may be done in which channel. Asks, changes nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import aiohttp
import discord

from adapters.discord import endpoints, portal
from bot.doctor.finding import Finding, failure, ok, shown, warning

CHECK = "discord"
_MOST_SERVERS = 20
_NEEDED = {
    "view_channel": "View Channel",
    "send_messages": "Send Messages",
}
_WANTED = {
    "send_messages_in_threads": "Send Messages in Threads",
    "read_message_history": "Read Message History",
    "attach_files": "Attach Files",
}


async def examine(token: str, *, api_url: str = endpoints.API) -> AsyncGenerator[Finding]:
    """Look at everything Discord tells the bot's own token."""
    endpoints.point(api_url, None)
    async with discord.Client(intents=portal.intents(content=False)) as client:
        try:
            await client.login(token)
        except discord.LoginFailure:
            fix = "Copy the bot's token again from discord.com/developers/applications into DISCORD_TOKEN."
            yield failure(CHECK, "Discord does not accept the token", fix)
            return
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            yield failure(CHECK, f"Discord cannot be reached ({type(error).__name__})", "Check the network.")
            return
        application = client.application
        assert application is not None
        yield ok(CHECK, f"the token is that of {shown(application.name)}")
        yield _intents(application.flags)
        guilds = [guild async for guild in client.fetch_guilds(limit=_MOST_SERVERS)]
        if not guilds:
            fix = "`potluck discord invite` prints the links that add it. Direct messages work without a server."
            yield warning(CHECK, "it is in no server yet", fix)
        for guild in guilds:
            yield await _server(client, guild.id)


def _intents(flags: discord.ApplicationFlags) -> Finding:
    if flags.gateway_message_content or flags.gateway_message_content_limited:
        return ok(CHECK, "it may read message content: threads go on without mentions")
    found = "it reads what mentions it, answers it or is written to it directly; in threads people have to mention it"
    return ok(CHECK, found, "For threads that go on by themselves switch on Message Content Intent in the portal.")


async def _server(client: discord.Client, number: int) -> Finding:
    try:
        guild = await client.fetch_guild(number)
        assert client.user is not None
        me = await guild.fetch_member(client.user.id)
        channels = [channel for channel in await guild.fetch_channels() if isinstance(channel, discord.TextChannel)]
    except discord.HTTPException as error:
        return warning(CHECK, f"server {number} cannot be looked at ({error.status})", "Add it to the server again.")
    closed: list[str] = []
    partly: set[str] = set()
    for channel in channels:
        may = channel.permissions_for(me)
        if not all(getattr(may, name) for name in _NEEDED):
            closed.append(f"#{shown(channel.name)}")
        else:
            partly.update(said for name, said in _WANTED.items() if not getattr(may, name))
    name = shown(guild.name)
    if len(closed) == len(channels):
        fix = "Give its role View Channel and Send Messages in the channels it should answer in."
        return failure(CHECK, f"it may write in no channel of {name}", fix)
    if partly:
        return warning(CHECK, f"in {name} it lacks {', '.join(sorted(partly))}", "Give its role these permissions.")
    without = f"; not in {', '.join(closed[:5])}" + (" and others" if len(closed) > 5 else "") if closed else ""
    return ok(CHECK, f"it may write in {len(channels) - len(closed)} of {len(channels)} channels of {name}{without}")
