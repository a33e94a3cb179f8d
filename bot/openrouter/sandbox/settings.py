"""What a sandbox can be told: the accounts it plays, its pace, its faults, and what nobody knows for sure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, TypeAlias

from bot.openrouter.sandbox.script import Faults

Period: TypeAlias = Literal["daily", "weekly", "monthly"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """One OpenRouter account. Defaults are one that never bought credits."""

    rpm: int = 20
    """Requests to free models a minute."""
    rpd: int = 50
    """Requests to free models per UTC day."""
    credits: Decimal = Decimal(0)
    """USD bought, all time. Paid models need some left; the tier's wording changes from 10 on."""
    spent: Decimal = Decimal(0)
    """USD used before the sandbox began. More than `credits`: a negative balance, which stops free models too."""
    free_models: bool = True
    """The privacy settings let free models be used. If not, `/models/user` lists none and asking one is a 404."""
    credits_readable: bool = True
    """`/credits` answers an ordinary key. If not it is a 403, as the documentation has it."""
    key_limit: Decimal | None = None
    """USD each of the account's keys may spend. Spent, it stops paid models alone."""
    key_limit_reset: Period | None = None
    """When that starts anew; None: never."""
    byok: bool = False
    """The account has provider keys of its own: nothing is counted, and OpenRouter's own charge is nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beliefs:
    """What the sources leave open, each as its likeliest reading. Turn one round to see who relied on it."""

    minute_refusals_count: bool = True
    """What the minute's limit refuses is taken from the day all the same."""
    cut_streams_count: bool = True
    """A stream its reader left early is taken from the day all the same."""
    cut_streams_cost_whole: bool = False
    """A stream its reader left early is billed as if it had been read to its end; some providers cannot stop."""
    debt_stops_free_models: bool = True
    """A negative balance refuses free models too. The documentation says that it may."""
    key_limit_stops_free_models: bool = False
    """A key whose limit is spent is refused free models too."""
    router_minds_length: bool = True
    """`openrouter/free` picks among the models whose window holds the request."""
    zero_price_is_free: bool = True
    """`provider.max_price` of zero lets free models through; if not, nothing is cheap enough."""
    each_try_counts: bool = False
    """A request with fallbacks takes a unit for each free model it tries, not one."""
    router_counts: bool = True
    """`openrouter/free` draws on the allowance like the models whose id ends in `:free`."""
    rolling_minute: bool = False
    """The minute's limit is over any sixty seconds, not over the clock's minutes."""
    model_is_a_fallback: bool = False
    """`model` is one of the three that `models` may hold, not beside them."""
    uncounted: tuple[str, ...] = ()
    """Faults that leave the allowance alone, such as what an edge answers that never passed the request on."""
    state_echoed: bool = True
    """The page that links an account hands `state` back to the callback."""
    wrong_code_is_400: bool = True
    """A code nobody gave is a 400, as it was seen, not the documented 403."""

    def turned(self, names: Iterable[str]) -> Beliefs:
        """These beliefs with some turned round.

        Raises:
            ValueError: there is no such belief, or it is not one of yes or no.
        """
        given = set(names)
        for name in given:
            if name not in self.switches():
                raise ValueError(f"{name!r} is none of {', '.join(self.switches())}")
        other: dict[str, Any] = {name: not getattr(self, name) for name in given}
        return replace(self, **other)

    @classmethod
    def switches(cls) -> tuple[str, ...]:
        """The names of those that are yes or no."""
        return tuple(field.name for field in fields(cls) if isinstance(field.default, bool))


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSettings(AccountSettings):
    """The default account, any other one's where `accounts` does not name it, and the sandbox's own ways.

    Defaults answer as fast as people read.
    """

    accounts: Mapping[str, AccountSettings] = field(default_factory=dict)
    """Accounts of their own, by what follows the `@` in a key."""
    seed: int = 0
    first_token_seconds: float = 0.6
    seconds_per_chunk: float = 0.04
    """A chunk is a word. 0: all at once."""
    log_file: Path | None = None
    """JSON lines, one at a request's arrival and one at its end; a new sandbox goes on counting from them."""
    faults: Faults | None = None
    withdrawn: tuple[str, ...] = ()
    """Models that are no longer in the catalogue, and no longer answer."""
    key_stale_seconds: float = 0.0
    """How old the daily count that `/key` reports may be. OpenRouter's is up to 60."""
    generation_delay_seconds: float = 60.0
    """How long after its end a generation stays unknown to `/generation`. OpenRouter's: one to eight minutes."""
    shapes: Literal[2025, 2026] = 2026
    """The year whose limit bodies and usage chunks it writes; the older lack the `limit_source`."""
    beliefs: Beliefs = Beliefs()

    def of(self, account: str) -> AccountSettings:
        """The settings of an account."""
        return self.accounts.get(account, self)
