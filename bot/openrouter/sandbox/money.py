"""Whether an account and a key can pay for a request, before it is sent."""

from __future__ import annotations

from decimal import Decimal

from bot.clock import Instant
from bot.openrouter.sandbox import unpaid
from bot.openrouter.sandbox.catalogue import Model
from bot.openrouter.sandbox.limits import Account
from bot.openrouter.sandbox.refusals import Refusal
from bot.openrouter.sandbox.request import Ask
from bot.openrouter.sandbox.settings import AccountSettings, Beliefs


def refused(
    ask: Ask, model: Model, *, limits: AccountSettings, beliefs: Beliefs, account: Account, key: str, at: Instant
) -> Refusal | None:
    """Why the money does not do; None if it does.

    A negative balance stops free models too. A key's limit stops paid ones alone. See `Beliefs` for both.
    """
    if limits.byok:
        return None
    balance = account.balance(limits)
    free = model.free or not model.costs
    if balance < 0 and (beliefs.debt_stops_free_models or not free):
        return unpaid.NO_CREDITS
    left = account.key_left(key, at, limits)
    if left is not None and left <= 0 and (beliefs.key_limit_stops_free_models or not free):
        return unpaid.KEY_LIMIT
    if free:
        return None
    if balance == 0:
        return unpaid.NO_CREDITS
    most = balance if left is None else min(balance, left)
    wanted = ask.max_tokens
    if wanted is not None and not model.router and model.cost(ask.prompt_tokens, wanted) > most:
        room = most - model.cost(ask.prompt_tokens, 0)
        return unpaid.cannot_afford(wanted, max(0, int(room / Decimal(model.completion))))
    return None
