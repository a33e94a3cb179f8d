"""All commands there are, in the order help shows them."""

from __future__ import annotations

from bot.commands import (
    audit,
    help,
    keys_admin,
    linking,
    model,
    models_admin,
    own_key,
    owner,
    paid_admin,
    places_admin,
    pool_admin,
    privacy,
    quota_admin,
    share,
    spent,
    talk,
    use,
)
from bot.commands.command import Command

ALL: tuple[Command, ...] = (
    *talk.COMMANDS,
    *share.COMMANDS,
    *model.COMMANDS,
    spent.OWN,
    *own_key.COMMANDS,
    *linking.COMMANDS,
    *privacy.COMMANDS,
    *help.COMMANDS,
    *use.COMMANDS,
    *quota_admin.COMMANDS,
    *pool_admin.COMMANDS,
    *paid_admin.COMMANDS,
    spent.OF_ANYBODY,
    *keys_admin.COMMANDS,
    *models_admin.COMMANDS,
    *places_admin.COMMANDS,
    *audit.COMMANDS,
    *owner.COMMANDS,
)
