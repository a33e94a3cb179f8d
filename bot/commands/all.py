"""All commands there are, in the order help shows them."""

from __future__ import annotations

from bot.commands import help, linking, model, own_key, privacy, share, talk, use
from bot.commands.command import Command

ALL: tuple[Command, ...] = (
    *talk.COMMANDS,
    *share.COMMANDS,
    *model.COMMANDS,
    *own_key.COMMANDS,
    *linking.COMMANDS,
    *privacy.COMMANDS,
    *help.COMMANDS,
    *use.COMMANDS,
)
