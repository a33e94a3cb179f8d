"""Everything that can go wrong upstream, by name: what the member hears, what the books say, what the sandbox got."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from bot.errors import AnswerFailed, FailureKind
from bot.messages import Failed, Finished, Started
from bot.openrouter.sandbox import FAULTS
from tests.fakes.deployment import deployment
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual


class Expected(NamedTuple):
    """What a class of failures comes to, where nothing was shown."""

    code: str
    requests: int = 1
    charged: int = 0
    """Units the member has not got back."""


_K = FailureKind
EXPECTED: Mapping[FailureKind, Expected] = {
    _K.ACCOUNT_DAILY: Expected("pool_spent"),
    _K.ACCOUNT_MINUTE: Expected("upstream_busy"),
    _K.UPSTREAM_MODEL: Expected("upstream_busy", requests=2),
    _K.PLATFORM_UNKNOWN: Expected("upstream_busy"),
    _K.IN_FLIGHT_BUDGET: Expected("upstream_busy"),
    _K.NEGATIVE_BALANCE: Expected("out_of_credit"),
    _K.KEY_LIMIT: Expected("out_of_credit"),
    _K.BAD_KEY: Expected("bad_key"),
    _K.MODERATION: Expected("moderated", charged=1),
    _K.GUARDRAIL: Expected("moderated", charged=1),
    _K.CONTENT_FILTER: Expected("moderated", charged=1),
    _K.NO_ENDPOINTS: Expected("no_route"),
    _K.TOO_LARGE: Expected("too_long", charged=1),
    _K.BAD_IMAGE: Expected("upstream_failed", charged=1),
    _K.BAD_REQUEST: Expected("upstream_failed", charged=1),
    _K.TIMEOUT: Expected("upstream_failed"),
    _K.PROVIDER_DOWN: Expected("upstream_failed"),
    _K.EDGE_HTML: Expected("upstream_failed"),
    _K.CUT_OFF: Expected("upstream_failed"),
    _K.ERROR_IN_STREAM: Expected("upstream_failed"),
    _K.ENDLESS: Expected("upstream_failed"),
    _K.EMPTY_ANSWER: Expected("empty_answer"),
    _K.REASONING_ONLY: Expected("empty_answer"),
    _K.LENGTH: Expected("empty_answer"),
}
FAILING = [fault for fault in FAULTS.values() if fault.means is not None]
WHOLE = [fault.name for fault in FAULTS.values() if fault.means is None]


@pytest.mark.parametrize(
    "name",
    # The same error in another place means the same; the client's own tests tell each apart.
    [pytest.param(fault.name, marks=[pytest.mark.soak] if fault.of is not None else []) for fault in FAILING],
)
async def test_every_failure_ends_once_and_the_books_are_straight(
    tmp_path: Path, clock: VirtualClock, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    caplog.set_level("INFO")
    means = FAULTS[name].means
    assert means is not None
    expected = EXPECTED[means]
    async with deployment(tmp_path, clock) as potluck:
        heard = await potluck.ask("ann", f"heron sandbox:{name}")
        assert isinstance(heard.ending, Failed), "exactly one ending"
        shown = bool(heard.text)
        requests = 1 if shown else expected.requests
        assert heard.error == expected.code
        assert heard.ending.partial is shown
        assert heard.notices.count("second_attempt") == requests - 1
        assert len([event for event in heard.events if isinstance(event, Started)]) == 1
        assert len(potluck.sandbox.log) == requests
        await potluck.quiet()
        counted = await potluck.counted()
        assert counted["leases"] == {"failed": requests}
        assert counted["used"] == requests
        assert counted["taken"] == (1 if shown else expected.charged)
        assert heard.ending.share.used == counted["taken"], "the member is told what the ledger says"
        # Nothing is tried again by itself, however long one waits.
        await asyncio.sleep(3600)
        assert len(potluck.sandbox.log) == requests
        logged = caplog.text.lower()
        assert not any(private in logged for private in ("heron", "user_sandbox", "/keys/", "provider returned"))
        assert "bot.conversation.answering" in logged, "the operator is told"


def test_every_class_of_failure_has_a_fault_but_the_one_that_reaches_nobody() -> None:
    assert {fault.means for fault in FAILING} == set(FailureKind) - {FailureKind.UNREACHABLE}


@pytest.mark.parametrize("name", sorted(set(WHOLE) - {"classifier", "wrong_cost"}))
async def test_odd_but_whole_answers_are_answers(tmp_path: Path, clock: VirtualClock, name: str) -> None:
    async with deployment(tmp_path, clock) as potluck:
        heard = await potluck.ask("ann", f"sandbox:{name}")
        assert isinstance(heard.ending, Finished)
        assert heard.ending.attempts == len(potluck.sandbox.log) == 1
        await potluck.quiet()
        assert await potluck.counted() == {"leases": {"answered": 1}, "used": 1, "taken": 1}


async def test_a_classifiers_verdict_is_no_answer(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock) as potluck:
        heard = await potluck.ask("ann", "sandbox:classifier")
        assert heard.error == "empty_answer"
        assert heard.text == "", "it is not shown"
        assert isinstance(heard.ending, Failed)
        assert isinstance(heard.ending.error, AnswerFailed)
        assert heard.ending.error.reason == "classifier"
        await potluck.quiet()
        assert await potluck.counted() == {"leases": {"failed": 1}, "used": 1, "taken": 0}


async def test_a_failure_midway_keeps_the_text_and_marks_it_as_cut_off(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock) as potluck:
        message = potluck.message("ann", "sandbox:provider_down_in_stream", conversation="c1")
        heard = await potluck.hear(message)
        assert isinstance(heard.ending, Failed)
        assert heard.text
        assert heard.ending.partial
        (turn,) = await potluck.running.conversations.turns(message.conversation)
        assert (turn.answer, turn.whole, turn.ended) == (heard.text, False, True)
        echo = await potluck.ask("ann", "sandbox:echo", conversation="c1")
        assert heard.text[:20] in echo.text, "the conversation goes on from it"
