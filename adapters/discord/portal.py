"""What the developer portal says of the application, what it needs, and how it is invited. REST only."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

import discord

PERMISSIONS = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    read_message_history=True,
    attach_files=True,
    embed_links=True,
)
"""What Potluck uses. Without the last three answers lack the link to their question, their file, their picture."""
OPTIONAL = discord.Permissions(manage_messages=True)
"""Only to delete a message in which somebody pasted a key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Portal:
    """The application behind a token."""

    id: int
    name: str
    reads_content: bool
    """The privileged intent for message content is switched on."""


async def look(token: str) -> Portal:
    """Ask Discord whose token it is.

    Raises:
        discord.LoginFailure: it is nobody's.
        discord.HTTPException, aiohttp.ClientError, OSError: Discord cannot be asked.
    """
    async with discord.Client(intents=intents(content=False)) as client:
        await client.login(token)
        application = client.application
        assert application is not None
        flags = application.flags
        reads = flags.gateway_message_content or flags.gateway_message_content_limited
        return Portal(id=application.id, name=application.name, reads_content=reads)


def intents(*, content: bool) -> discord.Intents:
    """What Potluck subscribes to. None of it is privileged, unless message content has been switched on for it."""
    wanted = discord.Intents.none()
    wanted.guilds = wanted.guild_messages = wanted.dm_messages = True
    wanted.message_content = content
    return wanted


def application_of(token: str) -> int | None:
    """The application's id, which is the first part of its token; None: it does not read like one."""
    first = token.partition(".")[0]
    try:
        number = base64.urlsafe_b64decode(first + "=" * (-len(first) % 4)).decode("ascii")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    return int(number) if number.isdigit() else None


def invitations(application: int, *, optional: bool = False) -> tuple[str, str]:
    """The links that install it: for a server, and for one's own account."""
    permissions = PERMISSIONS | OPTIONAL if optional else PERMISSIONS
    server = discord.utils.oauth_url(application, permissions=permissions, scopes=("bot", "applications.commands"))
    own = discord.utils.oauth_url(application, scopes=("applications.commands",))
    return f"{server}&integration_type=0", f"{own}&integration_type=1"
