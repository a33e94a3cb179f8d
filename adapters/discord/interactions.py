"""What comes as an interaction: it is acknowledged, and asked or carried out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import discord

from adapters.discord import talk
from adapters.discord.answers import Answers
from adapters.discord.board import Board, CommandBoard
from adapters.discord.intake import Intake, NotFetched
from adapters.discord.safe import NOBODY, Callbacks
from adapters.discord.spoken import Spoken
from adapters.discord.trying import FAULTS, SOON, Lost, attempt
from adapters.discord.where import Where
from adapters.rendering import chatting, words
from adapters.rendering.chatting import Action
from bot.clock import Clock
from bot.commands.saying import Say
from bot.messages import ConversationId, IncomingMessage, MessageId
from bot.ports import Conversations
from bot.posts import PostedAnswer, Posts
from bot.telemetry.logs import logger

log = logger(__name__)

_ALREADY_ACKNOWLEDGED = 40060


class Interactions:
    """See the module.

    Args:
        another_program: called when somebody else has acknowledged what was sent to this token.
    """

    def __init__(
        self,
        *,
        conversations: Conversations,
        store: Posts,
        answers: Answers,
        where: Where,
        intake: Intake,
        callbacks: Callbacks,
        clock: Clock,
        another_program: Callable[[], None],
        spoken: Spoken,
    ) -> None:
        self._conversations, self._store, self._answers = conversations, store, answers
        self._where, self._intake, self._callbacks, self._clock = where, intake, callbacks, clock
        self._another_program, self._spoken = another_program, spoken
        self._asking_again: set[int] = set()
        """Answers below which a press is being answered."""

    # --- commands ----------------------------------------------------------------------------------------

    async def ask(
        self,
        interaction: discord.Interaction[Any],
        text: str | Say,
        *,
        files: Sequence[discord.Attachment] = (),
        acknowledged: bool = False,
    ) -> None:
        """Answer a command as any message is answered."""
        if not acknowledged and not await self.acknowledge(interaction, thinking=True):
            return
        question = self._question(interaction, text)
        channel = self._where.of_interaction(interaction, question.id, None)
        try:
            question = await self._intake.with_files(question, files)
        except NotFetched as lacking:
            said = chatting.not_fetched(discord.utils.escape_markdown(str(lacking)))
            await self.write(interaction, self._spoken.to(interaction).say(said))
            return
        # What is held is answered when no token lives any more: it needs a channel to be answered in.
        question = replace(question, hold=channel is not None)
        board = CommandBoard(interaction, self._clock, channel=channel)
        self._answers.begin(question, board, channel=interaction.channel_id or 0, reply_to=None)

    async def acknowledge(
        self, interaction: discord.Interaction[Any], *, thinking: bool = False, ephemeral: bool = False
    ) -> bool:
        """Tell Discord that an answer comes, which it wants to hear within three seconds.

        False: it was not heard, and who waits is told so by Discord itself.
        """
        try:
            await interaction.response.defer(thinking=thinking, ephemeral=ephemeral)
        except FAULTS as error:
            code = error.code if isinstance(error, discord.HTTPException) else 0
            if code == _ALREADY_ACKNOWLEDGED and self._callbacks.unsure(interaction.id):
                return True  # by us: only Discord's answer was lost
            if code == _ALREADY_ACKNOWLEDGED:
                self._another_program()
            log.warning("an interaction was not acknowledged", extra={"action": "acknowledge", "code": code})
            return False
        return True

    async def write(
        self,
        interaction: discord.Interaction[Any],
        text: str,
        *,
        files: Callable[[], list[discord.File]] = list,
        **more: Any,
    ) -> None:
        """Show it as the answer to what was acknowledged. An edit: it may be tried as often as need be."""
        try:
            await attempt(
                lambda: interaction.edit_original_response(
                    content=text, attachments=files(), allowed_mentions=NOBODY, **more
                ),
                SOON,
            )
        except Lost as lost:
            log.warning("a command's answer could not be shown", extra={"action": "show", "why": str(lost)})

    async def apologise(self, interaction: discord.Interaction[Any]) -> None:
        """Something failed inside: who waits is told, however far it had come."""
        said = str(words.explain("internal", tongue=self._spoken.to(interaction)))
        if interaction.type is discord.InteractionType.autocomplete:
            return
        if interaction.response.is_done():
            await self.write(interaction, said, embeds=[], view=None)
        else:
            await self.whisper(interaction, said)

    async def guarded(self, interaction: discord.Interaction[Any], work: Awaitable[None]) -> None:
        """Do it; if it fails, that is said. discord.py would only log it."""
        try:
            await work
        except Exception as error:
            # It may hold what a person wrote: only the type is logged, the rest at DEBUG.
            log.error("an interaction failed inside", extra={"action": "interaction", "error": type(error).__name__})
            log.debug("the failure", exc_info=error)
            await self.apologise(interaction)

    async def whisper(self, interaction: discord.Interaction[Any], said: str | Say) -> None:
        """Answer the one who did it, and nobody else."""
        text = self._in_words(said, interaction)
        try:
            await interaction.response.send_message(text, ephemeral=True, allowed_mentions=NOBODY)
        except FAULTS as error:
            log.info("a word was not shown", extra={"action": "whisper", "why": type(error).__name__})

    # --- buttons -----------------------------------------------------------------------------------------

    async def pressed(self, action: Action, interaction: discord.Interaction[Any]) -> None:
        """A button below an answer, by the one who asked."""
        assert interaction.message is not None
        kept = await self._store.find(talk.PLATFORM, str(interaction.message.id))
        if kept is None:
            await self.whisper(interaction, chatting.NO_LONGER_KNOWN)
        elif action == "stop":
            done = self._conversations.stop(kept.conversation, kept.member)
            await (self.acknowledge(interaction) if done else self.whisper(interaction, chatting.NOTHING_TO_STOP))
        elif action == "drop":
            done = kept.ticket is not None and await self._conversations.give_up(kept.ticket)
            await (self.acknowledge(interaction) if done else self.whisper(interaction, chatting.NOTHING_TO_STOP))
        else:
            await self._go_on(action, kept, interaction, interaction.message.id)

    async def _go_on(
        self, action: Action, kept: PostedAnswer, interaction: discord.Interaction[Any], below: int
    ) -> None:
        if below in self._asking_again:
            await self.whisper(interaction, chatting.BEING_ASKED)
            return
        self._asking_again.add(below)
        question = None
        try:
            question = await self._once_more(action, kept, interaction)
            if question is None:
                await self.whisper(interaction, chatting.NO_LONGER_KNOWN)
                return
            reply_to = int(kept.reply_to) if kept.reply_to else below
            channel = self._where.of_interaction(interaction, question.id, reply_to)
            # Where the bot is not itself, what is acknowledged as "thinking" is a new message to write into.
            if not await self.acknowledge(interaction, thinking=channel is None):
                question = None
                return
            board: Board = channel or CommandBoard(interaction, self._clock, channel=None)
            question = replace(question, hold=channel is not None)
            self._answers.begin(
                question,
                board,
                channel=interaction.channel_id or 0,
                reply_to=reply_to,
                then=lambda: self._asking_again.discard(below),
            )
        finally:
            if question is None:
                self._asking_again.discard(below)

    async def _once_more(
        self, action: Action, kept: PostedAnswer, interaction: discord.Interaction[Any]
    ) -> IncomingMessage | None:
        """What a press below an answer asks, in its conversation. None: its question is not kept any more."""
        if action == "continue":
            return self._question(interaction, chatting.CONTINUE, conversation=kept.conversation)
        turn = await self._answers.turn(kept)
        if turn is not None:
            text, files_of = turn.question, turn.message if turn.files else None
        elif kept.message is not None:  # it was never sent
            text, files_of = kept.message.text, kept.message.files_of
        else:
            return None
        return replace(self._question(interaction, text, conversation=kept.conversation), files_of=files_of)

    def _in_words(self, said: str | Say, interaction: discord.Interaction[Any]) -> str:
        spoken = self._spoken.to(interaction)
        return spoken.say(said) if isinstance(said, Say) else said

    # --- one question ------------------------------------------------------------------------------------

    def _question(
        self, interaction: discord.Interaction[Any], text: str | Say, *, conversation: ConversationId | None = None
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
            text=self._in_words(text, interaction),
            received_at=self._clock.now(),
            hold=True,
            standing=talk.standing(interaction.user),
            roles=talk.roles(interaction.user),
            channel=talk.channel(here),
        )
