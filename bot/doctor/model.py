"""One model that was asked about: its lane, its price, who may use it, and why not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import assert_never

from bot.clock import Instant
from bot.doctor.finding import Finding, failure, ok, shown, warning
from bot.messages import CommunityId, Member, ModelId, Who
from bot.routing.access import Covered, NotCovered, Reach, Rule, ToCommunity, ToGroup, ToMember, ToRole, covers
from bot.routing.budget import Budget, Pico, usd
from bot.routing.catalogue import FREE_ROUTER, Catalogue, ModelInfo, is_free_id
from bot.routing.listing import SMALL
from bot.routing.offer import Offer
from bot.routing.paid import entry_of
from bot.routing.prices import Price, Priced, Rates, Unpriced, Variable, price
from bot.routing.prices import shown as per_million
from bot.storage.rights import Rights

_ORDERS = {
    "online": "asks OpenRouter for a web search, which costs",
    "floor": "asks OpenRouter for the cheapest provider, which still costs",
    "nitro": "asks OpenRouter for the fastest provider, which costs",
    "exacto": "asks OpenRouter for other providers, which cost",
    "extended": "names a variant with a longer window",
    "thinking": "names a variant that reasons",
}
"""What may follow the colon of an id, and what it would do."""

_OTHERS = "which is none of its models"
_SOMEBODY = Member("", "")
_ANY_PRICE = Rates(prompt=Decimal(10**9), completion=Decimal(10**9), request=Decimal(10**9), image=Decimal(10**9))


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of the models and of who may spend."""

    offer: Offer
    everybodys: Catalogue | None
    """Where the account's own list lacks the model: the one that is everybody's, if it could be had."""
    rights: Rights | None
    community: CommunityId | None = None
    """Where it is asked for; None: anywhere."""


def about(wanted: ModelId, known: Known) -> Iterator[Finding]:
    """All there is to say of it."""
    offer, check = known.offer, shown(wanted)
    assert offer.catalogue is not None
    if offer.free(wanted):
        yield ok(check, _free(wanted, offer))
    elif (model := offer.catalogue.models.get(wanted)) is None:
        yield _unlisted(check, wanted, offer.catalogue, known.everybodys)
    elif entry_of(wanted, offer) is None:
        found = f"{_window(model)}; {_why_not(model, offer)}, so nobody may ask for it"
        yield warning(check, found, "Choose another one.")
    else:
        yield from _paid(check, model, offer.now, known)


def _free(model: ModelId, offer: Offer) -> str:
    if model == FREE_ROUTER:
        return f"free lane, 0 USD: everyone's default, {offer.window(model):,} tokens are counted on"
    assert offer.catalogue is not None
    entry = offer.catalogue.models[model]
    reads = ", reads images" if entry.accepts_images else ""
    ends = "" if entry.expires_at is None else f"; it is withdrawn on {_day(entry.expires_at)}"
    return f"free lane, 0 USD: everyone may ask for it while the pool has units; {_window(entry)}{reads}{ends}"


def _unlisted(check: str, wanted: ModelId, mine: Catalogue, everybodys: Catalogue | None) -> Finding:
    base, colon, order = wanted.rpartition(":")
    elsewhere = everybodys.models if everybodys is not None else {}
    if wanted in elsewhere:
        found = "the account's privacy or provider settings at OpenRouter leave it out; others may use it"
        return failure(
            check, found, "Change them at openrouter.ai/settings/privacy, if its provider may have the data."
        )
    if wanted.startswith("@"):
        return failure(check, "a preset may stand for any model at any price, so none is sent", "Name one model.")
    if wanted.startswith("~"):
        found = "it stands for whichever model is newest, at any price, so none is sent"
        return failure(check, found, "Name one model.")
    if colon and ModelId(base) in {**elsewhere, **mine.models}:
        does = _ORDERS.get(order, "is no variant that is listed")
        return failure(check, f":{shown(order)} {does}; only exact ids of the list are sent", f"Ask for {shown(base)}.")
    whose = "this account may use" if mine.personal else "on offer"
    found = f"not among the {len(mine.models):,} {whose}"
    if is_free_id(wanted):
        return failure(check, found, f"See openrouter.ai/models; until then whoever asks for it gets {FREE_ROUTER}.")
    return failure(check, found, "See openrouter.ai/models; until then whoever asks for it is refused.")


def _why_not(model: ModelInfo, offer: Offer) -> str:
    if model.expired(offer.now):
        return "it has been withdrawn"
    if model.judges:
        return "it passes judgement on texts and holds no conversation"
    if is_free_id(model.id):
        return "its id is a free model's, but it costs something"
    if "text" not in model.output_modalities:
        return "it does not answer in text"
    return "it answers in more than text, whose price has no bound"


def _paid(check: str, model: ModelInfo, now: Instant, known: Known) -> Iterator[Finding]:
    cost, rights = price(model, SMALL), known.rights
    place = "" if known.community is None else f" --community {shown(known.community)}"
    closed = "" if model.expires_at is None else f"; it is withdrawn on {_day(model.expires_at)}"
    found = f"paid lane: {_cost(model, cost)}; {_window(model)}{closed}"
    if isinstance(cost, Unpriced):
        yield warning(check, f"{found}, so nobody may ask for it", "Choose another one.")
        return
    rules = [] if rights is None else [rule for rule in rights.rules if _touches(rule, model, cost, now)]
    open_to = [rule for rule in rules if rule.allows and _closed(rule, model, cost, now) is None]
    ceiling = " --prompt-price 1 --answer-price 5" if isinstance(cost, Variable) else ""
    order = f"potluck admin paid allow WHOM{ceiling}{place}"
    if not open_to:
        yield warning(check, f"{found}; it is open to nobody", f"Choose a free one, or open it: {order}.")
    elif not (rights and any(left for _, left in rights.budgets)):
        yield warning(check, f"{found}; no budget has anything left", f"Set one: potluck admin paid budget USD{place}.")
    else:
        yield ok(check, found)
    for rule in rules:
        why = _closed(rule, model, cost, now) if rule.allows else None
        yield ok(f"rule {rule.id}", _rule(rule) if why is None else f"{_rule(rule)}: not this model, {why}")
    for budget, left in () if rights is None else rights.budgets:
        yield ok("budget", _budget(budget, left))
    yield ok("own key", "a member with an OpenRouter account of their own may ask for it by that, at their own cost")


def _cost(model: ModelInfo, cost: Price) -> str:
    match cost:
        case Priced(listed=rates):
            free = " (nothing, for now)" if model.costs_nothing else ""
            return (
                f"{per_million(rates.prompt)} USD per million tokens of a question, "
                f"{per_million(rates.completion)} of an answer{free}"
            )
        case Variable():
            return "it picks a model at any price (-1), so only a grant with a ceiling opens it"
        case Unpriced(names=names):
            return f"what it costs cannot be told ({shown(', '.join(names))})"
        case _:
            assert_never(cost)


def _window(model: ModelInfo) -> str:
    return f"{model.window:,} tokens" if model.window else "a window it does not tell"


def _touches(rule: Rule, model: ModelInfo, cost: Price, now: Instant) -> bool:
    """The rule has something to say of it: a denial where it holds, a grant unless it is for other models alone."""
    if rule.allows:
        return _closed(rule, model, cost, now) != _OTHERS
    everything = replace(rule, allows=True, reach=Reach(ceiling=_ANY_PRICE), ends_at=None)
    found = covers(_one_of(rule), model, cost, [everything, rule], now)
    return isinstance(found, NotCovered) and found.rule == rule


def _closed(grant: Rule, model: ModelInfo, cost: Price, now: Instant) -> str | None:
    """Why a grant does not open it to those it names; None: it does."""
    found = covers(_one_of(grant), model, cost, [grant], now)
    if isinstance(found, Covered):
        return None
    return {
        "ended": "since it has ended",
        "price": "which is dearer than its ceiling",
        "needs_ceiling": "which needs a ceiling",
    }.get(found.reason, _OTHERS)


def _one_of(rule: Rule) -> Who:
    """A full member whom the rule names."""
    match rule.to:
        case ToMember(member=member, community=community):
            return Who(member=member, community=community or CommunityId(""), standing="full")
        case ToRole(community=community, role=role):
            return Who(member=_SOMEBODY, community=community, standing="full", roles=frozenset({role}))
        case ToGroup(community=community, group=group):
            return Who(member=_SOMEBODY, community=community, standing="full", groups=frozenset({group}))
        case ToCommunity(community=community):
            return Who(member=_SOMEBODY, community=community, standing="full")
        case _:
            assert_never(rule.to)


def _rule(rule: Rule) -> str:
    match rule.to:
        case ToMember(member=member, community=community):
            whom = member.key if community is None else f"{member.key} in {community}"
        case ToRole(community=place, role=role):
            whom = f"the full members with role {role} of {place}" if rule.allows else f"role {role} of {place}"
        case ToGroup(community=place, group=group):
            whom = f"the full members of group {group} of {place}" if rule.allows else f"group {group} of {place}"
        case ToCommunity(community=place):
            whom = f"the full members of {place}" if rule.allows else f"everyone in {place}"
        case _:
            assert_never(rule.to)
    ceiling = rule.reach.ceiling
    up_to = "" if ceiling is None else f", {'up to' if rule.allows else 'above'} {_rates(ceiling)}"
    end = "" if rule.ends_at is None else f", until {_day(rule.ends_at)}"
    return f"{'open to' if rule.allows else 'closed to'} {shown(whom)}{up_to}{end}"


def _rates(ceiling: Rates) -> str:
    return f"{per_million(ceiling.prompt)}/{per_million(ceiling.completion)} USD"


def _budget(budget: Budget, left: Pico) -> str:
    whose = budget.member.key if isinstance(budget.member, Member) else budget.member or "all together"
    where = f" in {budget.community}" if budget.community else ""
    period = {"day": "today", "month": "this month", "ever": "in all"}[budget.period]
    has = "has at most" if budget.member == "each" else "has"
    return f"{shown(whose)}{where} {has} {usd(left):,.2f} of {usd(budget.limit):,.2f} USD left {period}"


def _day(moment: Instant) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d}"
