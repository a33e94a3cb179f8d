"""One process after another, with people asking all the while: each question is answered once, by either of them."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any

import aiohttp
import pytest

from bot.clock import SystemClock
from bot.openrouter.sandbox import read_log
from tests.acceptance.processes import Running, running
from tests.acceptance.test_outages import SECRET_KEY
from tests.fakes.databases import PostgresServer
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord.server import TOKEN
from tests.fakes.slack.server import FakeSlack

_ROOMS = 15
"""Discord lets a bot write so little in each."""
_IN_SLACK = 5
"""Every so many of the questions: Slack lets an app begin twenty answers a minute."""
WAITS = "waits for another process to hear no more"


class Asking:
    """People who ask in Discord and in Slack, one after the other, each a question with a name of its own."""

    def __init__(self, discord: FakeDiscord, slack: FakeSlack) -> None:
        self.discord, self.slack = discord, slack
        guild = discord.world.guild()
        self.channels = [discord.world.channel(guild, f"room-{number}") for number in range(_ROOMS)]
        self.asked: list[str] = []
        self.going = True
        self._roots: list[str] = []
        self._numbers, self._sending = count(1), set[asyncio.Task[Any]]()

    async def go_on(self, *, every: float) -> None:
        while self.going:
            number = next(self._numbers)
            name = f"dish-{number}."
            self.asked.append(name)
            if number % _IN_SLACK:
                self.discord.person(f"person{number}").mention(self.channels[number % _ROOMS], f"sandbox:echo {name}")
            else:
                person = self.slack.person(f"U{number:03}ANN")
                said = person.writes(f"{person.bot} sandbox:echo {name}")
                self._roots.append(said.root)
                self._sending.add(asyncio.create_task(person.send(said)))
            await asyncio.sleep(every)

    def shown(self) -> Counter[str]:
        """How often each question's answer stands somewhere."""
        reader = self.discord.person("reader")
        texts = [text for channel in self.channels for text in reader.reads(channel)]
        texts += [one.shown for root in self._roots for one in self.slack.thread("C1", root)]
        return Counter({name: sum(name in text for text in texts) for name in self.asked})

    async def all_shown(self, *, within: float) -> None:
        end = monotonic() + within
        while monotonic() < end and min(self.shown().values()) < 1:
            await asyncio.sleep(0.2)


async def parts(page: str) -> dict[str, str]:
    async with aiohttp.ClientSession() as http, http.get(f"{page}/readyz") as response:
        found: dict[str, str] = (await response.json())["parts"]
        return found


async def until(page: str, state: str, *, within: float = 30) -> None:
    async with asyncio.timeout(within):
        while {name: (await parts(page))[name] for name in ("discord", "slack")} != {"discord": state, "slack": state}:
            await asyncio.sleep(0.1)


async def address(process: Running) -> str:
    return (await process.line("Potluck")).split()[1]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("seconds", [2, pytest.param(30, marks=pytest.mark.soak)])
async def test_a_second_process_takes_over_from_the_first_and_no_question_is_lost_or_answered_twice(
    postgres: PostgresServer, tmp_path: Path, seconds: int
) -> None:
    clock, log = SystemClock(), tmp_path / "sandbox.log"
    slack = FakeSlack(clock)
    await slack.start()
    caps = ("--rpm", "1000", "--rpd", "1000", "--first-token", "0.2", "--per-chunk", "0.02")
    with postgres.database() as database:
        async with (
            FakeDiscord(clock) as discord,
            running("sandbox", "--port", "0", *caps, "--log", str(log), folder=tmp_path) as sandbox,
        ):
            env = {
                "OPENROUTER_API_KEY": "any",
                "OPENROUTER_BASE_URL": (await sandbox.line("OpenRouter sandbox")).split()[2],
                "DATABASE_URL": database,
                "SECRET_KEY": SECRET_KEY,
                "POOL_RPM": "1000",
                "POOL_RPD": "1000",
                "FAIR_POLICY": "fcfs",
                "WEB_PORT": "0",
                "DISCORD_TOKEN": TOKEN,
                "DISCORD_API_URL": discord.url,
                "DISCORD_GATEWAY_URL": discord.gateway_url,
                "SLACK_API_URL": slack.api_url,
                "SLACK_BOT_TOKEN": slack.world.teams["T1"].bot_token,
                "SLACK_APP_TOKEN": slack.world.app_token,
                "OPENBLAS_NUM_THREADS": "1",
            }
            asking = Asking(discord, slack)
            async with running("run", folder=tmp_path, env=env) as old:
                await until(await address(old), "ok")
                people = asyncio.create_task(asking.go_on(every=0.4))
                async with running("run", folder=tmp_path, env=env) as new:
                    page = await address(new)
                    await until(page, WAITS)
                    await asyncio.sleep(seconds)
                    assert (await parts(page))["database"] == "ok", "the page is there meanwhile"
                    old.signal(signal.SIGTERM)
                    end = await old.ended()
                    assert (end.code, "Traceback" in end.err) == (0, False), end.err
                    await until(page, "ok")
                    await asyncio.sleep(seconds)
                    asking.going = False
                    await people
                    # What Slack could deliver to neither of them, twice, it sends again a minute later.
                    await asking.all_shown(within=75)
                    new.signal(signal.SIGTERM)
                    end = await new.ended()
                    assert (end.code, "Traceback" in end.err) == (0, False), end.err
    await slack.close()
    assert {name: number for name, number in asking.shown().items() if number != 1} == {}
    attempts = read_log(log)
    assert len(attempts) == len({attempt.attempt for attempt in attempts}) == len(asking.asked)
    assert len(asking.asked) > 10, "the test is blind"
