"""Where Potluck may write, as Discord says it at that moment."""

from __future__ import annotations

from typing import Any

import discord

from adapters.discord.board import ChannelBoard
from adapters.discord.safe import Nonces
from bot.messages import MessageId


class Where:
    """See the module."""

    def __init__(self, client: discord.Client, nonces: Nonces) -> None:
        self._client, self._nonces = client, nonces

    def may_write(self, channel: Any, guild: discord.Guild | None) -> bool:
        may = self.permissions(channel, guild)
        if may is None:
            return True
        if isinstance(channel, discord.Thread):
            locked = channel.locked and not may.manage_threads
            return may.view_channel and may.send_messages_in_threads and not locked
        return may.view_channel and may.send_messages

    def permissions(self, channel: Any, guild: discord.Guild | None) -> discord.Permissions | None:
        """What the bot may do there; None: in a DM, or not known."""
        if guild is None or guild.me is None:
            return None
        known = guild.get_channel_or_thread(channel.id)
        if known is None and isinstance(channel, discord.Thread) and channel.parent is not None:
            known = channel  # asleep until now
        return None if known is None else known.permissions_for(guild.me)

    def below(self, message: discord.Message, question: MessageId) -> ChannelBoard:
        """For the answer to a message."""
        may = self.permissions(message.channel, message.guild)
        return self._board(message.channel, may, question, message.author.id, message.id)

    def of_interaction(
        self, interaction: discord.Interaction[Any], question: MessageId, reply_to: int | None
    ) -> ChannelBoard | None:
        """The channel of an interaction. None: the bot itself is not there, or may not write."""
        here = interaction.channel
        if here is None or interaction.channel_id is None:
            return None
        if interaction.guild_id is not None:
            guild = self._client.get_guild(interaction.guild_id)
            if guild is None or not self.may_write(here, guild):
                return None
            return self._board(here, self.permissions(here, guild), question, interaction.user.id, reply_to)
        if not isinstance(here, discord.DMChannel) or interaction.context.private_channel:
            return None
        return self._board(here, None, question, interaction.user.id, reply_to)

    def _board(
        self, channel: Any, may: discord.Permissions | None, question: MessageId, owner: int, reply_to: int | None
    ) -> ChannelBoard:
        return ChannelBoard(
            self._client,
            channel.id,
            owner=owner,
            question=question,
            nonces=self._nonces,
            reply_to=reply_to if may is None or may.read_message_history else None,
            may_attach=may is None or may.attach_files,
        )
