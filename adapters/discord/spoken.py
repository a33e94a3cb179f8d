"""In which language somebody is spoken to: their own as far as it is known, else their server's, else English.

Discord says a person's language only with what they use or press, not with what they write.
"""

from __future__ import annotations

from typing import Any

import discord

from adapters.discord import talk
from adapters.rendering.saying import ENGLISH, Tongue, tongue
from bot.messages import CommunityId, Member

_MOST = 20_000


class Spoken:
    """See the module. What is known of people is forgotten with the process."""

    def __init__(self, client: discord.Client) -> None:
        self._client = client
        self._known: dict[str, str] = {}

    def to(self, interaction: discord.Interaction[Any]) -> Tongue:
        """To whoever uses or presses something."""
        locale, user = str(interaction.locale), str(interaction.user.id)
        self._known.pop(user, None)
        self._known[user] = locale
        if len(self._known) > _MOST:
            del self._known[next(iter(self._known))]
        return tongue(locale)

    def with_(self, member: Member, community: CommunityId) -> Tongue:
        """To a member who has written something there."""
        if (known := self._known.get(member.user)) is not None:
            return tongue(known)
        server = str(community).removeprefix(f"{talk.PLATFORM}:")
        guild = self._client.get_guild(int(server)) if server.isdecimal() else None
        return ENGLISH if guild is None else tongue(str(guild.preferred_locale))
