"""What a request may hold, and that one which does not fit is refused before anybody is asked."""

from __future__ import annotations

import json

import pytest

from bot.messages import Member
from tests.contract.web.site import ASK, Site


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
