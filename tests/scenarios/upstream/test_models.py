"""Models that go away, before or while they are asked; and that nothing which could cost leaves in their place."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bot.conversation.exchange import Exchange
from bot.errors import AnswerFailed, Refused
from bot.messages import Failed, Finished, ModelId
from bot.openrouter.sandbox import FaultRule, Faults, SandboxSettings
from tests.fakes.deployment import Heard, deployment
from tests.fakes.virtual import VirtualClock
from tests.scenarios.upstream.parts import answering, once

pytestmark = pytest.mark.virtual


@pytest.mark.parametrize(
    "change",
    [{"model": "sandbox/lantern-70b"}, {"models": ["openrouter/auto"]}, {"plugins": [{"id": "web"}]}, {"preset": "x"}],
    ids=str,
)
async def test_what_could_cost_does_not_leave_and_shuts_the_pool(
    tmp_path: Path, clock: VirtualClock, caplog: pytest.LogCaptureFixture, change: dict[str, object]
) -> None:
    async with deployment(tmp_path, clock) as potluck:
        at_fault, client = answering(potluck, lambda body: body.update(change))
        with pytest.raises(Refused) as refused:
            await at_fault.answer(Exchange(potluck.message("ann")))
        assert refused.value.code == "pool_paused"
        assert (await potluck.running.conversations.pool()).shut_for == "guard"
        assert "ERROR" in {record.levelname for record in caplog.records}
        assert (await potluck.ask("ben")).error == "pool_paused"
        assert potluck.sandbox.log == []
        await potluck.quiet()
        assert (await potluck.counted())["used"] == 0
        await client.close()


async def test_a_model_that_goes_away_between_choosing_and_sending_is_chosen_anew(
    tmp_path: Path, clock: VirtualClock
) -> None:
    wish = ModelId("sandbox/meadow-8b:free")
    async with deployment(tmp_path, clock) as potluck:
        late, client = answering(potluck, lambda _: potluck.running.models.missing(wish))
        exchange = Exchange(replace(potluck.message("ann"), model=wish))
        ending = await late.answer(exchange)
        assert isinstance(ending, Finished)
        assert [attempt.model_asked for attempt in potluck.sandbox.log] == ["openrouter/free"]
        assert (await potluck.running.conversations.pool()).shut_for is None
        await potluck.quiet()
        assert await potluck.counted() == {"leases": {"released": 1, "answered": 1}, "used": 1, "taken": 1}
        await client.close()


async def test_a_free_model_by_its_exact_id(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock) as potluck:
        wish = ModelId("sandbox/meadow-8b:free")
        heard = await potluck.hear(replace(potluck.message("ann"), model=wish))
        assert isinstance(heard.ending, Finished)
        assert heard.ending.model == wish
        assert "model_gone" not in heard.notices


async def test_a_model_that_went_away_gives_way_to_the_default_with_a_notice(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with deployment(tmp_path, clock) as potluck:
        heard = await potluck.hear(replace(potluck.message("ann"), model=ModelId("sandbox/bygone-7b:free")))
        assert heard.error is None
        assert heard.notices.count("model_gone") == 1
        assert potluck.sandbox.log[0].model_asked == "openrouter/free"


async def test_a_model_that_openrouter_lists_and_does_not_have_is_taken_off_the_shelf(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with deployment(tmp_path, clock, sandbox=once("free_variant_ended")) as potluck:
        wish = ModelId("sandbox/meadow-8b:free")
        first = await potluck.hear(replace(potluck.message("ann"), model=wish))
        assert first.error == "no_route"
        assert isinstance(first.ending, Failed)
        assert isinstance(first.ending.error, AnswerFailed)
        assert first.ending.error.reason == "model_gone"
        again = await potluck.hear(replace(potluck.message("ann"), model=wish))
        assert again.error is None
        assert "model_gone" in again.notices


async def test_the_models_are_known_without_network_at_the_next_start(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock) as potluck:
        await potluck.ask("ann")
        known = potluck.running.models.catalogue
    broken = SandboxSettings(
        faults=Faults(rules=tuple(FaultRule(fault="edge_html", path=path) for path in ("/models", "/models/user")))
    )
    await asyncio.sleep(7200)
    async with deployment(tmp_path, clock, sandbox=broken) as potluck:
        assert known is not None
        assert potluck.running.models.catalogue == known
        wish = ModelId("sandbox/meadow-8b:free")
        heard: Heard = await potluck.hear(replace(potluck.message("ann"), model=wish))
        assert heard.error is None
