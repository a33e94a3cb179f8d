"""What the page asks for besides answers: tickets, stopping, turns, the share and why, the pool."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import pytest

from adapters.web.relay import HEARTBEAT
from bot.clock import DAY, Instant
from bot.errors import Refused
from bot.messages import ConversationId, DayLooked, Explanation, Failed, Member, MessageId, TextDelta, TicketId
from bot.ports import FileId, KeptFile, Turn
from tests.contract.web.site import FINISHED, MIDNIGHT, SHARE, SHARE_JSON, Site, events, script, serving, waits
from tests.fakes.virtual import VirtualClock


async def test_a_held_answer_is_followed(site: Site) -> None:
    site.conversations.held[TicketId("t-1")] = lambda: script(TextDelta(text="Late"), FINISHED)(None)
    async with site.client.get(f"{site.url}/api/tickets/t-1/events") as answer:
        assert answer.content_type == "text/event-stream"
        assert [name for name, _ in events(await answer.text())] == ["delta", "finished"]


async def test_a_held_question_is_given_up(site: Site) -> None:
    site.conversations.held[TicketId("t-1")] = lambda: script(FINISHED)(None)
    async with site.client.delete(f"{site.url}/api/tickets/t-1") as answer:
        assert answer.status == 200
    assert site.conversations.given_up == ["t-1"]
    assert await site.refused("DELETE", "/api/tickets/t-1") == (404, "no_such_ticket")
    assert await site.refused("GET", "/api/tickets/t-1/events") == (404, "no_such_ticket")


async def test_stop_ends_the_reply_as_stopped(site: Site) -> None:
    site.conversations.script = waits(TextDelta(text="Once"))
    asking = asyncio.create_task(site.ask())
    await site.conversations.arrived.wait()
    where = {"member": "ann", "conversation": "c1"}
    for expected in (True, False):
        async with site.client.post(f"{site.url}/api/stop", json=where) as answer:
            assert await answer.json() == {"stopped": expected}
    _, got = await asking
    assert got[-1][1]["error"] == "stopped"


async def test_turns_share_and_forgetting(site: Site) -> None:
    turn = Turn(
        message=MessageId("web:1"),
        author=Member(platform="web", user="ann"),
        author_name="ann",
        question="2+2?",
        answer="4",
        whole=True,
        ended=True,
        model=None,
        asked_at=MIDNIGHT,
        files=(
            KeptFile(
                id=FileId(1),
                name="sum.png",
                kind="image",
                media_type="image/png",
                size=9,
                length=9,
                tokens=256,
                cut=False,
            ),
        ),
    )
    site.conversations.kept[ConversationId("web/ann/c1")] = [turn]
    where = {"member": "ann", "conversation": "c1"}

    async def turns() -> Any:
        async with site.client.get(f"{site.url}/api/turns", params=where) as answer:
            return (await answer.json())["turns"]

    assert await turns() == [
        {
            "question": "2+2?",
            "files": [{"name": "sum.png", "kind": "image", "size": 9}],
            "answer": "4",
            "whole": True,
            "ended": True,
            "model": None,
            "asked_at": "2026-09-22T00:00:00Z",
        }
    ]
    async with site.client.post(f"{site.url}/api/forget", json=where) as answer:
        assert answer.status == 200
    assert site.conversations.forgotten == ["web/ann/c1"]
    assert await turns() == []
    async with site.client.get(f"{site.url}/api/share", params={"member": "ann"}) as answer:
        assert set(await answer.json()) == set(SHARE_JSON)


async def test_why_is_told_as_data_and_in_words(site: Site) -> None:
    site.conversations.explained = Explanation(
        verdict="above_level",
        level=math.inf,
        taken=3,
        left=9,
        held_back_for_others=9,
        probably=0,
        resets_at=Instant(MIDNIGHT + DAY),
        room_at=None,
        may_hold=False,
        days=(DayLooked(began=Instant(MIDNIGHT - DAY), weight=1 / 3, level=math.inf),),
    )
    async with site.client.get(f"{site.url}/api/explanation", params={"member": "ann"}) as answer:
        told = await answer.json()
    assert set(told) == {"message", "points", "decision"}
    assert told["decision"] == {
        "verdict": "above_level",
        "level": None,
        "taken": 3,
        "left": 9,
        "held_back_for_others": 9,
        "probably": 0,
        "resets_at": "2026-09-23T00:00:00Z",
        "room_at": None,
        "may_hold": False,
        "days": [{"day": "2026-09-21", "weight": 0.3333, "level": None}],
    }
    assert all(set(point) == {"about", "message"} for point in told["points"])
    async with site.client.get(f"{site.url}/api/explanation") as answer:
        assert answer.status == 400


async def test_a_shut_pool_says_why(site: Site) -> None:
    site.conversations.shut_for = "out_of_credit"
    site.conversations.script = script(Failed(error=Refused("pool_paused"), share=SHARE, shut_for="out_of_credit"))
    async with site.client.get(f"{site.url}/api/pool") as answer:
        pool = await answer.json()
    assert pool["shut_for"] == "out_of_credit"
    assert pool["message"] == "The pool is shut: the OpenRouter account owes money."
    async with site.client.get(f"{site.url}/api/explanation", params={"member": "ann"}) as answer:
        assert (await answer.json())["message"] == pool["message"]
    _, told = await site.ask()
    name, failed = told[-1]
    assert (name, failed["error"]) == ("failed", "pool_paused")
    assert failed["message"].startswith(pool["message"])


@pytest.mark.virtual
async def test_the_pool_is_streamed_when_it_changes(clock: VirtualClock) -> None:
    async with serving(clock) as site:
        async with site.client.get(f"{site.url}/api/pool") as answer:
            looked = await answer.json()
        assert set(looked) == {
            *("now", "sandbox", "own", "rpm", "rpd", "used", "minute_used", "waiting", "answering"),
            *("resets_at", "paused_until", "shut_for", "message", "changes"),
        }
        async with site.client.get(f"{site.url}/api/pool/events") as feed:
            first = await feed.content.readuntil(b"\n\n")
            assert json.loads(first.partition(b"data: ")[2])["waiting"] == 0
            before = clock.monotonic()
            site.conversations.waiting = 1
            second = await feed.content.readuntil(b"\n\n")
            assert json.loads(second.partition(b"data: ")[2])["waiting"] == 1
            assert clock.monotonic() - before <= 0.6
            third = await feed.content.readuntil(b"\n\n")
            assert third.startswith(b":")
            assert HEARTBEAT <= clock.monotonic() - before <= HEARTBEAT + 1.5
