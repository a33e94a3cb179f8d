"""Who may spend: nobody by default, denials first, and nothing wide for guests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.clock import Instant
from bot.messages import CommunityId, Member, ModelId
from bot.routing.access import (
    Covered,
    Grantee,
    NotCovered,
    Reach,
    Rule,
    RuleId,
    Standing,
    ToCommunity,
    ToGroup,
    ToMember,
    ToRole,
    Who,
    Why,
    covers,
)
from bot.routing.catalogue import ModelInfo
from bot.routing.prices import Price, Priced, Rates, Unpriced, Variable

NOW = Instant(1000)
HERE, THERE = CommunityId("discord:1"), CommunityId("discord:2")
ANN, BEN = Member("discord", "ann"), Member("discord", "ben")
GPT = ModelInfo(id=ModelId("maker/gpt"), name="GPT")
RATES = Rates.per_million(Decimal(3), Decimal(15))
PRICED = Priced(listed=RATES, most=RATES)
CHEAP, ROOMY = Rates.per_million(Decimal(1), Decimal(20)), Rates.per_million(Decimal(3), Decimal(15))


def who(standing: Standing = "full", community: CommunityId = HERE) -> Who:
    return Who(member=ANN, community=community, standing=standing, roles=frozenset({"r"}), groups=frozenset({"g"}))


TO_ANN, ALL = ToMember(ANN), Reach()


def rule(to: Grantee = TO_ANN, reach: Reach = ALL, *, allows: bool = True, ends: float | None = None) -> Rule:
    return Rule(id=RuleId(1), allows=allows, to=to, reach=reach, ends_at=None if ends is None else Instant(ends))


def listed(*models: str, ceiling: Rates | None = None) -> Reach:
    return Reach(models=frozenset(map(ModelId, models)), ceiling=ceiling)


WIDE: list[Grantee] = [ToRole(HERE, "r"), ToGroup(HERE, "g"), ToCommunity(HERE)]


@pytest.mark.parametrize("to", [ToMember(ANN), ToMember(ANN, HERE), *WIDE])
def test_a_grant_covers_whom_it_names(to: Grantee) -> None:
    grant = rule(to)
    assert covers(who(), GPT, PRICED, [grant], NOW) == Covered(grant=grant, limit=RATES, most=RATES)


@pytest.mark.parametrize(
    "to",
    [
        *(ToMember(BEN), ToMember(ANN, THERE), ToRole(HERE, "other"), ToRole(THERE, "r"), ToGroup(HERE, "r")),
        *(ToGroup(THERE, "g"), ToCommunity(THERE)),
    ],
)
def test_and_nobody_else(to: Grantee) -> None:
    assert covers(who(), GPT, PRICED, [rule(to)], NOW) == NotCovered(reason="nobody")
    assert isinstance(covers(who(), GPT, PRICED, [rule(), rule(to, allows=False)], NOW), Covered)


@pytest.mark.parametrize("to", WIDE)
@pytest.mark.parametrize("standing", ["guest", "stranger"])
def test_guests_and_strangers_are_in_no_wide_grant_but_in_wide_denials(to: Grantee, standing: Standing) -> None:
    grant, denial = rule(to), rule(to, allows=False)
    assert covers(who(standing), GPT, PRICED, [grant], NOW) == NotCovered(reason="wide", rule=grant)
    assert isinstance(covers(who(standing), GPT, PRICED, [rule()], NOW), Covered)
    assert covers(who(standing), GPT, PRICED, [rule(), denial], NOW) == NotCovered(reason="denied", rule=denial)


@pytest.mark.parametrize(
    ("reach", "price", "reason"),
    [
        (Reach(), PRICED, None),
        (listed("maker/gpt"), PRICED, None),
        (listed("maker/other"), PRICED, "model"),
        (listed("maker/gp"), PRICED, "model"),
        (Reach(ceiling=ROOMY), PRICED, None),
        (Reach(ceiling=CHEAP), PRICED, "price"),
        (listed("maker/gpt", ceiling=CHEAP), PRICED, "price"),
        (Reach(), Variable(), "needs_ceiling"),
        (listed("maker/gpt"), Variable(), "needs_ceiling"),
        (Reach(ceiling=CHEAP), Variable(), None),
        (Reach(), Unpriced(names=("prompt",)), "unpriced"),
    ],
)
def test_what_a_grant_reaches(reach: Reach, price: Price, reason: Why | None) -> None:
    found = covers(who(), GPT, price, [rule(reach=reach)], NOW)
    assert (found.reason if isinstance(found, NotCovered) else None) == reason


def test_a_ceiling_of_tokens_keeps_out_what_is_charged_otherwise() -> None:
    by_request = Priced(listed=Rates(prompt=Decimal(0), completion=Decimal(0), request=Decimal("0.03")), most=RATES)
    found = covers(who(), GPT, by_request, [rule(reach=Reach(ceiling=ROOMY))], NOW)
    assert isinstance(found, NotCovered)
    assert found.reason == "price"


@pytest.mark.parametrize("model", ["maker/gpt", "maker/gpt:nitro", "~maker/latest"])
def test_a_denial_reaches_a_model_by_any_name(model: str) -> None:
    alias_of = ModelId("maker/gpt") if model.startswith("~") else None
    entry = ModelInfo(id=ModelId(model), name="", alias_of=alias_of)
    denial = rule(reach=listed("maker/gpt"), allows=False)
    assert covers(who(), entry, PRICED, [rule(), denial], NOW) == NotCovered(reason="denied", rule=denial)


def test_a_denial_above_a_price_leaves_what_is_cheaper() -> None:
    above = rule(reach=Reach(ceiling=CHEAP), allows=False)
    assert isinstance(covers(who(), GPT, PRICED, [rule(), above], NOW), NotCovered)
    cheap = Priced(listed=CHEAP, most=CHEAP)
    assert isinstance(covers(who(), GPT, cheap, [rule(), above], NOW), Covered)


def test_a_router_cannot_be_a_way_around_a_denial() -> None:
    auto = ModelInfo(id=ModelId("openrouter/auto"), name="")
    roomy = rule(reach=Reach(ceiling=ROOMY))
    assert isinstance(covers(who(), auto, Variable(), [roomy], NOW), Covered)
    for denied in (listed("maker/gpt"), Reach(ceiling=CHEAP)):
        assert isinstance(covers(who(), auto, Variable(), [roomy, rule(reach=denied, allows=False)], NOW), NotCovered)


def test_a_grant_ends_and_so_does_a_denial() -> None:
    grant = rule(ends=1000)
    assert covers(who(), GPT, PRICED, [grant], NOW) == NotCovered(reason="ended", rule=grant)
    assert isinstance(covers(who(), GPT, PRICED, [rule(ends=1001)], NOW), Covered)
    assert isinstance(covers(who(), GPT, PRICED, [rule(), rule(allows=False, ends=1000)], NOW), Covered)
    assert isinstance(covers(who(), GPT, PRICED, [rule(), rule(allows=False, ends=1001)], NOW), NotCovered)


def test_the_grant_that_came_nearest_explains() -> None:
    near = rule(reach=Reach(ceiling=CHEAP))
    as_near = rule(ToMember(ANN, HERE), Reach(ceiling=CHEAP))
    for rules in ([near, rule(reach=listed("x/y"))], [rule(ends=1), near], [near, as_near]):
        assert covers(who(), GPT, PRICED, rules, NOW) == NotCovered(reason="price", rule=near)


@pytest.mark.parametrize("bad", ["NaN", "-1", "Infinity"])
def test_a_ceiling_is_made_of_prices(bad: str) -> None:
    with pytest.raises(ValueError, match=r"^a ceiling is made of prices from 0 up$"):
        Reach(ceiling=Rates(prompt=Decimal(bad), completion=Decimal(0)))


_grantees: st.SearchStrategy[Grantee] = st.sampled_from([ToMember(ANN), ToMember(BEN), *WIDE, ToCommunity(THERE)])
_reaches = st.sampled_from([Reach(), listed("maker/gpt"), listed("x/y"), Reach(ceiling=CHEAP), Reach(ceiling=ROOMY)])
_rules = st.lists(
    st.builds(rule, _grantees, _reaches, allows=st.booleans(), ends=st.sampled_from([None, 1.0, 5000.0])), max_size=6
)
_asked = st.sampled_from([PRICED, Variable(), Unpriced(names=("prompt",))])


@given(rules=_rules, price=_asked, standing=st.sampled_from(["full", "guest", "stranger"]))
def test_more_denials_never_give_more_and_no_grants_give_nothing(
    rules: list[Rule], price: Price, standing: Standing
) -> None:
    found = covers(who(standing), GPT, price, rules, NOW)
    assert isinstance(covers(who(standing), GPT, price, [one for one in rules if not one.allows], NOW), NotCovered)
    if isinstance(found, Covered):
        assert found.grant in rules
        assert found.grant.allows
        assert not found.grant.ended(NOW)
        assert standing == "full" or not found.grant.wide
        without = covers(who(standing), GPT, price, [one for one in rules if one.allows], NOW)
        assert isinstance(without, Covered)


def test_for_a_router_only_denials_that_hold_count() -> None:
    roomy, cheap = rule(reach=Reach(ceiling=ROOMY)), rule(reach=Reach(ceiling=CHEAP))
    over = rule(reach=Reach(ceiling=CHEAP), allows=False, ends=1000)
    for others in ([cheap], [over]):
        found = covers(who(), GPT, Variable(), [roomy, *others], NOW)
        assert found == Covered(grant=roomy, limit=ROOMY, most=ROOMY)


def test_a_router_is_denied_by_its_own_name_and_by_any_list_however_cheap_it_would_be() -> None:
    auto = ModelInfo(id=ModelId("openrouter/auto"), name="")
    cheap = rule(reach=Reach(ceiling=CHEAP))
    for reach, denied in (
        (listed("openrouter/auto", ceiling=ROOMY), True),
        (listed("maker/gpt", ceiling=Rates.per_million(Decimal(9), Decimal(99))), False),
        (Reach(ceiling=Rates.per_million(Decimal(9), Decimal(99))), False),
        (listed("maker/gpt"), True),
    ):
        found = covers(who(), auto, Variable(), [cheap, rule(reach=reach, allows=False)], NOW)
        assert isinstance(found, NotCovered) == denied, reach


def not_covered(found: Covered | NotCovered) -> NotCovered:
    assert isinstance(found, NotCovered), found
    return found


_RULES = st.lists(
    st.builds(
        rule,
        st.sampled_from([TO_ANN, ToMember(Member("discord", "ben")), ToCommunity(HERE)]),
        st.sampled_from([ALL, listed("maker/gpt"), listed("maker/other"), Reach(ceiling=CHEAP)]),
        allows=st.booleans(),
        ends=st.sampled_from([None, 500.0, 2000.0]),
    ),
    max_size=5,
)


@given(rules=_RULES, seed=st.randoms(use_true_random=False), cost=st.sampled_from([PRICED, Variable()]))
def test_the_order_of_rules_decides_nothing(rules: list[Rule], seed: Any, cost: Priced | Variable) -> None:
    shuffled = list(rules)
    seed.shuffle(shuffled)
    found = covers(who(), GPT, cost, rules, NOW)
    other = covers(who(), GPT, cost, shuffled, NOW)
    assert isinstance(found, Covered) is isinstance(other, Covered)
    if isinstance(found, NotCovered):
        assert found.reason == not_covered(other).reason


def test_a_denial_of_a_list_leaves_the_others() -> None:
    assert isinstance(covers(who(), GPT, PRICED, [rule(reach=listed("maker/o"), allows=False), rule()], NOW), Covered)


@pytest.mark.parametrize("denied", ["maker/gpt:a:b", "maker/gpt"])
def test_a_denial_reaches_a_model_with_the_variants_it_has(denied: str) -> None:
    model = replace(GPT, id=ModelId("maker/gpt:a:b"))
    found = covers(who(), model, PRICED, [rule(), rule(reach=listed(denied), allows=False)], NOW)
    assert not_covered(found).reason == "denied"
    plain_one = covers(who(), GPT, PRICED, [rule(), rule(reach=listed("maker/gpt:a:b"), allows=False)], NOW)
    assert isinstance(plain_one, Covered), "a denial of a variant leaves the model itself"


@pytest.mark.parametrize(
    ("rules", "cost", "reason"),
    [
        ([rule(reach=listed("maker/other"))], PRICED, "model"),
        ([rule()], Variable(), "needs_ceiling"),
        ([rule(ends=1.0)], PRICED, "ended"),
        ([rule(ToCommunity(HERE))], PRICED, "wide"),
        ([rule(reach=Reach(ceiling=CHEAP))], PRICED, "price"),
        ([rule(allows=False)], PRICED, "denied"),
    ],
)
def test_a_refusal_names_the_rule_it_comes_from(rules: Sequence[Rule], cost: Priced | Variable, reason: str) -> None:
    found = not_covered(covers(who("guest"), GPT, cost, rules, NOW))
    assert (found.reason, found.rule) == (reason, rules[0])


def test_a_router_that_could_pick_what_is_denied_names_the_denial() -> None:
    denial = rule(reach=Reach(ceiling=CHEAP), allows=False)
    found = not_covered(covers(who(), GPT, Variable(), [rule(reach=Reach(ceiling=RATES)), denial], NOW))
    assert (found.reason, found.rule) == ("price", denial)


def test_a_rule_holds_up_to_its_end_and_not_at_it() -> None:
    for at, covered in ((4.999, True), (5.0, False)):
        assert isinstance(covers(who(), GPT, PRICED, [rule(ends=5.0)], Instant(at)), Covered) is covered


def test_nothing_but_the_member_who_asks_is_looked_at() -> None:
    other = Who(member=Member("discord", "ben"), community=HERE, standing="full")
    assert not_covered(covers(other, GPT, PRICED, [rule()], NOW)).reason == "nobody"
