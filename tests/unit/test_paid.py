"""Which wish is one for money, where it would go, and which model costs least."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.errors import Refused
from bot.messages import CommunityId, Member, ModelId
from bot.routing import paid
from bot.routing.access import Covered, NotCovered, Reach, Rule, RuleId, ToMember, Who
from bot.routing.offer import NOTHING_KNOWN, ROUTER_WINDOW, Offer
from bot.routing.prices import Rates, Size, most_cost
from bot.routing.router import Needs
from tests.unit.test_catalogue import NOW, TRICKS, catalogue, prices, read

ANN = Member("web", "ann")
WHO = Who(member=ANN, community=CommunityId("web"), standing="full")
GRANT = Rule(id=RuleId(1), allows=True, to=ToMember(ANN), reach=Reach())


OFFER = Offer(
    catalogue=catalogue(
        *(
            read(),
            read(id="acme/small", pricing=prices(prompt="0.000001", completion="0.000002")),
            read(id="acme/dear", pricing=prices(prompt="0.001", completion="0.002")),
            read(id="acme/odd:free", pricing=prices(prompt="0.0000001", completion="0.0000001")),
            read(id="acme/preview", pricing=prices()),
            read(id="acme/guard", name="Guard", description="A safety classifier.", pricing=prices(prompt="0.0000001")),
            read(id="acme/old", pricing=prices(prompt="0.0000001"), expiration_date="2026-01-01"),
            read(
                id="acme/painter",
                pricing=prices(prompt="0.0000001"),
                architecture={"input_modalities": ["text"], "output_modalities": ["text", "image"]},
            ),
            read(id="openrouter/auto", pricing=prices(prompt="-1", completion="-1")),
            read(id="acme/strange", pricing=prices(prompt="0.0000001", mystery="1")),
        )
    ),
    now=NOW,
)


@pytest.mark.parametrize(
    ("model", "wish"),
    [
        (None, "open"),
        ("openrouter/free", "free_model"),
        ("acme/small:free", "free_model"),
        ("acme/odd:free", "free_model"),
        ("acme/never:free", "free_model"),
        ("acme/small", "paid_model"),
        ("acme/preview", "paid_model"),
        ("openrouter/auto", "paid_model"),
        ("acme/strange", "paid_model"),
        *((model, None) for model in ("acme/old", "acme/painter", "acme/none", "acme/small:nitro", "")),
    ],
)
def test_a_wish_is_for_money_only_by_a_listed_id(model: str | None, wish: str | None) -> None:
    assert paid.wish_of(None if model is None else ModelId(model), OFFER) == wish


@pytest.mark.parametrize("trick", sorted(set(TRICKS) - {"openrouter/auto", "acme/small"}))
def test_no_trick_is_bought(trick: str) -> None:
    assert paid.entry_of(ModelId(trick), OFFER) is None


def test_without_a_catalogue_nothing_is_bought() -> None:
    assert paid.wish_of(ModelId("acme/small"), NOTHING_KNOWN) is None
    assert paid.cheapest(NOTHING_KNOWN, 10, WHO, [GRANT]) is None


def test_the_cheapest_is_one_that_costs_and_may_be_had() -> None:
    found = paid.cheapest(OFFER, 10, WHO, [GRANT])
    assert found is not None
    assert found.id == "acme/small", "not what is free, unpriced, a router, or gone"
    only_dear = Rule(id=RuleId(2), allows=True, to=ToMember(ANN), reach=Reach(models=frozenset({ModelId("acme/dear")})))
    dear = paid.cheapest(OFFER, 10, WHO, [only_dear])
    assert dear is not None
    assert dear.id == "acme/dear"
    assert paid.cheapest(OFFER, 10, WHO, []) is None
    assert paid.cheapest(OFFER, 200_000, WHO, [GRANT]) is None, "none is long enough"
    low = Rule(
        id=RuleId(3), allows=True, to=ToMember(ANN), reach=Reach(ceiling=Rates.per_million(Decimal("0.1"), Decimal(1)))
    )
    assert paid.cheapest(OFFER, 10, WHO, [low]) is None


def test_a_quote_is_what_the_request_costs_at_most() -> None:
    small = paid.entry_of(ModelId("acme/small"), OFFER)
    assert small is not None
    size = Size(prompt_tokens=1000, completion_tokens=500)
    way = paid.quote(small, size, WHO, [GRANT], NOW)
    assert isinstance(way.access, Covered)
    assert way.most == Decimal("0.002") == most_cost(way.access.most, size)
    nobody = paid.quote(small, size, WHO, [], NOW)
    assert isinstance(nobody.access, NotCovered)
    assert nobody.most == 0


def test_a_paid_question_may_fill_the_window_and_its_past_may_not() -> None:
    small = paid.entry_of(ModelId("acme/small"), OFFER)
    assert small is not None
    short = paid.route(small, OFFER, Needs(tokens=100))
    assert (short.lane, short.models, short.window) == ("paid", ("acme/small",), ROUTER_WINDOW)
    long = paid.route(small, OFFER, Needs(tokens=50_000))
    assert long.window == 50_000 + long.answer
    with pytest.raises(Refused) as refused:
        paid.route(small, OFFER, Needs(tokens=65_536))
    assert (refused.value.code, refused.value.limit) == ("too_long", 65_536 - long.answer)
