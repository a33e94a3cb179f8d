"""What an answer is on the wire: the contract's events, by its names, over a real socket."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from decimal import Decimal
from typing import get_args

import pytest

from bot.errors import AnswerFailed, PaidOffer, Refused
from bot.messages import (
    Failed,
    Held,
    IncomingMessage,
    ModelId,
    Notice,
    NoticeKind,
    Queued,
    ReplyEvent,
    Started,
    TextDelta,
    TicketId,
)
from tests.contract.web.site import FINISHED, MIDNIGHT, SHARE, SHARE_JSON, Site, script, serving
from tests.fakes.virtual import VirtualClock


async def test_an_answer_is_streamed_with_the_contracts_names(site: Site) -> None:
    site.conversations.script = script(
        Queued(place=2, estimate=12.34),
        Queued(place=1, estimate=None),
        Started(model=ModelId("openrouter/free"), lane="free"),
        TextDelta(text="Hi,\nthere\r\n\n<b>"),
        Notice(kind="history_shortened", count=4),
        TextDelta(text=" 👋\ud800\u2028"),
        FINISHED,
    )
    status, got = await site.ask()
    assert status == 200
    assert got[:4] == [
        ("queued", {"place": 2, "estimate_s": 12.3}),
        ("queued", {"place": 1, "estimate_s": None}),
        ("started", {"model": "openrouter/free", "lane": "free"}),
        ("delta", {"text": "Hi,\nthere\r\n\n<b>"}),
    ]
    assert got[4][1]["kind"] == "history_shortened"
    assert "4 messages" in got[4][1]["message"]
    assert got[5] == ("delta", {"text": " 👋?\u2028"})
    assert got[6] == (
        "finished",
        {"model": "acme/wit-7b:free", "lane": "free", "cost_usd": "0.00012", "attempts": 1, "share": SHARE_JSON},
    )


async def test_a_failure_says_why_and_when_it_works_again(site: Site) -> None:
    error = Refused("daily_share_spent", resets_at=MIDNIGHT, limit=4)
    site.conversations.script = script(Failed(error=error, share=SHARE, may_hold=True))
    _, [(name, data)] = await site.ask()
    message = data.pop("message")
    assert "share" in message
    assert name == "failed"
    assert data == {
        "error": "daily_share_spent",
        "resets_at": "2026-09-22T00:00:00Z",
        "share": SHARE_JSON,
        "partial": False,
        "may_hold": True,
    }


@pytest.mark.virtual
async def test_times_in_sentences_are_told_in_the_zone_asked_for(clock: VirtualClock) -> None:
    async with serving(clock) as site:
        site.conversations.script = script(Failed(error=Refused("pool_spent", resets_at=MIDNIGHT), share=SHARE))
        said = {
            zone: (await site.ask({"Time-Zone": zone}))[1][0][1]["message"] for zone in ("UTC", "../../etc", "Mars")
        }
        assert all("tomorrow at 00:00" in message for message in said.values())
        _, [(_, data)] = await site.ask({"Time-Zone": "Asia/Tokyo"})
        assert "tomorrow at 09:00." in data["message"]


async def test_a_failure_without_a_known_end_has_null(site: Site) -> None:
    site.conversations.script = script(
        TextDelta(text="Well"), Failed(error=AnswerFailed("upstream_failed"), share=SHARE, partial=True)
    )
    _, got = await site.ask()
    assert got[-1][1]["resets_at"] is None
    assert got[-1][1]["partial"] is True


async def test_a_held_question_has_a_ticket(site: Site) -> None:
    site.conversations.script = script(Held(ticket=TicketId("t-1"), estimate_at=MIDNIGHT))
    _, got = await site.ask(hold=True)
    assert got == [("held", {"ticket": "t-1", "estimate_at": "2026-09-22T00:00:00Z"})]
    assert site.conversations.asked[0].hold is True


@pytest.mark.parametrize("kind", get_args(NoticeKind))
async def test_every_notice_goes_over_the_wire(site: Site, kind: NoticeKind) -> None:
    site.conversations.script = script(Notice(kind=kind, count=1), FINISHED)
    _, got = await site.ask()
    assert got[0][1]["kind"] == kind
    assert got[0][1]["message"].endswith(".")


async def test_nothing_follows_an_ending(site: Site) -> None:
    site.conversations.script = script(FINISHED, TextDelta(text="more"), FINISHED)
    _, got = await site.ask()
    assert [name for name, _ in got] == ["finished"]


async def test_a_reply_that_breaks_off_still_ends(site: Site) -> None:
    async def broken(message: IncomingMessage) -> AsyncGenerator[ReplyEvent]:
        yield TextDelta(text="So ")
        raise RuntimeError("a fault")

    site.conversations.script = broken
    _, got = await site.ask()
    assert got[-1][0] == "failed"
    assert (got[-1][1]["error"], got[-1][1]["partial"]) == ("internal", True)
    site.conversations.script = script(TextDelta(text="So "))
    _, got = await site.ask()
    assert got[-1][1]["error"] == "internal"


async def test_a_model_that_may_not_be_had_says_why_and_a_spent_pool_what_there_is_instead(site: Site) -> None:
    site.conversations.script = script(Failed(error=Refused("model_not_allowed", why="denied"), share=SHARE))
    _, [(_, data)] = await site.ask(model="maker/model")
    assert (data["error"], data["why"]) == ("model_not_allowed", "denied")
    assert site.conversations.asked[0].model == "maker/model"
    offer = PaidOffer(model=ModelId("maker/model"), most=Decimal("0.0512"))
    site.conversations.script = script(
        Failed(error=Refused("pool_spent", resets_at=MIDNIGHT, offer=offer), share=SHARE)
    )
    _, [(_, data)] = await site.ask()
    assert data["offer"] == {"model": "maker/model", "most_usd": "0.0512", "label": "$0.06"}
    assert "maker/model" in data["message"]
