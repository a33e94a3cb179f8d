"""A key that somebody writes into a message goes no further: not to a model, not into the database, not into a log."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from bot.errors import AnswerFailed
from bot.messages import Failed
from tests.fakes.databases import HOME, everything_in
from tests.fakes.deployment import deployment
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

DIGITS = "0123456789acdef0" * 4
KEY = f"sk-or-v1-{DIGITS}"


@pytest.mark.parametrize("hold", [False, True])
async def test_it_is_refused_before_anything_is_kept_sent_or_logged(
    tmp_path: Path, clock: VirtualClock, caplog: pytest.LogCaptureFixture, hold: bool
) -> None:
    caplog.set_level(logging.DEBUG)
    async with deployment(tmp_path, clock) as potluck:
        said = potluck.message("ann", f"this is mine: {KEY}, use it", conversation="c1")
        heard = await potluck.hear(replace(said, hold=hold))
        assert len(heard.events) == 1
        assert isinstance(heard.ending, Failed)
        error = heard.ending.error
        assert isinstance(error, AnswerFailed)
        assert (error.code, error.reason) == ("bad_key", "pasted_key")
        assert heard.ending.share.used == 0
        assert not heard.ending.may_hold
        assert heard.ending.delete_message, "where the platform lets it"
        assert not replace(heard.ending, error=AnswerFailed("bad_key")).delete_message, "the control"
        assert potluck.sandbox.log == []
        assert await potluck.running.conversations.turns(said.conversation) == []
        assert (await potluck.counted())["leases"] == {}
        assert DIGITS not in everything_in(HOME.where(tmp_path))

        again = await potluck.hear(replace(said, text="a harmless canary"))
        assert again.error is None, "the same message may be sent again without the key"
        assert "a harmless canary" in everything_in(HOME.where(tmp_path)), (
            "the control: what is asked is found where the key was not"
        )
        await potluck.quiet()
    assert DIGITS not in caplog.text
    assert DIGITS not in everything_in(HOME.where(tmp_path))


async def test_it_does_not_join_a_question_that_waits(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock) as potluck:
        replies = potluck.running.conversations.reply(potluck.message("ann", "why?", conversation="c1"))
        await anext(replies)  # under way
        heard = await potluck.ask("ann", f"and {KEY}", conversation="c1")
        assert heard.error == "bad_key"
        async for _ in replies:
            pass
        assert DIGITS not in everything_in(HOME.where(tmp_path))
        await potluck.quiet()
