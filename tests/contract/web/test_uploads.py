"""Files over HTTP: they arrive as sent, within bounds of size and memory, and what is refused is not asked."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from adapters.web.uploads import AT_ONCE, UPLOAD_MAX
from bot.conversation.attachments import MOST_BYTES, MOST_FILES
from bot.messages import Attachment
from tests.contract.web.site import ASK, Site
from tests.fakes.browsing import browsing
from tests.fakes.files import png
from tests.fakes.virtual import VirtualClock

HEADERS = {"Content-Type": "application/json"}
TOO_LARGE = (413, "too_large")


def file(name: str = "a.txt", content: bytes = b"hello", media_type: str = "text/plain") -> dict[str, str]:
    return {"name": name, "media_type": media_type, "content": b64encode(content).decode()}


def body(**fields: object) -> BytesIO:
    return BytesIO(json.dumps({**ASK, **fields}).encode())


async def posted(site: Site, **fields: object) -> int:
    """The status of a large question."""
    async with site.client.post(f"{site.url}/api/chat", data=body(**fields), headers=HEADERS) as answer:
        await answer.read()
        return answer.status


async def test_files_arrive_as_they_were_sent_and_need_no_text_beside_them(site: Site) -> None:
    sent = [file("../ü.png", b"\x89PNG\r\n", "image/png"), {"name": "b", "content": ""}]
    status, events = await site.ask(text="", attachments=sent)
    assert (status, events[-1][0]) == (200, "finished")
    assert site.conversations.asked[0].attachments == (
        Attachment(name="../ü.png", media_type="image/png", content=b"\x89PNG\r\n"),
        Attachment(name="b", media_type="", content=b""),
    )


async def test_the_largest_question_with_files_and_what_is_larger(site: Site) -> None:
    largest = [file("a", bytes(MOST_BYTES)), file("b", bytes(MOST_BYTES))]
    assert await posted(site, attachments=largest) == 200
    over = [*largest, file("c", bytes(UPLOAD_MAX // 8))]
    assert await site.refused("POST", "/api/chat", data=body(attachments=over), headers=HEADERS) == TOO_LARGE
    beside = body(text="x" * 1_000_000, attachments=[file()])
    assert await site.refused("POST", "/api/chat", data=beside, headers=HEADERS) == TOO_LARGE
    more = body(attachments=[{**file(), "more": "x" * 1_000_000}])
    assert await site.refused("POST", "/api/chat", data=more, headers=HEADERS) == TOO_LARGE
    assert len(site.conversations.asked) == 1


@pytest.mark.parametrize(
    "attachments",
    [
        "a.txt",
        {},
        [1],
        [{}],
        [{"name": "a"}],
        [{"name": "a", "content": None}],
        [{"name": "a", "content": "not base64!"}],
        [{"name": "a", "content": "AA"}],
        [{"name": "a", "content": "ä"}],
        [{"name": 1, "content": "AA=="}],
        [{"name": "a", "media_type": 1, "content": "AA=="}],
        [{"name": "a" * 1001, "content": "AA=="}],
        [{"name": "a", "content": ""}] * 101,
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_what_is_no_list_of_files_is_refused(site: Site, attachments: Any) -> None:
    assert await site.refused("POST", "/api/chat", json={**ASK, "attachments": attachments}) == (400, "bad_request")
    assert not site.conversations.asked


async def test_no_more_than_a_few_uploads_are_in_memory_and_questions_pass_them_by(site: Site) -> None:
    port = int(site.url.rpartition(":")[2])
    slow = []
    for _ in range(AT_ONCE):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"POST /api/chat HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json"
        writer.write(f"{head}\r\nContent-Length: {UPLOAD_MAX}\r\n\r\n".encode() + b" " * 1_100_000)
        await writer.drain()
        slow.append(writer)
    upload = asyncio.create_task(posted(site, attachments=[file("a", bytes(2_000_000))]))
    assert (await site.ask(text="small"))[0] == 200
    assert not upload.done()
    slow.pop().close()
    assert await upload == 200
    for writer in slow:
        writer.close()


@pytest.mark.virtual
async def test_over_a_whole_potluck_an_image_is_answered_and_a_page_in_its_place_is_not(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with browsing(tmp_path, clock) as (browser, potluck):
        page = file("cat.png", b"<html><body>Please sign in</body></html>", "image/png")
        name, failed = (await browser.ask("ann", attachments=[page]))[-1]
        assert (name, failed["error"], failed["why"], failed["partial"]) == (
            "failed",
            "attachment_refused",
            "web_page",
            False,
        )
        assert failed["message"].startswith("“cat.png” is a web page")
        assert "Nothing was taken from your share." in failed["message"]
        many = await browser.ask("ann", attachments=[file()] * (MOST_FILES + 1))
        assert many[-1][1]["why"] == "too_many"
        assert potluck.sandbox.log == []
        events = await browser.ask("ann", attachments=[file("cat.png", png(), "image/png")])
        assert events[-1][0] == "finished"
        assert "I was shown a PNG" in "".join(data["text"] for name, data in events if name == "delta")
