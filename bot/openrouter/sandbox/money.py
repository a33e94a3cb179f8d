"""Whether an account and a key can pay for a request, before it is sent."""

from __future__ import annotations

from decimal import Decimal

from bot.clock import Instant
from bot.openrouter.sandbox import unpaid
from bot.openrouter.sandbox.catalogue import Model
from bot.openrouter.sandbox.limits import Account
from bot.openrouter.sandbox.refusals import Refusal
from bot.openrouter.sandbox.request import Ask
from bot.openrouter.sandbox.settings import AccountSettings


def refused(
    ask: Ask, model: Model, *, limits: AccountSettings, account: Account, key: str, at: Instant
) -> Refusal | None:
    """Why the money does not do; None if it does.

    A negative balance stops free models too. A key's limit stops paid ones alone.
    """
    if limits.byok:
        return None
    balance = account.balance(limits)
    if balance < 0:
        return unpaid.NO_CREDITS
    if model.free or not model.costs:
        return None
    left = account.key_left(key, at, limits)
    if left is not None and left <= 0:
        return unpaid.KEY_LIMIT
    if balance == 0:
        return unpaid.NO_CREDITS
    most = balance if left is None else min(balance, left)
    wanted = ask.max_tokens
    if wanted is not None and not model.router and model.cost(ask.prompt_tokens, wanted) > most:
        room = most - model.cost(ask.prompt_tokens, 0)
        return unpaid.cannot_afford(wanted, max(0, int(room / Decimal(model.completion))))
    return None
