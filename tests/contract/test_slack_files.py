"""Files that come along in Slack: taken from its own host, with the token for it alone, and no page for a file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from aiohttp import web

from adapters.slack.files import files_origin
from bot.conversation.attachments import MOST_BYTES, MOST_FILES
from bot.messages import IncomingMessage, ReplyEvent
from tests.fakes.conversations import ScriptedConversations
from tests.fakes.slack.files import LOGIN, Stored
from tests.fakes.slack.potluck import Installed, in_slack
from tests.fakes.slack.world import Json
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


async def asked(there: Installed, conversations: ScriptedConversations, *files: Json) -> IncomingMessage | None:
    """What the core was asked, if it was."""
    ann = there.slack.person("U1ANN")
    said = await ann.asks("what is this?", files=files)
    await asyncio.sleep(30)
    if there.slack.whispers(ann.id):
        assert not conversations.asked
        return None
    assert there.slack.thread("C1", said.root)
    (message,) = conversations.asked
    return message


@pytest.mark.parametrize(("name", "stored"), [("a.png", Stored(body=PNG, type="image/png"))])
async def test_a_file_comes_along_with_the_mention(
    tmp_path: Path, clock: VirtualClock, name: str, stored: Stored
) -> None:
    conversations = ScriptedConversations(clock)
    async with in_slack(tmp_path, clock, conversations=conversations) as there:
        message = await asked(there, conversations, there.slack.files.put(name, stored))
        assert message is not None
        (file,) = message.attachments
        assert (file.name, file.media_type, file.content) == (name, stored.type, stored.body)


REFUSED = {
    "a login page in its place": Stored(body=LOGIN.encode(), type="image/png"),
    "too large, as it says": Stored(body=b"x", type="text/plain", claims=MOST_BYTES + 1),
    "too large, and says otherwise": Stored(body=bytes(MOST_BYTES + 1), type="text/plain", claims=10),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_what_cannot_be_used_is_refused_in_words(tmp_path: Path, clock: VirtualClock, what: str) -> None:
    conversations = ScriptedConversations(clock)
    async with in_slack(tmp_path, clock, conversations=conversations) as there:
        assert await asked(there, conversations, there.slack.files.put("a.png", REFUSED[what])) is None


async def test_too_many_files_are_refused_unread(tmp_path: Path, clock: VirtualClock) -> None:
    conversations = ScriptedConversations(clock)
    async with in_slack(tmp_path, clock, conversations=conversations) as there:
        files = [there.slack.files.put(f"{n}.txt", Stored(body=b"x", type="text/plain")) for n in range(MOST_FILES + 1)]
        assert await asked(there, conversations, *files) is None
        assert not there.slack.files.tokens_seen


async def test_the_token_goes_to_slacks_own_host_alone(tmp_path: Path, clock: VirtualClock) -> None:
    heard: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        heard.append(request.headers.get("Authorization", ""))
        return web.Response(body=PNG, content_type="image/png")

    app = web.Application()
    app.add_routes([web.get("/{path:.*}", elsewhere)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/a.png"
    try:
        for number in range(3):
            conversations = ScriptedConversations(clock)
            async with in_slack(tmp_path / str(number), clock, conversations=conversations) as there:
                files = there.slack.files
                direct = files.put("a.png", Stored(body=PNG, type="image/png")) | {"url_private_download": url}
                led_away = files.put("b.png", Stored(body=PNG, type="image/png", redirect=url))
                disguised = files.put("c.png", Stored(body=PNG, type="image/png")) | {
                    "url_private_download": files.base.replace("http://", "http://x@") + "/a.png"
                }
                assert await asked(there, conversations, (direct, led_away, disguised)[number]) is None
        assert heard == []
    finally:
        await runner.cleanup()


async def test_a_file_of_another_organisation_is_asked_for_first(tmp_path: Path, clock: VirtualClock) -> None:
    conversations = ScriptedConversations(clock)
    async with in_slack(tmp_path, clock, conversations=conversations) as there:
        told = there.slack.files.put("a.png", Stored(body=PNG, type="image/png"))
        message = await asked(there, conversations, {"id": told["id"], "file_access": "check_file_info"})
        assert message is not None
        assert message.attachments[0].content == PNG


async def test_slack_is_slow_with_a_file_and_nothing_waits_for_it_for_ever(tmp_path: Path, clock: VirtualClock) -> None:
    async def script(message: IncomingMessage) -> AsyncGenerator[ReplyEvent]:
        async for event in ScriptedConversations(clock).echo(message):
            yield event

    conversations = ScriptedConversations(clock, script)
    async with in_slack(tmp_path, clock, conversations=conversations) as there:
        slow = there.slack.files.put("a.png", Stored(body=PNG, type="image/png", seconds=3600.0))
        ann = there.slack.person("U1ANN")
        await ann.asks("what is this?", files=[slow])
        await there.slack.until(lambda: there.slack.whispers(ann.id), seconds=60)
        assert not conversations.asked


def test_the_host_of_files_follows_from_the_apis() -> None:
    assert files_origin("https://slack.com/api/") == "https://files.slack.com"
    assert files_origin("https://slack-gov.com/api/") == "https://files.slack-gov.com"
    assert files_origin("http://127.0.0.1:8091/api/") == "http://127.0.0.1:8091"
