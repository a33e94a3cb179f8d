"""All commands there are, in the order help shows them."""

from __future__ import annotations

from bot.commands import audit, models_admin, owner, paid_admin, places_admin, pool_admin, quota_admin, talk
from bot.commands.command import Command

ALL: tuple[Command, ...] = (
    *talk.COMMANDS,
    *quota_admin.COMMANDS,
    *pool_admin.COMMANDS,
    *paid_admin.COMMANDS,
    *models_admin.COMMANDS,
    *places_admin.COMMANDS,
    *audit.COMMANDS,
    *owner.COMMANDS,
)
