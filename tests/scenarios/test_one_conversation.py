"""What one member sees in one conversation: memory, gathering, stopping, failing, never twice."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from bot.messages import CommunityId, Failed, Finished, ModelId, TextDelta
from bot.openrouter.sandbox import SandboxSettings
from tests.fakes.deployment import Heard, deployment
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual


async def test_the_answer_is_streamed_and_ends_with_the_share(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock) as potluck:
        heard = await potluck.ask("ann", "why is the sky blue?")
        assert isinstance(heard.ending, Finished)
        assert heard.ending.attempts == 1
        assert heard.ending.lane == "free"
        assert heard.ending.share.used == 1
        assert heard.ending.share.left_now == 49
        assert len([event for event in heard.events if isinstance(event, TextDelta)]) > 5, "it came in pieces"
        assert heard.notices == ["free_models_may_train"]
        assert (await potluck.ask("ann")).notices == [], "said once"


async def test_the_conversation_is_remembered_and_others_are_not_in_it(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock) as potluck:
        await potluck.ask("ann", "my canary is heron", conversation="c1")
        await potluck.ask("ben", "my canary is dunlin", conversation="c1")
        echo = await potluck.ask("ann", "sandbox:echo", conversation="c1")
        assert "heron" in echo.text
        assert "dunlin" not in echo.text


async def test_starting_over_forgets(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock) as potluck:
        first = potluck.message("ann", "my canary is heron", conversation="c1")
        await potluck.hear(first)
        await potluck.running.conversations.forget(first.conversation)
        echo = await potluck.ask("ann", "sandbox:echo", conversation="c1")
        assert "heron" not in echo.text
        assert len(await potluck.running.conversations.turns(first.conversation)) == 1


async def test_what_is_written_meanwhile_becomes_one_next_request(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock) as potluck:
        first = asyncio.create_task(potluck.ask("ann", "first", conversation="c1"))
        await asyncio.sleep(1)
        second = asyncio.create_task(potluck.ask("ann", "second", conversation="c1"))
        third = asyncio.create_task(potluck.ask("ann", "third sandbox:echo", conversation="c1"))
        a, b, c = await asyncio.gather(first, second, third)
        assert len(potluck.sandbox.log) == 2
        assert a.error is b.error is c.error is None
        assert "messages_gathered" in b.notices
        assert c.notices == ["messages_gathered"]
        assert "second" in b.text
        assert "third" in b.text
        assert c.text == "", "one answer is told once"
        assert isinstance(b.ending, Finished)
        assert isinstance(c.ending, Finished)
        assert (b.ending.attempts, c.ending.attempts) == (1, 0)
        await potluck.quiet()


async def test_what_is_written_while_waiting_in_line_joins_the_same_request(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with deployment(tmp_path, clock, env={"pool_rpm": "1"}) as potluck:
        await potluck.ask("ben")
        first = asyncio.create_task(potluck.ask("ann", "first", conversation="c1"))
        await asyncio.sleep(1)
        second = asyncio.create_task(potluck.ask("ann", "second sandbox:echo", conversation="c1"))
        a, b = await asyncio.gather(first, second)
        assert len(potluck.sandbox.log) == 2
        assert "first" in a.text
        assert "second" in a.text
        assert b.notices == ["messages_gathered"]


async def test_when_the_first_of_two_goes_away_the_other_is_answered(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, env={"pool_rpm": "1"}) as potluck:
        await potluck.ask("ben")
        first = asyncio.create_task(potluck.ask("ann", "first", conversation="c1"))
        await asyncio.sleep(1)
        second = asyncio.create_task(potluck.ask("ann", "second sandbox:echo", conversation="c1"))
        await asyncio.sleep(1)
        first.cancel()
        heard = await second
        assert heard.error is None
        assert "second" in heard.text
        assert "first" not in heard.text
        assert len(potluck.sandbox.log) == 2
        await potluck.quiet()


async def test_stop_ends_the_answer_and_frees_everything(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock) as potluck:
        message = potluck.message("ann", "tell me something long")
        heard = Heard()
        reply = asyncio.create_task(potluck.hear(message, heard=heard))
        while not heard.text:
            await asyncio.sleep(0.1)
        assert potluck.running.conversations.stop(message.conversation, message.author)
        await reply
        assert heard.error == "stopped"
        assert isinstance(heard.ending, Failed)
        assert heard.ending.partial
        await asyncio.sleep(1)
        assert potluck.sandbox.log[0].outcome == "cut_by_client"
        await potluck.quiet()
        assert await potluck.counted() == {"leases": {"stopped": 1}, "used": 1, "taken": 1}
        (turn,) = await potluck.running.conversations.turns(message.conversation)
        assert turn.answer == heard.text
        assert not turn.whole
        assert not potluck.running.conversations.stop(message.conversation, message.author)


async def test_stop_in_line_costs_nothing(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, env={"pool_rpm": "1"}) as potluck:
        await potluck.ask("ben")
        message = potluck.message("ann")
        reply = asyncio.create_task(potluck.hear(message))
        await asyncio.sleep(5)
        potluck.running.conversations.stop(message.conversation, message.author)
        assert (await reply).error == "stopped"
        await potluck.quiet()
        assert (await potluck.counted())["used"] == 1


async def test_a_message_is_handled_once_also_across_a_restart(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock) as potluck:
        message = potluck.message("ann", id="web:the-one")
        both = await asyncio.gather(potluck.hear(message), potluck.hear(message))
        assert sorted(len(heard.events) > 0 for heard in both) == [False, True]
        assert (await potluck.hear(message)).events == []
    async with deployment(tmp_path, clock) as potluck:
        assert (await potluck.hear(message)).events == []
        assert potluck.sandbox.log == []


async def test_a_refused_message_may_come_again(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=1)) as potluck:
        await potluck.ask("ben")
        message = potluck.message("ann")
        assert (await potluck.hear(message)).error == "pool_spent"
        await asyncio.sleep(86_400)
        assert (await potluck.hear(message)).error is None


async def test_a_question_too_long_is_refused_before_anything_is_charged(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock) as potluck:
        assert (await potluck.ask("ann", "x" * 200_000)).error == "too_long"
        assert (await potluck.ask("ann", "x" * 10_000)).error is None
        await potluck.quiet()
        assert (await potluck.counted())["used"] == 1


async def test_a_long_conversation_is_shortened_and_says_so(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock) as potluck:
        await potluck.ask("ann", "heron " + "x" * 45_000, conversation="c1")
        await potluck.ask("ann", "dunlin " + "y" * 45_000, conversation="c1")
        echo = await potluck.ask("ann", "sandbox:echo", conversation="c1")
        assert "history_shortened" in echo.notices
        assert "dunlin" in echo.text
        assert "heron" not in echo.text


@pytest.mark.parametrize("model", ["sandbox/atlas-70b", "openrouter/auto", "../../x", "openrouter/free:online"])
async def test_no_other_model_than_the_free_router_is_ever_sent(
    tmp_path: Path, clock: VirtualClock, model: str
) -> None:
    async with deployment(tmp_path, clock) as potluck:
        heard = await potluck.hear(replace(potluck.message("ann"), model=ModelId(model)))
        assert heard.error == "model_not_allowed"
        assert potluck.sandbox.log == []


async def test_an_upstream_failure_before_any_text_gives_the_members_unit_back(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with deployment(tmp_path, clock) as potluck:
        heard = await potluck.ask("ann", "sandbox:provider_down")
        assert heard.error == "upstream_failed"
        await potluck.quiet()
        assert await potluck.counted() == {"leases": {"failed": 1}, "used": 1, "taken": 0}
        assert (await potluck.running.conversations.share(potluck.message("ann").author, CommunityId("web"))).used == 0


async def test_nothing_is_charged_when_openrouter_cannot_be_reached(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock) as potluck:
        await potluck.sandbox.close()
        heard = await potluck.ask("ann")
        assert heard.error == "upstream_failed"
        assert not heard.started
        await potluck.quiet()
        assert await potluck.counted() == {"leases": {"released": 1}, "used": 0, "taken": 0}
        assert potluck.running.scheduler.minute_used == 0


async def test_a_listener_that_goes_away_stops_the_answer(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock) as potluck:
        async with aclosing(potluck.running.conversations.reply(potluck.message("ann"))) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    break
        await potluck.quiet()
        assert (await potluck.counted())["leases"] == {"stopped": 1}
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("exchange")]


@pytest.mark.parametrize("delay", [0, 0.0001, 0.3, 0.61, 2, 5])
async def test_cancelling_at_any_moment_leaves_straight_books(
    tmp_path: Path, clock: VirtualClock, delay: float
) -> None:
    async with deployment(tmp_path, clock) as potluck:
        reply = asyncio.create_task(potluck.ask("ann", "go on for long"))
        await asyncio.sleep(delay)
        reply.cancel()
        await asyncio.wait([reply])
        assert (await potluck.ask("ann")).error is None, "the member is not left waiting for a ghost"
        await potluck.quiet()
        assert len(potluck.sandbox.log) == (await potluck.counted())["used"]


@pytest.mark.parametrize("rounds", [60, pytest.param(500, marks=pytest.mark.soak)])
async def test_rounds_of_five_early_cancels_leave_nothing_behind(
    tmp_path: Path, clock: VirtualClock, rounds: int
) -> None:
    async with deployment(
        tmp_path,
        clock,
        sandbox=SandboxSettings(rpm=100_000, rpd=100_000),
        env={"pool_rpm": "100000"},
    ) as potluck:
        before = len(asyncio.all_tasks())
        for number in range(rounds):
            replies = [asyncio.create_task(potluck.ask(f"m{seat}", "hello")) for seat in range(5)]
            for steps in range(number % 40):
                del steps
                await asyncio.sleep(0)
            for reply in replies:
                reply.cancel()
            await asyncio.wait(replies)
        assert (await potluck.ask("ann")).error is None
        await potluck.quiet()
        counted = await potluck.counted()
        assert counted["used"] == len(potluck.sandbox.log)
        assert len(asyncio.all_tasks()) <= before + 2, "only what the sandbox and the pool keep"
