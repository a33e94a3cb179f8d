"""Which wish is one for money, where it would go, and which model costs least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from bot.errors import Refused
from bot.messages import CommunityId, Member, ModelId
from bot.routing import paid
from bot.routing.access import Covered, NotCovered, Reach, Rule, RuleId, ToMember, Who
from bot.routing.offer import NOTHING_KNOWN, ROUTER_WINDOW, Offer
from bot.routing.prices import Rates, Size, most_cost
from bot.routing.router import Needs
from tests.unit.test_access import not_covered
from tests.unit.test_catalogue import NOW, TRICKS, catalogue, prices, read

SMALL = ModelId("acme/small")
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


def test_a_model_that_shows_pictures_is_bought_only_behind_a_router_and_for_text() -> None:
    for modalities, bought in ((["text", "image"], True), (["image"], False)):
        architecture = {"input_modalities": ["text"], "output_modalities": modalities}
        entry = read(id="openrouter/auto", architecture=architecture, pricing=prices(prompt="-1", completion="-1"))
        offer = Offer(catalogue=catalogue(entry), now=NOW)
        assert (paid.entry_of(entry.id, offer) is not None) is bought


def test_a_paid_question_takes_images_where_they_are_read() -> None:
    blind = read(id="acme/small", pricing=prices(prompt="0.1"), architecture={"output_modalities": ["text"]})
    seeing = read(id="acme/seeing", pricing=prices(prompt="0.1"))
    offer = Offer(catalogue=catalogue(blind, seeing), now=NOW)
    assert paid.route(seeing, offer, Needs(images=True)).images is True
    assert paid.route(blind, offer, Needs()).images is False
    with pytest.raises(Refused) as refused:
        paid.route(blind, offer, Needs(images=True))
    assert refused.value.code == "attachment_refused"


def test_a_paid_question_may_be_as_long_as_what_the_answer_leaves() -> None:
    # Its answers are shorter than others', which leaves more.
    short = read(id="acme/small", pricing=prices(prompt="0.1"), top_provider={"max_completion_tokens": 1000})
    offer = Offer(catalogue=catalogue(short), now=NOW)
    room = offer.room(short.id)
    assert offer.answer(short.id) == 1000
    assert paid.route(short, offer, Needs(tokens=room)).window == room + 1000
    with pytest.raises(Refused, match="too_long"):
        paid.route(short, offer, Needs(tokens=room + 1))
    found = paid.cheapest(offer, room, WHO, [GRANT])
    assert found == short
    assert paid.cheapest(offer, room + 1, WHO, [GRANT]) is None


def test_the_cheapest_is_found_behind_what_cannot_be_had() -> None:
    offer = Offer(
        catalogue=catalogue(
            read(id="openrouter/auto", pricing=prices(prompt="-1", completion="-1")),
            read(id="acme/old", pricing=prices(prompt="0.1"), expiration_date="2026-01-01"),
            read(id="acme/small", pricing=prices(prompt="0.1")),
        ),
        now=NOW,
    )
    router_too = replace(GRANT, reach=Reach(ceiling=Rates(prompt=Decimal(1), completion=Decimal(1))))
    found = paid.cheapest(offer, 10, WHO, [router_too])
    assert found is not None
    assert found.id == SMALL


def test_the_pools_place_is_taken_by_what_is_preferred_if_it_will_do() -> None:
    def instead(preferred: str | None, tokens: int = 10, rules: Sequence[Rule] = (GRANT,)) -> str | None:
        wish = None if preferred is None else ModelId(preferred)
        found = paid.instead(wish, OFFER, tokens, WHO, rules)
        return None if found is None else found.id

    assert instead("acme/dear") == "acme/dear"
    hidden = replace(OFFER, hidden=frozenset({ModelId("acme/dear")}))
    found = paid.instead(ModelId("acme/dear"), hidden, 10, WHO, (GRANT,))
    assert found is not None
    assert found.id == SMALL, "what admins have hidden is not offered"
    for no_good in (
        None,
        "acme/none",
        "acme/small:free",
        "acme/old",
        "openrouter/auto",
        "acme/strange",
        "acme/preview",
    ):
        assert instead(no_good) == SMALL, no_good
    only_small = replace(GRANT, reach=Reach(models=frozenset({SMALL})))
    assert instead("acme/dear", rules=[only_small]) == SMALL
    assert instead("acme/dear", tokens=200_000) is None
    assert instead("acme/dear", rules=[]) is None


def test_with_images_it_is_taken_by_what_reads_them_and_costs_least_with_them() -> None:
    words_only = {"input_modalities": ["text"], "output_modalities": ["text"]}
    offer = Offer(
        catalogue=catalogue(
            read(id="acme/blind", pricing=prices(prompt="0.0001"), architecture=words_only),
            read(id="acme/by-image", pricing=prices(prompt="0.0002", image="5")),
            read(id="acme/by-token", pricing=prices(prompt="0.0003")),
        ),
        now=NOW,
    )
    for images, best in ((0, "acme/blind"), (1, "acme/by-token")):
        cheapest = paid.cheapest(offer, 10, WHO, [GRANT], images=images)
        instead = paid.instead(ModelId("acme/blind"), offer, 10, WHO, [GRANT], images=images)
        assert cheapest is not None
        assert instead is not None
        assert (cheapest.id, instead.id) == (best, best)
    none_asked = paid.cheapest(offer, 10, WHO, [GRANT])
    instead_of_none = paid.instead(None, offer, 10, WHO, [GRANT])
    assert none_asked is not None
    assert none_asked == instead_of_none
    assert none_asked.id == "acme/blind", "there are no images unless it is said"


def test_a_quote_is_of_its_model_and_of_the_moment() -> None:
    entry = paid.entry_of(SMALL, OFFER)
    assert entry is not None
    size = Size(prompt_tokens=1, completion_tokens=1)
    assert paid.quote(entry, size, WHO, [GRANT], NOW).model == SMALL
    ended = replace(GRANT, ends_at=NOW)
    assert not_covered(paid.quote(entry, size, WHO, [ended], NOW).access).reason == "ended"
    assert paid.cheapest(OFFER, 10, WHO, [ended]) is None
