"""Sharing as the page gets it: a flood beside a polite member, the reasons in words, a held answer that comes later."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bot.clock import DAY
from bot.messages import CommunityId, Member
from bot.openrouter.sandbox import SandboxSettings
from tests.fakes.browsing import Browser, browsing
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

FAIR = {"fair_policy": "fair", "promise_units": "0"}
SMALL = SandboxSettings(rpd=20)


async def most_turns_waited(folder: Path, clock: VirtualClock, **env: str) -> int:
    """On busy minutes: how many of a flood's questions at most went before a polite member's that was asked earlier."""
    wide = SandboxSettings(rpm=1000, rpd=1000)
    async with browsing(folder, clock, sandbox=wide, pool_rpm="4", **env) as (browser, potluck):
        flood = []
        for number in range(60):
            asking = browser.ask("flood", conversation=f"f{number}")
            flood.append(asyncio.create_task(asking, name=f"flood {number}"))
            if number < 4:
                await asyncio.sleep(10)  # so that whenever the minute opens again, the flood is ready for it
        await asyncio.sleep(130)
        log, most = potluck.sandbox.log, 0
        flooder = log[0].user
        for conversation in "abcdef":
            assert not all(question.done() for question in flood), "it floods to the end"
            before = len(log)
            heard = await browser.ask("polite", conversation=conversation)
            assert heard[-1][0] == "finished"
            since = [attempt.user == flooder for attempt in log[before:]]
            most = max(most, since.index(False))
            if most > 1:
                break
            await asyncio.sleep(70)
        for question in flood:
            question.cancel()
        await asyncio.wait(flood)
        await asyncio.sleep(2)
        await potluck.quiet()
        return most


async def test_a_polite_member_waits_behind_at_most_one_turn_of_a_flood(tmp_path: Path, clock: VirtualClock) -> None:
    assert await most_turns_waited(tmp_path, clock, **FAIR) <= 1


async def test_first_come_lets_the_flood_go_first(tmp_path: Path, clock: VirtualClock) -> None:
    """The control: the same minutes without turns."""
    assert await most_turns_waited(tmp_path, clock) > 1


async def refused(browser: Browser, member: str, **more: Any) -> dict[str, Any]:
    """Ask until the share is taken; the refusal."""
    while True:
        name, told = (await browser.ask(member, **more))[-1]
        if name != "finished":
            assert (name, told["error"]) == ("failed", "daily_share_spent")
            return dict(told)


async def test_the_page_says_why_in_words_and_as_the_data_that_decided(tmp_path: Path, clock: VirtualClock) -> None:
    async with browsing(tmp_path, clock, sandbox=SMALL, **FAIR) as (browser, potluck):
        await browser.ask("ben")
        await asyncio.sleep(DAY)
        await browser.ask("ben")
        failed = await refused(browser, "ann")
        assert "had your share" in failed["message"]
        assert failed["may_hold"]
        told = await browser.get("/api/explanation?member=ann")
        decision = potluck.running.scheduler.decision(Member("web", "ann"), CommunityId("web"))
        assert decision is not None
        data = told["decision"]
        assert data["verdict"] == decision.verdict == "above_level"
        assert data["level"] == round(decision.level, 2)
        assert data["taken"] == decision.taken == failed["share"]["used"]
        assert data["left"] == decision.left > 0
        assert data["held_back_for_others"] == decision.held_back_for_others > 0
        assert data["resets_at"] == failed["resets_at"]
        assert [day["day"] for day in data["days"]] == ["2026-09-21"], "the invented day is no day that was looked at"
        assert told["message"].startswith("Not now: what is left is kept for others")
        said = {point["about"]: point["message"] for point in told["points"]}
        assert f"You have taken {decision.taken} today" in said["Your share"]
        assert f"{decision.left} requests are left for everyone" in said["The pool"]
        assert "one earlier day" in said["How it knows"]
        assert "let wait" in said["Waiting"] or "let a question wait" in said["Waiting"]
        assert "tomorrow at 00:00" in said["Fresh start"]
        ben = await browser.get("/api/explanation?member=cy")
        assert ben["message"] == "There is room for your next question."
        sent = len(potluck.sandbox.log)
        await browser.get("/api/explanation?member=ann")
        assert len(potluck.sandbox.log) == sent, "asking why costs nothing"


async def test_first_come_has_nothing_to_explain_but_that(tmp_path: Path, clock: VirtualClock) -> None:
    async with browsing(tmp_path, clock) as (browser, _):
        told = await browser.get("/api/explanation?member=ann")
        assert "first come, first served" in told["message"]
        assert told["decision"] is None


async def test_a_held_answer_arrives_after_a_restart(tmp_path: Path, clock: VirtualClock) -> None:
    async with browsing(tmp_path, clock, sandbox=SMALL, **FAIR) as (browser, _):
        await refused(browser, "ann")
        name, held = (await browser.ask("ann", "sandbox:echo the heron", hold=True))[-1]
        assert name == "held"
        assert held["estimate_at"] is not None
        ending, told = (await browser.ask("ben", "what is a potluck?"))[-1]
        assert (ending, told["share"]["used"]) == ("finished", 1), "others go on meanwhile"
    async with browsing(tmp_path, clock, sandbox=SMALL, **FAIR) as (browser, potluck):
        heard = await browser.follow(held["ticket"])
        assert heard[-1][0] == "finished"
        assert "the heron" in "".join(data["text"] for event, data in heard if event == "delta")
        turns = (await browser.get("/api/turns?member=ann&conversation=c1"))["turns"]
        assert [turn["question"] for turn in turns].count("sandbox:echo the heron") == 1
        assert turns[-1]["whole"]
        assert len(potluck.sandbox.log) == 1
        await potluck.quiet()
    async with browsing(tmp_path, clock, sandbox=SMALL, **FAIR) as (browser, potluck):
        assert [event for event, _ in await browser.follow(held["ticket"])][-1] == "finished"
        assert not potluck.sandbox.log, "told again, not asked again"


async def test_a_held_question_is_given_up_or_ends_the_day_with_a_word(tmp_path: Path, clock: VirtualClock) -> None:
    async with browsing(tmp_path, clock, sandbox=SandboxSettings(rpd=6), **FAIR) as (browser, _):
        await refused(browser, "ann")
        tickets = [(await browser.ask("ann", hold=True))[-1][1]["ticket"] for _ in range(2)]
        assert await browser.give_up(tickets[0]) == 200
        assert await browser.give_up(tickets[0]) == 404
        assert (await browser.follow(tickets[0]))[-1][1]["error"] == "stopped"
        others = (f"m{number}" for number in range(60))
        while (await browser.get("/api/pool"))["used"] < 6:
            await browser.ask(next(others))
        told = (await browser.follow(tickets[1]))[-1][1]
        assert told["error"] == "hold_expired"
        assert told["message"].startswith("There was no room for your question")
        assert "Please ask it again." in told["message"]
