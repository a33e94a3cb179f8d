"""Who may spend the account's money on which models: grants and denials. Pure.

Nobody may, unless a grant says so. A denial beats every grant. What is given to many at once (a role, a user group,
a community) reaches its full members only: guests, and people of another organisation who share a channel, are
covered by a grant to themselves or not at all. A denial reaches everyone it names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NewType, Protocol, TypeAlias, assert_never

from bot.clock import Instant
from bot.messages import CommunityId, Member, ModelId
from bot.messages import Standing as Standing
from bot.messages import Who as Who
from bot.routing.catalogue import ModelInfo
from bot.routing.prices import Price, Priced, Rates, Unpriced, Variable

RuleId = NewType("RuleId", int)


@dataclass(frozen=True, slots=True)
class ToMember:
    """One person. In one community only, or wherever they are."""

    member: Member
    community: CommunityId | None = None


@dataclass(frozen=True, slots=True)
class ToRole:
    community: CommunityId
    role: str


@dataclass(frozen=True, slots=True)
class ToGroup:
    community: CommunityId
    group: str


@dataclass(frozen=True, slots=True)
class ToCommunity:
    community: CommunityId


Grantee: TypeAlias = ToMember | ToRole | ToGroup | ToCommunity


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Which models a rule speaks of: all that cost, or a list; and up to which prices."""

    models: frozenset[ModelId] | None = None
    """Exact ids. None: every model there is."""
    ceiling: Rates | None = None
    """A grant holds up to these prices. A denial holds above them: what fits is left alone."""

    def __post_init__(self) -> None:
        """Raises ValueError: the ceiling is no price."""
        if self.ceiling is not None:
            prices = (self.ceiling.prompt, self.ceiling.completion, self.ceiling.request, self.ceiling.image)
            if not all(price.is_finite() and price >= 0 for price in prices):
                raise ValueError("a ceiling is made of prices from 0 up")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A grant or a denial."""

    id: RuleId
    allows: bool
    """True: a grant. False: a denial."""
    to: Grantee
    reach: Reach
    ends_at: Instant | None = None
    """It holds before this moment; None: until it is taken back."""

    @property
    def wide(self) -> bool:
        """It names many at once."""
        return not isinstance(self.to, ToMember)

    def ended(self, now: Instant) -> bool:
        return self.ends_at is not None and self.ends_at <= now


class Access(Protocol):
    """Who keeps the rules of one account. `bot.storage.access.SqlAccess` is the one."""

    @property
    def rules(self) -> Sequence[Rule]:
        """Those in force and those that have ended, as they are now."""
        ...

    async def refresh(self) -> None:
        """Take up what was changed outside this process, such as from the shell. One small read, mostly for nothing:
        to be called before something is decided that costs."""
        ...

    def pays_when_spent(self, member: Member) -> bool:
        """The member wants to go on for money when the pool is spent, without being asked each time."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """The member may spend on it, if there is money."""

    grant: Rule
    limit: Rates
    """The highest prices OpenRouter may be let charge: the listed ones, or a router's ceiling."""
    most: Rates
    """What the request's tokens can be charged as at most, for the reservation."""


Why: TypeAlias = Literal["nobody", "denied", "wide", "ended", "model", "price", "needs_ceiling", "unpriced"]
"""`nobody`: no grant names this member. `wide`: one does, but for full members only. `model`: the grants are for other
models. `price`: it is dearer than the grants allow. `needs_ceiling`: a router picks the model, so only a grant with a
ceiling says how much it may cost. `unpriced`: what it costs cannot be told."""

_NEAREST: Sequence[Why] = ("nobody", "ended", "wide", "model", "needs_ceiling", "price")
"""Of several grants that do not cover, the one that came nearest explains. Later is nearer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCovered:
    """The member may not, and why."""

    reason: Why
    rule: Rule | None = None
    """The denial, or the grant that came nearest; None: there is none."""


def covers(who: Who, model: ModelInfo, price: Price, rules: Iterable[Rule], now: Instant) -> Covered | NotCovered:
    """Whether a member may have a model for the account's money.

    Args:
        price: what `bot.routing.prices.price` says of the model for the request's size.
    """
    mine = [rule for rule in rules if _names(rule.to, who)]
    if isinstance(price, Unpriced):
        return NotCovered(reason="unpriced")
    for denial in mine:
        if not denial.allows and not denial.ended(now) and _denies(denial.reach, model, price):
            return NotCovered(reason="denied", rule=denial)
    denials = [rule for rule in mine if not rule.allows and not rule.ended(now)]
    nearest = NotCovered(reason="nobody")
    for grant in mine:
        if not grant.allows:
            continue
        found = _granted(grant, who, model, price, denials, now)
        if isinstance(found, Covered):
            return found
        if _NEAREST.index(found.reason) > _NEAREST.index(nearest.reason):
            nearest = found
    return nearest


def _names(to: Grantee, who: Who) -> bool:
    match to:
        case ToMember(member=member, community=community):
            return (member == who.member or member in who.accounts) and community in (None, who.community)
        case ToRole(community=community, role=role):
            return community == who.community and role in who.roles
        case ToGroup(community=community, group=group):
            return community == who.community and group in who.groups
        case ToCommunity(community=community):
            return community == who.community
        case _:
            assert_never(to)


def _granted(
    grant: Rule, who: Who, model: ModelInfo, price: Priced | Variable, denials: Sequence[Rule], now: Instant
) -> Covered | NotCovered:
    reach = grant.reach
    if grant.ended(now):
        return NotCovered(reason="ended", rule=grant)
    if grant.wide and who.standing != "full":
        return NotCovered(reason="wide", rule=grant)
    if reach.models is not None and model.id not in reach.models:
        return NotCovered(reason="model", rule=grant)
    match price:
        case Priced(listed=listed, most=most):
            if reach.ceiling is not None and not listed.fits(reach.ceiling):
                return NotCovered(reason="price", rule=grant)
            return Covered(grant=grant, limit=listed, most=most)
        case Variable():
            if reach.ceiling is None:
                return NotCovered(reason="needs_ceiling", rule=grant)
            # What the router may pick must be nothing that a denial keeps from this member.
            for denial in denials:
                if denial.reach.ceiling is not None and not reach.ceiling.fits(denial.reach.ceiling):
                    return NotCovered(reason="price", rule=denial)
            return Covered(grant=grant, limit=reach.ceiling, most=reach.ceiling)
        case _:
            assert_never(price)


def _denies(reach: Reach, model: ModelInfo, price: Priced | Variable) -> bool:
    if isinstance(price, Variable):
        # A router may pick any model: a list of those that are denied denies it too, for it cannot be told to keep off.
        return reach.ceiling is None or (reach.models is not None and not reach.models.isdisjoint(set(_aliases(model))))
    if reach.models is not None and reach.models.isdisjoint(set(_aliases(model))):
        return False
    return reach.ceiling is None or not price.listed.fits(reach.ceiling)


def _aliases(model: ModelInfo) -> Iterator[ModelId]:
    """Every id by which this model could have been denied: a denial of `a/b` is one of `a/b:nitro`, too, and of what
    stands for it today."""
    for name in (model.id, model.alias_of, model.canonical_slug):
        if name:
            yield ModelId(name)
            yield ModelId(name.partition(":")[0])
