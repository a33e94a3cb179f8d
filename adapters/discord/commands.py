"""Commands as Discord has them: those of its own, and their registration, once for each change."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands

from adapters.discord import talk
from adapters.discord.safe import NOBODY
from adapters.rendering import chatting
from bot.commands.saying import say
from bot.posts import Posts
from bot.telemetry.logs import logger

if TYPE_CHECKING:
    from adapters.discord.client import PotluckClient

log = logger(__name__)

_NOTE = "commands"
ABOUT, MUTE = say("Ask about this"), say("Keep quiet in this thread until mentioned again")
ASK, QUESTION = say("Ask a question"), say("What you want to know")


class Tree(app_commands.CommandTree[Any]):
    """Usable in servers and in DMs, installed for either."""

    def __init__(self, client: PotluckClient) -> None:
        self._potluck = client
        super().__init__(
            client,
            allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=True),
            allowed_installs=app_commands.AppInstallationType(guild=True, user=True),
        )

    async def interaction_check(self, interaction: discord.Interaction[Any], /) -> bool:
        return not self._potluck.standing_by

    async def on_error(self, interaction: discord.Interaction[Any], error: app_commands.AppCommandError, /) -> None:
        if isinstance(error, app_commands.CommandNotFound | app_commands.CommandSignatureMismatch):
            # Discord's clients show for a while what was registered before.
            await self._potluck.interactions.whisper(interaction, chatting.COMMAND_CHANGED)
            return
        # It may hold what a person wrote: only the type is logged, the rest at DEBUG.
        cause = error.__cause__ or error
        log.error("a command failed inside", extra={"action": "command", "error": type(cause).__name__})
        log.debug("the failure", exc_info=error)
        await self._potluck.interactions.apologise(interaction)


async def sync_if_changed(tree: Tree, store: Posts) -> bool:
    """Register the commands if they differ from what was registered last; whether they were.

    Discord allows 200 new ones a day, and a restart is no change.
    """
    payload = [
        await command.get_translated_payload(tree, tree.translator) if tree.translator else command.to_dict(tree)
        for command in tree.get_commands()
    ]
    where = f"{tree.client.application_id}@{discord.http.Route.BASE}"
    text = json.dumps([where, sorted(payload, key=lambda one: (one.get("type", 1), one["name"]))], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    if await store.note(talk.PLATFORM, _NOTE) == digest:
        return False
    try:
        await tree.sync()
    except discord.HTTPException as error:
        # Mentions, replies and the commands there were go on working; the next start tries again.
        log.error(
            "the commands could not be registered",
            extra={"action": "commands", "status": error.status, "code": error.code},
        )
        return False
    await store.keep_note(talk.PLATFORM, _NOTE, digest)
    log.info("the commands were registered", extra={"action": "commands", "count": len(payload)})
    return True


def add_own(tree: Tree, client: PotluckClient) -> None:
    """What Discord has and no other platform: asking about a message, keeping quiet in a thread."""

    @tree.context_menu(name=ABOUT.text)
    async def about(interaction: discord.Interaction[Any], message: discord.Message) -> None:
        text = talk.shown_text(message)
        if not text and not message.attachments:
            await client.interactions.whisper(interaction, chatting.STARTED_WITHOUT_TEXT)
            return
        await client.interactions.ask(interaction, chatting.about(text), files=message.attachments)

    @tree.command(name="mute", description=MUTE.text)
    async def mute(interaction: discord.Interaction[Any]) -> None:
        here = interaction.channel
        said = chatting.NOT_IN_THREAD
        if isinstance(here, discord.Thread) and await client.talk.is_on(here.id):
            await client.talk.mute(here.id, True)
            said = chatting.MUTED
        text = client.spoken.to(interaction).say(said)
        await interaction.response.send_message(text, ephemeral=said is chatting.NOT_IN_THREAD, allowed_mentions=NOBODY)


def add_ask(tree: Tree, client: PotluckClient) -> None:
    """Asking, where no registry brings it."""

    @tree.command(name="ask", description=ASK.text)
    @app_commands.describe(question=QUESTION.text)
    async def ask(interaction: discord.Interaction[Any], question: app_commands.Range[str, 1, 6000]) -> None:
        await client.interactions.ask(interaction, question)
