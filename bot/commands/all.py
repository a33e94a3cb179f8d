"""All commands there are, in the order help shows them."""

from __future__ import annotations

from bot.commands import audit, quota_admin, talk
from bot.commands.command import Command

ALL: tuple[Command, ...] = (
    *talk.COMMANDS,
    *quota_admin.COMMANDS,
    *audit.COMMANDS,
)
