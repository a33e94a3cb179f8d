"""The route of a question, as a table: wish × need × what is on offer. Nothing here ever leaves the free lane."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from bot.clock import Instant
from bot.errors import AnswerFailed, AttachmentRefused, Refused, ReplyError
from bot.messages import ModelId
from bot.routing import paid
from bot.routing.catalogue import FREE_ROUTER, Catalogue, ModelInfo
from bot.routing.chain import Chain
from bot.routing.offer import ANSWER, NOTHING_KNOWN, ROUTER_WINDOW, UNKNOWN_WINDOW, Offer
from bot.routing.own import own_route
from bot.routing.router import Needs, Route, choose
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


def test_what_nobody_can_have_is_unknown_and_what_is_not_there_has_no_route() -> None:
    unknown = refused("acme/none", Needs(), NOTHING_KNOWN)
    assert isinstance(unknown, Refused)
    assert (unknown.code, unknown.why) == ("model_not_allowed", "unknown")
    priced_router = Offer(catalogue=catalogue(read(id=FREE_ROUTER, pricing=prices(prompt="1"))), now=NOW)
    nothing = refused(None, Needs(), priced_router)
    assert isinstance(nothing, AnswerFailed)
    assert nothing.code == "no_route"


def test_what_rests_and_what_cannot_see_is_told_by_its_reason() -> None:
    resting = Offer(catalogue=catalogue(read()), cooling={SMALL: Instant(NOW + 60)}, now=NOW)
    busy = refused(SMALL, Needs(), resting)
    assert isinstance(busy, AnswerFailed)
    assert (busy.code, busy.reason, busy.resets_at) == ("upstream_busy", "model_busy", NOW + 60)
    words_only = {"input_modalities": ["text"], "output_modalities": ["text"]}
    blind = read(architecture=words_only)
    dear = read(id="acme/blind", architecture=words_only, pricing=prices(prompt="0.1"))
    offer = Offer(catalogue=catalogue(blind, dear), now=NOW)
    asked: list[Callable[[], object]] = [
        lambda: choose(SMALL, Needs(images=True), offer),
        lambda: own_route(SMALL, Needs(images=True), offer),
        lambda: paid.route(dear, offer, Needs(images=True)),
    ]
    for ask in asked:
        with pytest.raises(AttachmentRefused) as caught:
            ask()
        assert caught.value.fault == "images"
    seeing = Offer(catalogue=catalogue(read(), blind_too := replace(blind, id=ModelId("acme/b:free"))), now=NOW)
    assert own_route(SMALL, Needs(), seeing).images, "those of earlier turns may go along"
    assert not own_route(blind_too.id, Needs(), seeing).images


def test_a_question_may_be_exactly_as_long_as_there_is_room() -> None:
    offer = Offer(catalogue=catalogue(read()), chain=Chain((SMALL, FREE_ROUTER)), now=NOW)
    room = offer.room(SMALL)
    assert choose(SMALL, Needs(tokens=room), offer).models == (SMALL,)
    assert own_route(SMALL, Needs(tokens=room), offer).models == (SMALL,)
    for route in (choose, own_route):
        with pytest.raises(Refused) as caught:
            route(SMALL, Needs(tokens=room + 1), offer)
        assert (caught.value.code, caught.value.limit) == ("too_long", room)
    narrow = Offer(catalogue=catalogue(read(context_length=4000)), chain=Chain((SMALL, FREE_ROUTER)), now=NOW)
    room = narrow.room(SMALL)
    assert choose(None, Needs(tokens=room), narrow).models == (SMALL, FREE_ROUTER), (
        "each that it fits, to the last token"
    )
    assert choose(None, Needs(tokens=room + 1), narrow).models == (FREE_ROUTER,)
    assert own_route(None, Needs(tokens=room), narrow).models == (SMALL, FREE_ROUTER)
    assert own_route(None, Needs(tokens=room + 1), narrow).models == (FREE_ROUTER,)


def test_what_says_nothing_of_itself_is_read_as_the_plainest() -> None:
    plain_one = ModelInfo(
        id=SMALL, name="", prompt_price=Decimal(0), completion_price=Decimal(0), output_modalities=("text",)
    )
    assert plain_one.free(NOW)
    route = Route(lane="free", models=(SMALL,), window=10, answer=5)
    assert (route.images, route.tools, route.structured, route.notices) == (False, False, False, ())
    needs = Needs()
    assert (needs.images, needs.older_images, needs.tools, needs.structured, needs.tokens) == (*[False] * 4, 0)


@pytest.mark.parametrize(
    ("models", "named"), [((SMALL,), True), ((FREE_ROUTER,), False), ((SMALL, FREE_ROUTER), False)]
)
def test_a_route_by_name_is_one_to_a_single_model(models: tuple[ModelId, ...], named: bool) -> None:
    route = Route(lane="free", models=models, window=10, answer=5)
    assert (route.model, route.named) == (models[0], named)


@pytest.mark.parametrize(
    ("ids", "fault"),
    [
        (["openrouter/free", "a/b:free"], "^names openrouter/free before others, which would never have their turn"),
        (["a/b:free", "a/c"], "as number 2"),
        (["a/b"], "as number 1"),
        (["a/b:free", "a/b:free"], "^names a model twice"),
        (["a/b:free", "a/c:free", "a/d:free"], "more than 3 models, openrouter/free included"),
    ],
)
def test_what_is_no_chain_is_told(ids: list[str], fault: str) -> None:
    with pytest.raises(ValueError, match=f"{fault}$"):
        Chain.of(ids)
    assert len(Chain.of(["a/b:free", "a/c:free", "openrouter/free"]).models) == 3
