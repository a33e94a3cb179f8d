"""What a person sees in Slack when they ask something."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.slack.potluck import in_slack
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual


async def test_a_mention_is_answered_in_its_thread(tmp_path: Path, clock: VirtualClock) -> None:
    async with in_slack(tmp_path, clock) as there:
        ann = there.slack.person("U1ANN")
        said = await ann.asks("why is the sky blue?")
        (answer,) = await there.slack.settled("C1", said.root)
        assert "why is the sky blue" in answer.shown
        assert "1 of today" in answer.beside
        assert there.slack.sessions.statuses["C1", said.root][-1] == "active"
        assert not there.slack.limits.refused
