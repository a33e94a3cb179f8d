"""What stands below the text of an answer. What buttons do stands in their id, so they work after any restart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol, Self, TypeAlias, TypeVar, cast

import discord

from adapters.discord.safe import NOBODY
from adapters.rendering import chatting
from adapters.rendering.chatting import Action
from adapters.rendering.saying import ENGLISH, Tongue, tongue

Layout: TypeAlias = discord.ui.LayoutView
V = TypeVar("V", discord.ui.View, discord.ui.LayoutView)


class Presses(Protocol):
    """Who is told of a press: `adapters.discord.client.PotluckClient`."""

    standing_by: bool
    """Somebody else does what is pressed."""

    async def pressed(self, action: Action, interaction: discord.Interaction[Any]) -> None: ...


class AnswerButton(
    discord.ui.DynamicItem[discord.ui.Button[Any]],
    template=r"potluck:(?P<action>stop|again|continue|drop):(?P<owner>\d{1,20})",
):
    """One button, for the one who asked."""

    def __init__(self, action: Action, owner: int, tongue: Tongue = ENGLISH) -> None:
        self.action, self.owner = action, owner
        style = discord.ButtonStyle.danger if action == "stop" else discord.ButtonStyle.secondary
        super().__init__(
            discord.ui.Button(
                style=style, label=tongue.say(chatting.LABELS[action]), custom_id=f"potluck:{action}:{owner}"
            )
        )

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        return cls(cast(Action, match["action"]), int(match["owner"]))

    async def interaction_check(self, interaction: discord.Interaction[Any]) -> bool:
        if cast(Presses, interaction.client).standing_by:
            return False
        if interaction.user.id == self.owner:
            return True
        said = tongue(str(interaction.locale)).say(chatting.ONLY_WHO_ASKED)
        await interaction.response.send_message(said, ephemeral=True, allowed_mentions=NOBODY)
        return False

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        await cast(Presses, interaction.client).pressed(self.action, interaction)


def row(actions: Sequence[Action], owner: int, tongue: Tongue) -> discord.ui.View | None:
    """Buttons to send with a message of plain content."""
    if not actions:
        return None
    view = discord.ui.View(timeout=None)
    for action in actions:
        view.add_item(AnswerButton(action, owner, tongue))
    return _sent(view)


def layout(
    text: str, footer: Sequence[str], actions: Sequence[Action], owner: int, file: str | None, tongue: Tongue
) -> Layout:
    """All of a message as Components V2: its text, its file by name, a line, and what is said and done below it."""
    view = discord.ui.LayoutView(timeout=None)
    view.add_item(discord.ui.TextDisplay(text))
    if file is not None:
        view.add_item(discord.ui.File(f"attachment://{file}"))
    if footer:
        view.add_item(discord.ui.Separator(spacing=discord.SeparatorSpacing.small))
        view.add_item(discord.ui.TextDisplay("\n".join(footer)))
    if actions:
        buttons: discord.ui.ActionRow[Layout] = discord.ui.ActionRow()
        for action in actions:
            buttons.add_item(AnswerButton(action, owner, tongue))
        view.add_item(buttons)
    return _sent(view)


def _sent(view: V) -> V:
    """discord.py keeps every view it sent that is not at its end. The ids say all there is to know: none is kept."""
    view.stop()
    return view
