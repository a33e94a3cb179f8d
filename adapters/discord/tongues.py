"""Which language each person is spoken to in: that of their Discord, as far as it has said; else that of the server."""

from __future__ import annotations

from typing import Any

import discord

from adapters.rendering.saying import ENGLISH, Tongue, tongue

_KNOWN = 10_000


class Tongues:
    """Discord tells a person's language with every command and press, and never with a message."""

    def __init__(self) -> None:
        self._locales: dict[int, str] = {}
        """Of the newest that were heard of."""

    def heard(self, interaction: discord.Interaction[Any]) -> Tongue:
        """The language of the one who does something, which is remembered."""
        locale = str(interaction.locale)
        self._locales.pop(interaction.user.id, None)
        self._locales[interaction.user.id] = locale
        if len(self._locales) > _KNOWN:
            del self._locales[next(iter(self._locales))]
        return tongue(locale)

    def of(self, user: int, guild: discord.Guild | None) -> Tongue:
        """The language for the answer to a message."""
        locale = self._locales.get(user)
        if locale is None:
            return ENGLISH if guild is None else tongue(str(guild.preferred_locale))
        return tongue(locale)
