"""The connection to Discord: every event is handed to the room it belongs to.

One client for all shards. Answers live in `Answers`, which this one's reconnects do not touch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import discord
import yarl

from adapters.discord import endpoints, talk
from adapters.discord.answers import Answers
from adapters.discord.binding import Languages, bind
from adapters.discord.board import Board, ChannelBoard, CommandBoard
from adapters.discord.buttons import AnswerButton
from adapters.discord.calls import Calls, NextButton
from adapters.discord.commands import Tree, add_ask, add_own, sync_if_changed
from adapters.discord.intake import Intake, NotFetched
from adapters.discord.pacing import Pacing
from adapters.discord.safe import NOBODY, InvalidRequests, Nonces
from adapters.discord.talk import Hint, Question, Talk
from adapters.rendering import chatting
from adapters.rendering.chatting import Action
from bot.clock import Clock
from bot.commands.registry import Registry
from bot.messages import ConversationId, IncomingMessage, MessageId
from bot.pasted_keys import holds_key
from bot.ports import Conversations
from bot.posts import PostedAnswer, Posts
from bot.telemetry.logs import logger

log = logger(__name__)

HINT_EVERY = 300.0
"""Seconds between two hints to the same person in the same place."""
HINT_STANDS = 60.0


class PotluckClient(discord.AutoShardedClient):
    """See the module."""

    def __init__(
        self,
        *,
        conversations: Conversations,
        store: Posts,
        nonces: Nonces,
        clock: Clock,
        intents: discord.Intents,
        hosts: frozenset[str] = endpoints.CDN,
        gateway: str | None = None,
        registry: Registry | None = None,
        pacing: Pacing | None = None,
    ) -> None:
        self.invalid = InvalidRequests(clock)
        super().__init__(
            intents=intents,
            allowed_mentions=NOBODY,
            max_messages=None,
            http_trace=self.invalid.trace(),
            chunk_guilds_at_startup=False,
        )
        self._gateway = gateway
        self._conversations, self._store, self._nonces, self._clock = conversations, store, nonces, clock
        self.talk = Talk(store, clock)
        self.intake = Intake(hosts)
        self.pacing = pacing or Pacing(clock)
        self.answers = Answers(
            self,
            conversations=conversations,
            store=store,
            pacing=self.pacing,
            nonces=nonces,
            invalid=self.invalid,
            clock=clock,
        )
        self.tree = Tree(self)
        self.trouble: str | None = None
        """What is wrong with the connection, for whoever runs Potluck."""
        self.on_first_ready: Callable[[], None] = lambda: None
        self._taken_up = False
        self._hinted: dict[tuple[int, int], float] = {}
        add_own(self.tree, self)
        self.calls = None if registry is None else Calls(self, registry, clock)
        if self.calls is None:
            add_ask(self.tree, self)
        else:
            bind(self.tree, self.calls)

    # --- the connection ----------------------------------------------------------------------------------

    async def setup_hook(self) -> None:
        self.add_dynamic_items(AnswerButton, NextButton)
        await self.tree.set_translator(Languages())
        await sync_if_changed(self.tree, self._store)

    async def launch_shard(self, gateway: yarl.URL, shard_id: int, *, initial: bool = False) -> None:
        """To the gateway of the settings rather than the one the API names."""
        await super().launch_shard(yarl.URL(self._gateway) if self._gateway else gateway, shard_id, initial=initial)

    async def on_ready(self) -> None:
        # It comes again after every session that could not be resumed.
        if not self._taken_up:
            self._taken_up = True
            log.info("connected to Discord", extra={"action": "ready", "servers": len(self.guilds)})
            self.on_first_ready()
            await self.answers.take_up()

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:
        # The arguments hold what people wrote: only the name is logged, the rest at DEBUG.
        log.error("an event failed inside", extra={"action": event_method})
        log.debug("the failure", exc_info=True)

    # --- messages ----------------------------------------------------------------------------------------

    async def on_message(self, message: discord.Message) -> None:
        assert self.user is not None
        if message.author.id == self.user.id:
            self._is_it_ours(message)
            return
        match await self.talk.hear(message, self.user.id):
            case Question(message=question, reply_to=reply_to):
                await self._asked(message, question, reply_to)
            case Hint(text=text):
                await self._hint(message, text)
            case None:
                pass

    async def _asked(self, message: discord.Message, question: IncomingMessage, reply_to: int) -> None:
        may = self._permissions(message.channel, message.guild)
        if not _may_write(may, message.channel):
            log.info("a question came from where nothing may be written", extra={"action": "ask"})
            return
        try:
            question = await self.intake.with_files(question, message.attachments)
        except NotFetched as lacking:
            await self._hint(message, chatting.not_fetched(discord.utils.escape_markdown(str(lacking))))
            return
        if holds_key(question.text) and message.guild is not None and may is not None and may.manage_messages:
            await self._delete(message)
        board = self._board(message.channel, may, question.id, message.author.id, reply_to)
        self.answers.begin(question, board, channel=message.channel.id, reply_to=reply_to)

    async def _delete(self, message: discord.Message) -> None:
        try:
            await message.delete()
        except discord.HTTPException as error:
            log.info("a message with a key could not be deleted", extra={"action": "delete", "status": error.status})

    async def _hint(self, message: discord.Message, text: str) -> None:
        key, now = (message.channel.id, message.author.id), self._clock.monotonic()
        self._hinted = {one: at for one, at in self._hinted.items() if at > now - HINT_EVERY}
        if key in self._hinted or not _may_write(self._permissions(message.channel, message.guild), message.channel):
            return
        self._hinted[key] = now
        await self.pacing.turn(message.channel.id)
        await message.channel.send(
            text,
            reference=message.to_reference(fail_if_not_exists=False),
            nonce=self._nonces.of(f"hint:{message.id}", 0),
            delete_after=HINT_STANDS,
            allowed_mentions=NOBODY,
        )

    def _is_it_ours(self, message: discord.Message) -> None:
        """A message of the bot's own that this program did not write was written by another one."""
        by_command = message.interaction_metadata is not None or message.webhook_id is not None
        written = message.type in (discord.MessageType.default, discord.MessageType.reply) and not by_command
        if written and not self._nonces.ours(message.nonce):
            self._another_program()

    def _another_program(self) -> None:
        if self.trouble is None:
            self.trouble = "another program uses this token"
            log.error(
                "another program is logged in with the same Discord token: stop one of the two",
                extra={"action": "second_program"},
            )

    # --- commands and buttons ----------------------------------------------------------------------------

    async def ask(self, interaction: discord.Interaction[Any], text: str, *, acknowledged: bool = False) -> None:
        """Answer a command as any message is answered."""
        if not acknowledged:
            await self.acknowledge(interaction, thinking=True)
        question = self.question(interaction, text)
        channel = self._channel_board(interaction, question.id, None)
        board = CommandBoard(interaction, self._clock, channel=channel)
        self.answers.begin(question, board, channel=interaction.channel_id or 0, reply_to=None)

    async def pressed(self, action: Action, interaction: discord.Interaction[Any]) -> None:
        assert interaction.message is not None
        kept = await self._store.find(talk.PLATFORM, str(interaction.message.id))
        if kept is None:
            await self._whisper(interaction, chatting.NO_LONGER_KNOWN)
        elif action == "stop":
            if self._conversations.stop(kept.conversation, kept.member):
                await self.acknowledge(interaction)
            else:
                await self._whisper(interaction, chatting.NOTHING_TO_STOP)
        elif action == "drop":
            dropped = kept.ticket is not None and await self._conversations.give_up(kept.ticket)
            await (self.acknowledge(interaction) if dropped else self._whisper(interaction, chatting.NOTHING_TO_STOP))
        else:
            question = await self._once_more(action, kept, interaction)
            if question is None:
                await self._whisper(interaction, chatting.NO_LONGER_KNOWN)
                return
            reply_to = int(kept.reply_to) if kept.reply_to else interaction.message.id
            board: Board | None = self._channel_board(interaction, question.id, reply_to)
            # Where the bot is not itself, what is acknowledged as "thinking" is a new message to write into.
            await self.acknowledge(interaction, thinking=board is None)
            board = board or CommandBoard(interaction, self._clock, channel=None)
            self.answers.begin(question, board, channel=interaction.channel_id or 0, reply_to=reply_to)

    async def _once_more(
        self, action: Action, kept: PostedAnswer, interaction: discord.Interaction[Any]
    ) -> IncomingMessage | None:
        """What a press below an answer asks, in its conversation. None: its question is not kept any more."""
        if action == "continue":
            return self.question(interaction, chatting.CONTINUE, conversation=kept.conversation)
        turn = await self.answers.turn(kept)
        if turn is None:
            return None
        question = self.question(interaction, turn.question, conversation=kept.conversation)
        return replace(question, files_of=turn.message if turn.files else None)

    def question(
        self, interaction: discord.Interaction[Any], text: str, *, conversation: ConversationId | None = None
    ) -> IncomingMessage:
        """What a command or button asks, as a message of its own."""
        here = interaction.channel
        if conversation is None:
            conversation = ConversationId(f"{talk.PLATFORM}:{interaction.channel_id}")
            if interaction.guild_id is not None and not isinstance(here, discord.Thread):
                conversation = ConversationId(f"{conversation}/{interaction.id}")
        return IncomingMessage(
            id=MessageId(f"{talk.PLATFORM}:{interaction.id}"),
            conversation=conversation,
            community=talk.community(discord.Object(interaction.guild_id) if interaction.guild_id else None),
            author=talk.member(interaction.user),
            author_name=interaction.user.display_name,
            place=talk.place(here),
            text=text,
            received_at=self._clock.now(),
            hold=True,
            standing=talk.standing(interaction.user),
            roles=talk.roles(interaction.user),
            channel=talk.channel(here),
        )

    async def acknowledge(
        self, interaction: discord.Interaction[Any], *, thinking: bool = False, ephemeral: bool = False
    ) -> None:
        """Tell Discord that an answer comes, which it wants to hear within three seconds."""
        try:
            await interaction.response.defer(thinking=thinking, ephemeral=ephemeral)
        except discord.HTTPException as error:
            if error.code == _ALREADY_ACKNOWLEDGED:
                self._another_program()
            raise

    async def _whisper(self, interaction: discord.Interaction[Any], text: str) -> None:
        await interaction.response.send_message(text, ephemeral=True, allowed_mentions=NOBODY)

    # --- where may be written ----------------------------------------------------------------------------

    def _channel_board(
        self, interaction: discord.Interaction[Any], question: MessageId, reply_to: int | None
    ) -> ChannelBoard | None:
        """The channel of an interaction, if the bot itself is there and may write."""
        here = interaction.channel
        if here is None or interaction.channel_id is None:
            return None
        if interaction.guild_id is not None:
            guild = self.get_guild(interaction.guild_id)
            if guild is None or not _may_write(self._permissions(here, guild), here):
                return None
            return self._board(here, self._permissions(here, guild), question, interaction.user.id, reply_to)
        if not isinstance(here, discord.DMChannel) or interaction.context.private_channel:
            return None
        return self._board(here, None, question, interaction.user.id, reply_to)

    def _board(
        self, channel: Any, may: discord.Permissions | None, question: MessageId, owner: int, reply_to: int | None
    ) -> ChannelBoard:
        return ChannelBoard(
            self,
            channel.id,
            owner=owner,
            question=question,
            nonces=self._nonces,
            reply_to=reply_to if may is None or may.read_message_history else None,
            may_attach=may is None or may.attach_files,
        )

    def _permissions(self, channel: Any, guild: discord.Guild | None) -> discord.Permissions | None:
        """What the bot may do there; None: in a DM, or not known."""
        if guild is None or guild.me is None:
            return None
        known = guild.get_channel_or_thread(channel.id)
        return None if known is None else known.permissions_for(guild.me)


_ALREADY_ACKNOWLEDGED = 40060


def _may_write(may: discord.Permissions | None, channel: Any) -> bool:
    if may is None:
        return True
    in_thread = isinstance(channel, discord.Thread)
    return may.view_channel and (may.send_messages_in_threads if in_thread else may.send_messages)


async def close_quietly(client: PotluckClient) -> None:
    """Close the connection; a Discord that does not answer keeps nobody waiting."""
    try:
        async with asyncio.timeout(5):
            await client.close()
            await client.intake.close()
    except TimeoutError:
        log.info("Discord did not say goodbye", extra={"action": "close"})
