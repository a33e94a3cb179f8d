"""The HTTP contract, line by line, over a real socket against scripted conversations."""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, get_args

import pytest
from aiohttp import ClientSession, CookieJar

from adapters.web.relay import HEARTBEAT
from adapters.web.security import HEADERS
from adapters.web.server import WebAdapter
from bot.clock import DAY, Clock, Instant, SystemClock
from bot.errors import AnswerFailed, PaidOffer, Refused
from bot.messages import (
    ConversationId,
    DayLooked,
    Explanation,
    Failed,
    Finished,
    Held,
    IncomingMessage,
    Member,
    MessageId,
    ModelId,
    Notice,
    NoticeKind,
    Queued,
    ReplyEvent,
    Share,
    Started,
    TextDelta,
    TicketId,
    Usage,
)
from bot.ports import Adapter, FileId, KeptFile, Readiness, Turn
from tests.fakes.conversations import ScriptedConversations
from tests.fakes.virtual import VirtualClock

TOKEN = "correct horse battery staple"
ASK = {"member": "ann", "conversation": "c1", "text": "hello"}
ENDINGS = {"finished", "failed", "held"}
MIDNIGHT = Instant(1_790_035_200.0)
SHARE = Share(used=3, level=4.5, left_now=1, left_sure=0, resets_at=MIDNIGHT)
SHARE_JSON = {"used": 3, "level": 4.5, "left_now": 1, "left_sure": 0, "resets_at": "2026-09-22T00:00:00Z"}


class Site:
    """A running adapter with its conversations and a client."""

    def __init__(self, url: str, conversations: ScriptedConversations, client: ClientSession) -> None:
        self.url, self.conversations, self.client = url, conversations, client
        self.ready = True

    async def health(self) -> Readiness:
        return Readiness(ready=self.ready, parts={"database": "ok" if self.ready else "locked"})

    async def ask(self, headers: dict[str, str] | None = None, **fields: object) -> tuple[int, Any]:
        """Status and the events of a chat, or the JSON of a refusal."""
        async with self.client.post(f"{self.url}/api/chat", json={**ASK, **fields}, headers=headers) as answer:
            if answer.content_type == "text/event-stream":
                return answer.status, events(await answer.text())
            return answer.status, await answer.json()

    async def refused(self, method: str, path: str, **options: Any) -> tuple[int, str]:
        """Status and error name of a request that must be refused in the contract's form."""
        async with self.client.request(method, self.url + path, **options) as answer:
            body = await answer.json()
        assert set(body) == {"error", "message"}
        assert all(isinstance(value, str) and value for value in body.values())
        return answer.status, body["error"]


def events(text: str) -> list[tuple[str, dict[str, Any]]]:
    """The events of a stream, checked: every block is one event or a comment, the last one alone is an ending."""
    assert text.endswith("\n\n")
    found = []
    for block in text.removesuffix("\n\n").split("\n\n"):
        if not block.startswith(":"):
            match = re.fullmatch(r"event: (\w+)\ndata: (.*)", block)
            assert match, block
            found.append((match[1], json.loads(match[2])))
    assert [name in ENDINGS for name, _ in found] == [False] * (len(found) - 1) + [True]
    return found


@asynccontextmanager
async def serving(clock: Clock | None = None, *, token: str | None = None) -> AsyncIterator[Site]:
    clock = clock or SystemClock()
    conversations = ScriptedConversations(clock)
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as client:
        site = Site("", conversations, client)
        adapter = WebAdapter(
            conversations=conversations,
            clock=clock,
            host="127.0.0.1",
            port=0,
            token=token,
            health=lambda: site.health(),
            metrics=lambda: (b"up 1\n", "text/plain; version=0.0.4"),
        )
        satisfied: Adapter = adapter
        site.url = await adapter.start()
        running = asyncio.create_task(satisfied.run())
        await asyncio.sleep(0)
        try:
            yield site
        finally:
            running.cancel()
            await asyncio.wait([running])


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with serving() as running:
        yield running


@pytest.fixture
async def guarded() -> AsyncIterator[Site]:
    async with serving(token=TOKEN) as running:
        yield running


def script(*replies: ReplyEvent) -> Any:
    async def play(message: IncomingMessage) -> AsyncGenerator[ReplyEvent]:
        for reply in replies:
            yield reply

    return play


FINISHED = Finished(
    model=ModelId("acme/wit-7b:free"), lane="free", attempts=1, share=SHARE, usage=Usage(cost_usd=Decimal("0.00012"))
)

# --- the events ------------------------------------------------------------------------------------------


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


# --- the request -----------------------------------------------------------------------------------------


async def test_a_request_becomes_a_message(site: Site) -> None:
    await site.ask(text=" 2+2? ", model="acme/wit-7b:free", community="guild.1", later="ignored", __proto__={"x": 1})
    message = site.conversations.asked[0]
    assert message.author == Member(platform="web", user="ann")
    assert message.author_name == "ann"
    assert message.community == "web:guild.1"
    assert message.conversation == "web:guild.1/ann/c1"
    assert message.text == " 2+2? "
    assert message.model == "acme/wit-7b:free"
    assert message.hold is False
    assert message.id.startswith("web:")


async def test_what_may_be_left_out(site: Site) -> None:
    await site.ask()
    await site.ask(hold=False, model=None, community="web")
    first, second = site.conversations.asked
    assert (first.community, first.conversation, first.model) == ("web", "web/ann/c1", None)
    assert (second.community, second.conversation, second.model) == ("web", "web/ann/c1", None)
    assert first.id != second.id


async def test_conversations_are_private_to_the_member(site: Site) -> None:
    await site.ask(member="ann", conversation="ben/c1")
    await site.ask(member="ann.ben", conversation="c1")
    await site.ask(member="ann", conversation="c1")
    assert len({message.conversation for message in site.conversations.asked}) == 3


async def test_a_retried_request_is_one_message(site: Site) -> None:
    key = {"Idempotency-Key": "a1"}
    assert (await site.ask(key))[0] == 200
    status, body = await site.ask(key)
    assert (status, body["error"]) == (409, "duplicate")
    assert (await site.ask(key, member="ben"))[0] == 200
    assert (await site.ask({"Idempotency-Key": "a2"}))[0] == 200
    assert len(site.conversations.asked) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"member": None},
        {"member": ""},
        {"member": "a" * 65},
        {"member": "ann/ben"},
        {"member": "ann\n"},
        {"member": "änn"},
        {"member": 7},
        {"member": "<script>"},
        {"conversation": None},
        {"conversation": ""},
        {"conversation": "c" * 129},
        {"conversation": "a\u0000b"},
        {"conversation": "a\u202eb"},
        {"conversation": ["c1"]},
        {"text": None},
        {"text": ""},
        {"text": " \n\t\u2003"},
        {"text": "\u0000"},
        {"text": {"a": 1}},
        {"hold": "yes"},
        {"hold": None},
        {"model": 3},
        {"model": ""},
        {"model": "a\nb"},
        {"community": ""},
        {"community": "a/b"},
        {"community": None},
    ],
    ids=str,
)
async def test_a_field_that_does_not_fit_is_refused(site: Site, change: dict[str, object]) -> None:
    assert await site.refused("POST", "/api/chat", json={**ASK, **change}) == (400, "bad_request")
    assert not site.conversations.asked


@pytest.mark.parametrize("missing", ["member", "conversation", "text"])
async def test_a_missing_field_is_named(site: Site, missing: str) -> None:
    body = {name: value for name, value in ASK.items() if name != missing}
    async with site.client.post(f"{site.url}/api/chat", json=body) as answer:
        assert answer.status == 400
        assert (await answer.json())["message"].startswith(missing)
    assert not site.conversations.asked


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b"\xff\xfe{}",
        b"[" * 400_000,
        b'{"a":' * 100_000,
        b'{"text":' + b"9" * 5000 + b"}",
    ],
    ids=lambda body: repr(body[:12]),
)
async def test_a_body_that_is_no_object_is_refused(site: Site, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    assert await site.refused("POST", "/api/chat", data=body, headers=headers) == (400, "bad_request")
    assert not site.conversations.asked


async def test_only_json_is_taken(site: Site) -> None:
    body = json.dumps(ASK)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        assert await site.refused("POST", "/api/chat", data=body, headers={"Content-Type": kind}) == (
            400,
            "bad_request",
        )
    assert not site.conversations.asked


async def test_the_largest_body(site: Site) -> None:
    room = 1_000_000 - len(json.dumps({**ASK, "text": ""}))
    assert (await site.ask(text="x" * room))[0] == 200
    assert await site.refused("POST", "/api/chat", json={**ASK, "text": "x" * (room + 1)}) == (413, "too_large")
    assert len(site.conversations.asked) == 1


async def test_text_no_database_could_hold_is_mended(site: Site) -> None:
    body = b'{"member": "ann", "conversation": "c1", "text": "a\\u0000b\\ud83d \\ud83d\\udc4b"}'
    async with site.client.post(
        f"{site.url}/api/chat", data=body, headers={"Content-Type": "application/json"}
    ) as answer:
        assert answer.status == 200
        await answer.read()
    assert site.conversations.asked[0].text == "ab\ufffd 👋"


# --- going away ------------------------------------------------------------------------------------------


def waits(*first: ReplyEvent) -> Any:
    async def play(message: IncomingMessage) -> AsyncGenerator[ReplyEvent]:
        for event in first:
            yield event
        await asyncio.Event().wait()

    return play


@pytest.mark.parametrize("first", [(), (Queued(place=3, estimate=60),), (TextDelta(text="Once"),)], ids=repr)
async def test_a_client_that_goes_away_stops_its_answer(site: Site, first: tuple[ReplyEvent, ...]) -> None:
    site.conversations.script = waits(*first)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(site.url.rpartition(":")[2]))
    body = json.dumps(ASK).encode()
    head = (
        f"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    )
    writer.write(head.encode() + b"\r\n\r\n" + body)
    if first:
        await reader.readuntil(b"data: ")
    else:
        await site.conversations.arrived.wait()
    assert site.conversations.closed.empty()
    writer.close()
    async with asyncio.timeout(2):
        assert await site.conversations.closed.get() == site.conversations.asked[0].id


async def test_an_answer_that_was_read_to_its_end_is_not_closed(site: Site) -> None:
    await site.ask()
    assert site.conversations.closed.empty()


async def test_a_slow_client_does_not_hold_up_the_reply(site: Site) -> None:
    read_whole = asyncio.Event()

    async def long(message: IncomingMessage) -> AsyncGenerator[ReplyEvent]:
        for _ in range(400):
            yield TextDelta(text="word " * 4000)
            await asyncio.sleep(0)
        read_whole.set()
        yield FINISHED

    site.conversations.script = long
    async with site.client.post(f"{site.url}/api/chat", json=ASK) as answer:
        async with asyncio.timeout(5):
            await read_whole.wait()
        assert len([name for name, _ in events(await answer.text()) if name == "delta"]) == 400


@pytest.mark.virtual
async def test_a_heartbeat_while_nothing_happens(clock: VirtualClock) -> None:
    async with serving(clock) as site:
        site.conversations.script = waits(Queued(place=1, estimate=None))
        async with site.client.post(f"{site.url}/api/chat", json=ASK) as answer:
            await answer.content.readuntil(b"\n\n")
            for _ in range(3):
                before = clock.monotonic()
                assert (await answer.content.readuntil(b"\n\n")).startswith(b":")
                assert clock.monotonic() - before == pytest.approx(HEARTBEAT, abs=0.1)


@pytest.mark.virtual
async def test_the_stream_opens_even_when_the_reply_is_slow_to_say_anything(clock: VirtualClock) -> None:
    async with serving(clock) as site:
        site.conversations.script = waits()
        async with site.client.post(f"{site.url}/api/chat", json=ASK) as answer:
            assert answer.status == 200
            assert clock.monotonic() < HEARTBEAT


async def test_a_stopped_server_ends_every_answer_and_closes_within_seconds() -> None:
    async with serving() as site:
        site.conversations.script = waits(TextDelta(text="Once"))
        answer = await site.client.post(f"{site.url}/api/chat", json=ASK)
        feed = await site.client.get(f"{site.url}/api/pool/events")
        await answer.content.readuntil(b"Once")
        await feed.content.readuntil(b"\n\n")
        before = asyncio.get_running_loop().time()
        port = int(site.url.rpartition(":")[2])
    assert asyncio.get_running_loop().time() - before < 3
    assert b"event: failed" in await answer.read()
    assert site.conversations.closed.qsize() == 1
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_taken_port_is_left_to_the_caller(site: Site) -> None:
    taken = WebAdapter(
        conversations=site.conversations,
        clock=SystemClock(),
        host="127.0.0.1",
        port=int(site.url.rpartition(":")[2]),
        token=None,
        health=site.health,
        metrics=lambda: (b"", "text/plain"),
    )
    with pytest.raises(OSError, match="in use"):
        await taken.start()


# --- tickets, stopping, the rest of the page's needs ------------------------------------------------------


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


# --- probes and pages ------------------------------------------------------------------------------------


async def test_probes(site: Site) -> None:
    for path, ready, status in (("/healthz", True, 200), ("/readyz", True, 200), ("/readyz", False, 503)):
        site.ready = ready
        async with site.client.get(site.url + path) as answer:
            assert answer.status == status
            body = await answer.json()
    assert body == {"ready": False, "parts": {"database": "locked"}}
    async with site.client.get(f"{site.url}/metrics") as answer:
        assert await answer.text() == "up 1\n"


@pytest.mark.parametrize("path", ["/", "/privacy"])
async def test_pages_hold_nothing_inline(site: Site, path: str) -> None:
    async with site.client.get(site.url + path) as answer:
        assert (answer.status, answer.content_type) == (200, "text/html")
        text = await answer.text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|<script(?![^>]* src=\"/static/)", text)
    assert not re.search(r"(src|href)=\"(https?:)?//(?!openrouter\.ai)", text)


async def test_every_static_file_is_served_by_its_kind(site: Site) -> None:
    async with site.client.get(f"{site.url}/") as answer:
        named = set(re.findall(r"(?:src|href)=\"(/static/[^\"]+)\"", await answer.text()))
    assert {name.rpartition(".")[2] for name in named} >= {"js", "css", "svg"}
    kinds = {"js": "javascript", "mjs": "javascript", "css": "text/css", "svg": "image/svg+xml"}
    for path in named:
        async with site.client.get(site.url + path) as answer:
            assert answer.status == 200
            assert kinds[path.rpartition(".")[2]] in answer.content_type


@pytest.mark.parametrize(
    "path", ["/static/../server.py", "/static/%2e%2e/server.py", "/static//etc/passwd", "/static/"]
)
async def test_nothing_outside_is_served(site: Site, path: str) -> None:
    _, port = site.url.rsplit(":", 1)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    assert re.match(rb"HTTP/1.1 (403|404) ", answer)


# --- security --------------------------------------------------------------------------------------------

EVERYWHERE = [
    ("GET", "/"),
    ("GET", "/privacy"),
    ("GET", "/login"),
    ("POST", "/login"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/static/favicon.svg"),
    ("GET", "/static/none"),
    ("GET", "/none"),
    ("DELETE", "/api/chat"),
    ("POST", "/api/chat"),
    ("GET", "/api/pool"),
    ("GET", "/api/share?member=ann"),
    ("GET", "/api/tickets/none/events"),
]


@pytest.mark.parametrize(("method", "path"), EVERYWHERE)
@pytest.mark.parametrize("token", [None, TOKEN])
async def test_every_answer_carries_the_policy(method: str, path: str, token: str | None) -> None:
    async with (
        serving(token=token) as site,
        site.client.request(method, site.url + path, allow_redirects=False) as answer,
    ):
        for name, value in HEADERS.items():
            assert answer.headers.getall(name) == [value]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'self';")


async def test_a_stream_carries_the_policy(site: Site) -> None:
    async with site.client.post(f"{site.url}/api/chat", json=ASK) as answer:
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:1", "LOCALHOST:80", "127.0.0.1", "127.8.8.8:99", "[::1]:8080"]
)
async def test_a_loopback_host_is_let_in(site: Site, host: str) -> None:
    assert (await site.ask({"Host": host}))[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "10.0.0.1",
        "a@127.0.0.1",
        "0.0.0.0",
        "[::",
        "[]",
        "",
    ],
)
async def test_a_rebound_host_is_turned_away(site: Site, host: str) -> None:
    for method, path in EVERYWHERE:
        async with site.client.request(method, site.url + path, headers={"Host": host}) as answer:
            assert answer.status in (400, 421), path
    assert (await site.ask({"Host": host}))[0] in (400, 421)
    assert not site.conversations.asked


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://127.0.0.1:1",
        "http://localhost",
        "file://",
        "http://[",
        "",
        "http://a@{host}",
    ],
)
async def test_another_origin_is_turned_away(site: Site, origin: str) -> None:
    origin = origin.replace("{host}", site.url.removeprefix("http://"))
    status, body = await site.ask({"Origin": origin})
    assert (status, body["error"]) == (403, "wrong_origin")
    for path in ("/api/stop", "/api/forget"):
        where = {"member": "ann", "conversation": "c1"}
        assert (await site.refused("POST", path, json=where, headers={"Origin": origin}))[0] == 403
    assert not site.conversations.asked
    assert not site.conversations.forgotten


async def test_our_own_origin_and_none_are_let_in(site: Site) -> None:
    assert (await site.ask({"Origin": site.url}))[0] == 200
    assert (await site.ask())[0] == 200


async def test_without_a_token_an_authorization_header_is_ignored(site: Site) -> None:
    assert (await site.ask({"Authorization": "Bearer anything"}))[0] == 200
    assert (await site.ask({"Authorization": "Basic !!"}))[0] == 200


@pytest.mark.parametrize(
    "given",
    ["Bearer wrong", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer é", "' OR 1=1 --"],
)
async def test_a_wrong_token_is_turned_away(guarded: Site, given: str) -> None:
    status, body = await guarded.ask({"Authorization": given})
    assert (status, set(body)) == (401, {"error", "message"})
    assert TOKEN not in json.dumps(body)
    assert not guarded.conversations.asked


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/chat"),
        ("POST", "/api/stop"),
        ("POST", "/api/forget"),
        ("GET", "/api/pool"),
        ("GET", "/api/pool/events"),
        ("GET", "/api/turns"),
        ("GET", "/api/share"),
        ("GET", "/api/tickets/t-1/events"),
        ("DELETE", "/api/tickets/t-1"),
        ("GET", "/metrics"),
        ("POST", "/"),
    ],
)
async def test_nothing_happens_without_a_token(guarded: Site, method: str, path: str) -> None:
    guarded.conversations.held[TicketId("t-1")] = lambda: script(FINISHED)(None)
    assert await guarded.refused(method, path, json=ASK) == (401, "token_needed")
    assert not guarded.conversations.asked
    assert not guarded.conversations.forgotten
    assert guarded.conversations.held


async def test_a_bearer_speaks_as_any_member_under_any_host(guarded: Site) -> None:
    for name in ("ann", "ben"):
        headers = {"Authorization": f"Bearer {TOKEN}", "Host": "chat.example", "Origin": "https://other.example"}
        assert (await guarded.ask(headers, member=name))[0] == 200
    assert [message.author.user for message in guarded.conversations.asked] == ["ann", "ben"]


async def test_probes_need_no_token_and_the_page_leads_to_the_login(guarded: Site) -> None:
    for path in ("/healthz", "/readyz", "/privacy", "/login"):
        async with guarded.client.get(guarded.url + path) as answer:
            assert answer.status == 200
    async with guarded.client.get(guarded.url + "/", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/login")


async def log_in(site: Site, token: str, **headers: str) -> int:
    async with site.client.post(f"{site.url}/login", data={"token": token}, headers=headers) as answer:
        assert TOKEN not in await answer.text()
        return answer.status


async def test_the_login_exchanges_the_token_for_a_cookie(guarded: Site) -> None:
    async with guarded.client.post(f"{guarded.url}/login", data={"token": TOKEN}, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/")
        cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert TOKEN not in cookie
    assert (await guarded.ask())[0] == 200
    assert (await guarded.ask({"Origin": guarded.url}))[0] == 200
    assert (await guarded.ask({"Origin": "https://evil.example"}))[0] == 403
    assert (await guarded.ask({"Authorization": "Bearer wrong"}))[0] == 401
    assert len(guarded.conversations.asked) == 2


async def test_a_forged_cookie_is_nobody(guarded: Site) -> None:
    for cookie in ("potluck_session=", f"potluck_session={TOKEN}", "potluck_session=None"):
        assert (await guarded.ask({"Cookie": cookie}))[0] == 401


async def test_the_login_form_lets_the_browser_name_its_origin(guarded: Site) -> None:
    async with guarded.client.get(f"{guarded.url}/login") as answer:
        assert '<meta name="referrer" content="same-origin">' in await answer.text()
    assert await log_in(guarded, TOKEN, Origin=guarded.url) == 200


async def test_another_website_cannot_log_in(guarded: Site) -> None:
    assert await log_in(guarded, TOKEN, Origin="https://evil.example") == 403


@pytest.mark.virtual
async def test_the_login_takes_a_few_attempts_a_minute(clock: VirtualClock) -> None:
    async with serving(clock, token=TOKEN) as site:
        assert [await log_in(site, f"wrong {n}") for n in range(7)] == [401] * 5 + [429] * 2
        assert await log_in(site, TOKEN) == 429
        await asyncio.sleep(61)
        assert await log_in(site, TOKEN) == 200


async def test_markup_in_a_request_comes_back_inert(site: Site) -> None:
    attack = "<script>alert(1)</script>"
    status, got = await site.ask(conversation=attack, text=attack)
    assert status == 200
    assert got[1] == ("delta", {"text": f"You said: {attack}"})  # data for textContent, never sent as HTML
    for path in (f"/{attack}", f"/?member={attack}", f"/api/share?member={attack}", f"/api/tickets/{attack}/events"):
        async with site.client.get(site.url + path) as answer:
            assert attack not in await answer.text()
    async with site.client.post(f"{site.url}/api/chat", json={**ASK, "member": attack}) as answer:
        assert attack not in await answer.text()
        assert answer.content_type == "application/json"


def test_a_page_for_others_needs_a_token() -> None:
    clock = SystemClock()
    with pytest.raises(ValueError, match="token"):
        WebAdapter(
            conversations=ScriptedConversations(clock),
            clock=clock,
            host="0.0.0.0",
            port=0,
            token=None,
            health=lambda: asyncio.sleep(0, Readiness(ready=True, parts={})),
            metrics=lambda: (b"", ""),
        )


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
