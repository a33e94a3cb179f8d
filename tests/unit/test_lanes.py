"""Every combination of wish, key, pool, grant, budget and habit: no money without a right to it and enough of it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.clock import Instant
from bot.errors import PaidOffer
from bot.messages import Member, ModelId
from bot.routing.access import Covered, NotCovered, Reach, Rule, RuleId, ToMember
from bot.routing.lanes import Free, NoLane, OwnKey, Paid, PaidWay, Purse, Way, Wish, lane
from bot.routing.prices import Rates
from tests.unit.test_access import rule

SMALL = ModelId("acme/small")
GRANT = Rule(id=RuleId(1), allows=True, to=ToMember(Member("web", "ann")), reach=Reach())
RATES = Rates.per_million(Decimal(3), Decimal(15))
COVERED = Covered(grant=GRANT, limit=RATES, most=RATES)
DENIED = NotCovered(reason="denied")
COST = Decimal("0.10")
RESET, MONTH = Instant(100), Instant(200)

WISHES: tuple[Wish, ...] = ("open", "free_model", "paid_model")
PURSES = (None, *(Purse(left=Decimal(left), resets_at=MONTH) for left in ("0", "0.0999999", "0.10", "5")))
ACCESS: tuple[Covered | NotCovered, ...] = (COVERED, DENIED)
WAYS = (
    None,
    *(
        PaidWay(model=ModelId("m/m"), access=access, most=COST, purse=purse)
        for access, purse in product(ACCESS, PURSES)
    ),
)


@pytest.mark.parametrize("wish", WISHES)
@pytest.mark.parametrize("own_key", [False, True])
@pytest.mark.parametrize("spent", [None, RESET])
@pytest.mark.parametrize("paid", WAYS)
@pytest.mark.parametrize("habit", [False, True])
def test_every_combination(wish: Wish, own_key: bool, spent: Instant | None, paid: PaidWay | None, habit: bool) -> None:
    way = lane(wish, own_key=own_key, pool_spent_until=spent, paid=paid, pay_when_spent=habit)
    affordable = paid is not None and paid.access is COVERED and paid.purse is not None and paid.purse.left >= COST
    assert way == expected(wish, own_key, spent, paid, habit, affordable), way
    if isinstance(way, Paid):
        assert affordable
        assert (way.limit, way.most, way.access) == (RATES, COST, COVERED)
        assert wish == "paid_model" or (wish == "open" and habit and spent is not None)
    if isinstance(way, NoLane) and way.offer is not None:
        assert affordable
        assert (way.offer.model, way.offer.most) == (ModelId("m/m"), COST)


def expected(
    wish: Wish, own_key: bool, spent: Instant | None, paid: PaidWay | None, habit: bool, affordable: bool
) -> object:
    """By the table, written the other way round; what it leaves open is equal to anything of its kind."""
    if own_key:
        return OwnKey()
    if wish != "paid_model" and spent is None:
        return Free()
    if affordable and (wish == "paid_model" or (wish == "open" and habit)):
        return _Kind(Paid)
    if wish != "paid_model":
        return _Kind(NoLane, "pool_spent", spent, affordable)
    if paid is None or paid.access is DENIED:
        return _Kind(NoLane, "model_not_allowed", None, False)
    return _Kind(NoLane, "budget_spent", MONTH if paid.purse else None, False)


class _Kind:
    """Equal to every way of a kind, with this code, reset and whether something is offered."""

    def __init__(self, kind: type, *about: object) -> None:
        self._kind, self._about = kind, about

    def __eq__(self, way: object) -> bool:
        if not isinstance(way, self._kind):
            return False
        return not isinstance(way, NoLane) or self._about == (way.code, way.resets_at, way.offer is not None)

    __hash__ = None  # type: ignore[assignment]


def test_a_refusal_of_a_model_says_why() -> None:
    paid = PaidWay(model=ModelId("m/m"), access=DENIED, most=COST, purse=None)
    way: Way = lane("paid_model", own_key=False, pool_spent_until=None, paid=paid, pay_when_spent=False)
    assert way == NoLane(code="model_not_allowed", why=DENIED)


def test_a_purse_is_enough_to_the_last_picodollar() -> None:
    access = Covered(grant=rule(), limit=RATES, most=RATES)
    way = PaidWay(model=SMALL, access=access, most=Decimal(1), purse=Purse(left=Decimal(1), resets_at=Instant(9)))
    bought = lane("paid_model", own_key=False, pool_spent_until=None, paid=way, pay_when_spent=False)
    assert bought == Paid(model=SMALL, most=Decimal(1), limit=RATES, access=access)
    dear = replace(way, most=Decimal("1.000000000001"))
    refused = lane("paid_model", own_key=False, pool_spent_until=None, paid=dear, pay_when_spent=False)
    assert refused == NoLane(code="budget_spent", resets_at=Instant(9))
    broke = lane("paid_model", own_key=False, pool_spent_until=None, paid=replace(way, purse=None), pay_when_spent=True)
    assert broke == NoLane(code="budget_spent")


@given(
    wish=st.sampled_from(["open", "free_model", "paid_model"]),
    own_key=st.booleans(),
    spent=st.sampled_from([None, Instant(7)]),
    covered=st.sampled_from([None, True, False]),
    left=st.sampled_from([None, Decimal(0), Decimal(1), Decimal(2)]),
    habit=st.booleans(),
)
def test_only_a_wish_for_money_or_the_habit_is_ever_paid(
    wish: Wish, own_key: bool, spent: Instant | None, covered: bool | None, left: Decimal | None, habit: bool
) -> None:
    access = Covered(grant=rule(), limit=RATES, most=RATES) if covered else NotCovered(reason="nobody")
    purse = None if left is None else Purse(left=left, resets_at=None)
    way = None if covered is None else PaidWay(model=SMALL, access=access, most=Decimal(1), purse=purse)
    found = lane(wish, own_key=own_key, pool_spent_until=spent, paid=way, pay_when_spent=habit)
    enough = bool(covered) and left is not None and left >= 1
    asked = wish == "paid_model" or (wish == "open" and habit and spent is not None)
    assert isinstance(found, OwnKey) is own_key
    assert isinstance(found, Paid) is (not own_key and asked and enough)
    if isinstance(found, NoLane):
        offered = not own_key and enough and spent is not None
        assert found.offer == (PaidOffer(model=SMALL, most=Decimal(1)) if offered else None)
        assert found.code != "model_not_allowed" or wish == "paid_model"
