"""What is on offer: how long an answer may be, what has expired, and what the router can do."""

from __future__ import annotations

import pytest

from bot.clock import DAY, Instant
from bot.messages import ModelId
from bot.routing.catalogue import FREE_ROUTER
from bot.routing.offer import ANSWER, NOTHING_KNOWN, Offer
from tests.unit.test_catalogue import NOW, catalogue, read

FREE = ModelId("acme/small:free")


@pytest.mark.parametrize(
    ("context", "most", "answer"), [(4000, None, 1000), (10**6, None, ANSWER), (10**6, 50, 50), (4003, 8000, 1000)]
)
def test_an_answer_has_a_quarter_of_the_window_or_less(context: int, most: int | None, answer: int) -> None:
    entry = read(context_length=context, top_provider={"max_completion_tokens": most})
    offer = Offer(catalogue=catalogue(entry), now=NOW)
    assert offer.answer(FREE) == answer
    assert isinstance(offer.answer(FREE), int)
    assert offer.room(FREE) == context - answer


def test_what_has_expired_can_do_nothing_for_the_router() -> None:
    able = read(expiration_date="2026-09-21")
    for moment, can in ((NOW - DAY, True), (NOW, False)):
        offer = Offer(catalogue=catalogue(able), now=Instant(moment))
        assert offer.accepts_images(FREE_ROUTER) is can
        assert offer.supports_tools(FREE_ROUTER) is can
        assert offer.supports_structured(FREE_ROUTER) is can
        assert [one.id for one in catalogue(able).free_models(Instant(moment))] == ([FREE] if can else [])


def test_without_a_catalogue_only_the_router_may_be_shown_images() -> None:
    assert NOTHING_KNOWN.accepts_images(FREE_ROUTER)
    assert not NOTHING_KNOWN.accepts_images(FREE)
    assert NOTHING_KNOWN.gone(FREE)


def test_the_free_models_stand_by_name() -> None:
    names = ["Zed", "Ann", "Mid"]
    models = [read(id=f"acme/m{n}:free", name=f"{name}: X") for n, name in enumerate(names)]
    assert [one.name for one in catalogue(*models).free_models(NOW)] == ["Ann: X", "Mid: X", "Zed: X"]
