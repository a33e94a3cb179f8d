"""The route of a question, as a table: wish × need × what is on offer. Nothing here ever leaves the free lane."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.clock import Instant
from bot.errors import AnswerFailed, Refused, ReplyError
from bot.messages import ModelId
from bot.routing.catalogue import FREE_ROUTER, Catalogue
from bot.routing.chain import Chain
from bot.routing.offer import ANSWER, NOTHING_KNOWN, ROUTER_WINDOW, UNKNOWN_WINDOW, Offer
from bot.routing.router import Needs, choose
from tests.unit.test_catalogue import NOW, catalogue, prices, read

SMALL, TINY, DEAR, BLIND = (ModelId(f"acme/{name}") for name in ("small:free", "tiny:free", "dear", "blind:free"))
LISTED: Catalogue = catalogue(
    read(),
    read(id=TINY, context_length=8_000, top_provider={"max_completion_tokens": 500}),
    read(id=BLIND, architecture={"input_modalities": ["text"], "output_modalities": ["text"]}, supported_parameters=[]),
    read(id=DEAR, pricing=prices(prompt="0.000001")),
    read(id="acme/old:free", expiration_date="2026-09-20"),
    read(id="acme/judge:free", name="Acme: Judge Guard (free)"),
    read(id="acme/paid:free", pricing=prices(completion="0.1")),
)
OFFER = Offer(catalogue=LISTED, now=NOW)
NOTHING_MORE = Needs()
CHAINED = replace(OFFER, chain=Chain.of([TINY, SMALL]))


def models(wish: str | None, needs: Needs = NOTHING_MORE, offer: Offer = OFFER) -> tuple[str, ...]:
    return choose(None if wish is None else ModelId(wish), needs, offer).models


@pytest.mark.parametrize(
    ("wish", "offer", "taken"),
    [
        pytest.param(None, OFFER, (FREE_ROUTER,), id="the default"),
        pytest.param(None, NOTHING_KNOWN, (FREE_ROUTER,), id="no catalogue"),
        pytest.param(None, CHAINED, (TINY, SMALL, FREE_ROUTER), id="the chain"),
        pytest.param(FREE_ROUTER, CHAINED, (FREE_ROUTER,), id="the router by name"),
        pytest.param(SMALL, OFFER, (SMALL,), id="a free model by name"),
        pytest.param(SMALL, CHAINED, (SMALL,), id="a free model alone, whatever is preferred"),
    ],
)
def test_where_a_wish_goes(wish: str | None, offer: Offer, taken: tuple[str, ...]) -> None:
    route = choose(None if wish is None else ModelId(wish), Needs(), offer)
    assert (route.models, route.notices, route.lane) == (taken, (), "free")


@pytest.mark.parametrize("wish", ["acme/old:free", "acme/paid:free", "acme/unheard-of:free"])
def test_a_model_that_went_away_gives_way_with_a_notice(wish: str) -> None:
    for offer, taken in ((OFFER, (FREE_ROUTER,)), (CHAINED, (TINY, SMALL, FREE_ROUTER))):
        route = choose(ModelId(wish), Needs(), offer)
        assert (route.models, route.notices) == (taken, ("model_gone",))


def test_a_model_that_was_hidden_meanwhile_gives_way_as_well() -> None:
    hidden = replace(CHAINED, hidden=frozenset({BLIND}))
    route = choose(BLIND, Needs(), hidden)
    assert (route.models, route.notices) == ((TINY, SMALL, FREE_ROUTER), ("model_gone",))
    assert choose(BLIND, Needs(), CHAINED).models == (BLIND,), "the control"


@pytest.mark.parametrize(
    "wish", [DEAR, "acme/judge:free", "openrouter/auto", "acme/small", "acme/small:free:online", "acme/small:floor", ""]
)
def test_anything_else_is_not_allowed(wish: str) -> None:
    for offer in (OFFER, CHAINED, NOTHING_KNOWN):
        if wish == "acme/judge:free" and offer is NOTHING_KNOWN:
            continue  # by its id alone it could be a free one
        assert refused(wish, offer=offer).code == "model_not_allowed"


def refused(wish: str | None, needs: Needs = NOTHING_MORE, offer: Offer = OFFER) -> ReplyError:
    with pytest.raises((Refused, AnswerFailed)) as caught:
        models(wish, needs, offer)
    assert isinstance(caught.value, ReplyError)
    return caught.value


def test_the_window_fits_every_model_of_the_chain() -> None:
    route = choose(None, Needs(), CHAINED)
    assert (route.window, route.answer) == (8_000, 500)
    alone = choose(SMALL, Needs(), OFFER)
    assert (alone.window, alone.answer) == (65_536, ANSWER)
    assert choose(None, Needs(), OFFER).window == ROUTER_WINDOW
    unknown = Offer(chain=Chain.of([TINY]), now=NOW)
    assert choose(None, Needs(), unknown).window == UNKNOWN_WINDOW


def test_a_question_too_long_for_one_goes_to_the_others() -> None:
    assert models(None, Needs(tokens=20_000), CHAINED) == (SMALL, FREE_ROUTER)
    error = refused(None, Needs(tokens=100_000), CHAINED)
    assert (error.code, error.limit) == ("too_long", 65_536 - ANSWER)
    assert refused(TINY, Needs(tokens=20_000)).code == "too_long"


def test_what_rests_is_left_out_and_asked_for_by_name_it_is_busy() -> None:
    later = Instant(NOW + 30)
    resting = replace(CHAINED, cooling={TINY: later, FREE_ROUTER: later})
    assert models(None, offer=resting) == (SMALL, FREE_ROUTER), "the router never rests from being asked"
    error = refused(TINY, offer=resting)
    assert (error.code, error.resets_at) == ("upstream_busy", later)
    assert models(TINY, offer=replace(resting, now=later)) == (TINY,)


@pytest.mark.parametrize(
    ("first", "without", "taken"),
    [
        pytest.param(None, (), (TINY, SMALL, FREE_ROUTER), id="nothing laid down"),
        pytest.param(BLIND, (), (BLIND, TINY, FREE_ROUTER), id="another first, as far as there is room"),
        pytest.param(SMALL, (), (SMALL, TINY, FREE_ROUTER), id="one of them first, and asked once"),
        pytest.param(FREE_ROUTER, (), (FREE_ROUTER,), id="the router first is the router alone"),
        pytest.param(None, (TINY,), (SMALL, FREE_ROUTER), id="one is hidden"),
        pytest.param(BLIND, (BLIND,), (TINY, SMALL, FREE_ROUTER), id="the first is hidden"),
        pytest.param(None, (TINY, SMALL, FREE_ROUTER), (FREE_ROUTER,), id="the router stays, whatever is hidden"),
    ],
)
def test_a_chain_led_by_what_admins_laid_down(
    first: ModelId | None, without: tuple[ModelId, ...], taken: tuple[str, ...]
) -> None:
    assert Chain.of([TINY, SMALL]).led_by(first, without=without).models == taken


def test_images_go_where_they_can_be_read() -> None:
    chained = replace(OFFER, chain=Chain.of([BLIND, SMALL]))
    assert models(None, Needs(images=True), chained) == (SMALL, FREE_ROUTER)
    assert refused(BLIND, Needs(images=True)).code == "attachment_refused"
    dropped = choose(BLIND, Needs(older_images=True), OFFER)
    assert (dropped.images, dropped.notices) == (False, ("images_dropped",))
    kept = choose(SMALL, Needs(older_images=True), OFFER)
    assert (kept.images, kept.notices) == (True, ())


def test_tools_and_structure_are_asked_only_of_those_that_can() -> None:
    route = choose(None, Needs(tools=True, structured=True), replace(OFFER, chain=Chain.of([BLIND, SMALL])))
    assert (route.models, route.tools, route.structured) == ((SMALL, FREE_ROUTER), True, True)
    blind = choose(BLIND, Needs(tools=True, structured=True), OFFER)
    assert (blind.models, blind.tools, blind.structured) == ((BLIND,), False, False)
    assert not choose(SMALL, Needs(), OFFER).tools, "not wanted"
