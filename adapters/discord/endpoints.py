"""Where Discord is: at its own addresses, or behind a proxy's or a test server's."""

from __future__ import annotations

from urllib.parse import urlsplit

import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

API = "https://discord.com/api/v10"
CDN = frozenset({"https://cdn.discordapp.com", "https://media.discordapp.net"})


def point(api: str, gateway: str | None) -> None:
    """Send discord.py there.

    Its REST routes are built from a class attribute and a gateway that is connected to anew from another; neither is
    an argument of anything, and its `proxy` speaks to Discord's own host through a tunnel. So setting the two, before
    the first request, is the only way there is.
    """
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # there is nothing to hear here
    if api != Route.BASE:
        Route.BASE = api
    if gateway is not None:
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)


def cdn(api: str) -> frozenset[str]:
    """Where attachments may come from: Discord's own hosts, or the server that stands in for Discord."""
    if api == API:
        return CDN
    parts = urlsplit(api)
    return CDN | {f"{parts.scheme}://{parts.netloc}"}
