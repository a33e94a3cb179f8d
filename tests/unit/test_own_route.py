"""The models of a question that goes by its member's own account."""

from __future__ import annotations

import pytest

from bot.clock import Instant
from bot.errors import Refused
from bot.messages import ModelId
from bot.routing.catalogue import FREE_ROUTER
from bot.routing.chain import Chain
from bot.routing.offer import NOTHING_KNOWN, Offer
from bot.routing.own import own_route
from bot.routing.router import Needs, choose
from tests.unit.test_catalogue import NOW, catalogue, read

SMALL = ModelId("acme/small:free")
DEAR, FREE = ModelId("maker/dear"), ModelId("maker/small:free")


def test_who_names_no_model_is_sent_to_what_is_free() -> None:
    route = own_route(None, Needs(), NOTHING_KNOWN)
    assert (route.lane, route.models) == ("own_key", (FREE_ROUTER,))


def test_a_model_that_is_named_is_asked_as_it_stands() -> None:
    assert own_route(DEAR, Needs(), NOTHING_KNOWN).models == (DEAR,)
    with pytest.raises(Refused, match="model_not_allowed"):
        choose(DEAR, Needs(), NOTHING_KNOWN)  # the control: the pool's router


def test_what_the_pool_lets_rest_is_asked_all_the_same() -> None:
    offer = Offer(chain=Chain((FREE, FREE_ROUTER)), cooling={FREE: Instant(60)}, now=Instant(0))
    assert own_route(None, Needs(), offer).models == (FREE, FREE_ROUTER)
    assert choose(None, Needs(), offer).models == (FREE_ROUTER,), "the control"


def test_what_fits_no_model_is_told_with_what_would() -> None:
    with pytest.raises(Refused, match="too_long") as refused:
        own_route(None, Needs(tokens=1_000_000), NOTHING_KNOWN)
    assert refused.value.limit == NOTHING_KNOWN.room(FREE_ROUTER)


def test_by_an_own_account_images_go_where_they_are_read() -> None:
    blind = read(id="acme/blind:free", architecture={"input_modalities": ["text"], "output_modalities": ["text"]})
    offer = Offer(catalogue=catalogue(blind, read()), chain=Chain((blind.id, SMALL, FREE_ROUTER)), now=NOW)
    with_images = own_route(None, Needs(images=True), offer)
    assert (with_images.models, with_images.images) == ((SMALL, FREE_ROUTER), True)
    without = own_route(None, Needs(), offer)
    assert (without.models, without.images) == ((blind.id, SMALL, FREE_ROUTER), False)
    with pytest.raises(Refused) as refused:
        own_route(blind.id, Needs(images=True), offer)
    assert refused.value.code == "attachment_refused"
    assert own_route(FREE_ROUTER, Needs(images=True), NOTHING_KNOWN).images


def test_by_an_own_account_window_and_answer_fit_every_model() -> None:
    narrow = read(id="acme/narrow:free", context_length=4000, top_provider={"max_completion_tokens": 500})
    offer = Offer(catalogue=catalogue(narrow), chain=Chain((narrow.id, FREE_ROUTER)), now=NOW)
    route = own_route(None, Needs(), offer)
    assert (route.window, route.answer) == (4000, 500)
