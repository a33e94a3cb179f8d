"""What providers' own keys in the account take from its free allowance, and the fee beyond it: an estimate. Pure.

OpenRouter changes this rule: it once was a number of requests. So both numbers are settings, and what is worked out
from them is said to be an estimate, with the month the rule is of.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True, kw_only=True)
class ByokRule:
    """US dollars of list price a calendar month of UTC that cost nothing at OpenRouter, and percent of what is more."""

    free_usd: Decimal
    fee_percent: Decimal
    of: str = ""
    """The month in which it was OpenRouter's rule; empty: who runs this Potluck has set other numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ByokMonth:
    """A month so far, in US dollars."""

    served: Decimal
    """List price of what went by providers' own keys, as the account says for this one key of its."""
    left: Decimal
    """Of the allowance, if no other key of the account has taken of it."""
    fee: Decimal
    """What OpenRouter takes for the rest."""
    rule: ByokRule


def month(served: Decimal, rule: ByokRule) -> ByokMonth:
    """What a month comes to."""
    beyond = max(Decimal(0), served - rule.free_usd)
    return ByokMonth(
        served=served,
        left=max(Decimal(0), rule.free_usd - served),
        fee=beyond * rule.fee_percent / HUNDRED,
        rule=rule,
    )
