"""After everything that can be done with keys, they stand nowhere in clear: each place is searched for each of them."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import select

from bot.commands.answer import Document
from bot.commands.command import Given
from bot.errors import LinkError
from bot.messages import CommunityId, Member
from bot.openrouter.sandbox import FaultRule, Faults, SandboxSettings
from bot.storage.keys import SqlKeys
from bot.storage.tables import own_keys
from tests.fakes.browsing import Browser, browsing
from tests.fakes.commanding import Person
from tests.fakes.databases import HOME, everything_in
from tests.fakes.deployment import Deployment
from tests.fakes.linking import ADMIN, key_of
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

POOL = "sk-or-v1-" + "0f1e2d3c4a596877" * 4
REFUSED = "sk-or-v1-" + "bad0cafe" * 8
"""The sandbox knows no key with `bad` in it."""
IN_A_MESSAGE = "sk-or-v1-" + "98ac76e054f1320d" * 4
OLGA = Member("web", "olga")
HERE, THERE = CommunityId("web:here"), CommunityId("web:there")
OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
PIECE = 12
"""So many characters of a key on end are too many; the last four may be shown."""


def pieces(key: str) -> Iterator[str]:
    """Every run of a key's own digits that would give some of it away."""
    digits = key.removeprefix("sk-or-v1-")
    return (digits[at : at + PIECE] for at in range(len(digits) - PIECE + 1))


def held_in(place: str, key: str) -> bool:
    return any(piece in place for piece in pieces(key))


def shell(folder: Path, words: str, *masters: str) -> str:
    """What `potluck admin` says, at its most talkative."""
    env = {
        **os.environ,
        "DATABASE_URL": HOME.address(folder),
        "SECRET_KEY": ",".join(masters),
        "LOG_LEVEL": "DEBUG",
        "OPENROUTER_API_KEY": POOL,
    }
    command = [sys.executable, "-m", "bot", "admin", *words.split()]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout + done.stderr


async def kept(potluck: Deployment) -> list[str]:
    """The keys, opened as the service opens them."""
    keys = SqlKeys(potluck.running.database, potluck.clock, potluck.running.secret.vault())
    opened = [await keys.get(member) for member in sorted(await keys.members(), key=lambda member: member.key)]
    return [key.get_secret_value() for key in opened if key is not None]


async def of_communities(browser: Browser, potluck: Deployment) -> list[str]:
    """Link a community by code, be refused, replace the key, have it revoked; link two of one account. The keys."""
    links = potluck.running.community_keys
    opened = await links.start_link(HERE)
    shown = await links.finish_link(HERE, await browser.member("ann").approve(opened.link, "heres"), by=ADMIN)
    first = await opened_key(potluck, HERE)
    assert shown.last_four == first[-4:]
    assert (await browser.ask("fay", community="here"))[-1][0] == "finished"
    for wrong in (REFUSED, "sk-or-heron"):
        with pytest.raises(LinkError) as failed:
            await links.link_community(HERE, SecretStr(wrong), by=ADMIN)
        assert not held_in(repr(failed.value) + repr(failed.value.__cause__) + repr(failed.value.__context__), wrong)
    second = (await key_of(potluck, "elsewheres")).get_secret_value()
    await links.link_community(HERE, SecretStr(second), by=ADMIN)
    await links.link_community(THERE, SecretStr(second), by=ADMIN)
    potluck.sandbox.revoke(second)
    assert (await browser.ask("fay", "hello again", community="here"))[-1][1]["error"] == "bad_key"
    await asyncio.sleep(90)
    assert (await browser.ask("fay", "and again", community="there"))[-1][1]["error"] == "pool_paused"
    await links.unlink_community(HERE, by=ADMIN)
    assert (await browser.ask("fay", "by everybody's", community="here"))[-1][0] == "finished"
    for path in ("/api/pool?community=there", "/api/explanation?member=fay&community=there"):
        await browser.get(path)
    third = (await key_of(potluck, "thirds")).get_secret_value()
    await links.link_community(HERE, SecretStr(third), by=ADMIN)
    return [first, second, third]


async def by_commands(potluck: Deployment) -> tuple[list[str], str]:
    """Link a community as its admin does, be refused, and have everything told and handed over. The keys; what was
    said, with the files that came of it."""
    olga = Person(potluck.running.registry, potluck.clock, OLGA, community="web:other")
    fourth, fifth = [(await key_of(potluck, name)).get_secret_value() for name in ("fourths", "fifths")]
    given: list[tuple[str, dict[str, Given]]] = [
        ("admin key add", {}),
        ("admin key paste", {"pasted": fourth}),
        ("admin key paste", {"pasted": REFUSED}),
        ("admin key paste", {"pasted": f"`{fifth}`"}),
        ("admin key paste", {"pasted": "sk-or-heron"}),
        ("key paste", {"pasted": fourth}),
        ("model set", {"model": fifth}),
        ("admin persona set", {"text": f"use {fifth}"}),
        *((words, {}) for words in ("admin key show", "key show", "admin audit list", "admin pool status")),
        *((words, {}) for words in ("admin export", "privacy export", "admin top", "quota", "pool")),
    ]
    answers = [await olga.run(words, **values) for words, values in given]
    assert [answer.ok for answer in answers].count(False) == 4
    documents = [part.content.decode() for answer in answers for part in answer.parts if isinstance(part, Document)]
    assert len(documents) == 2
    said = [olga.read(answer) + repr(answer) for answer in answers]
    return [fourth, fifth], "\n".join([*said, *documents])


async def opened_key(potluck: Deployment, community: CommunityId) -> str:
    """The key, opened as the service opens it."""
    key = await SqlKeys(potluck.running.database, potluck.clock, potluck.running.secret.vault()).get(community)
    assert key is not None
    return key.get_secret_value()


async def everything(browser: Browser, potluck: Deployment) -> list[str]:
    """Link by code and by paste, be refused, ask, fail in each way, paste a key into a message, remove. The keys."""
    ann, ben, cy, dan = (browser.member(name) for name in ("ann", "ben", "cy", "dan"))
    await ann.link("anns")
    pasted = {name: (await key_of(potluck, f"{name}s")).get_secret_value() for name in ("ben", "cy", "dan")}
    for member in (ben, cy, dan):
        assert (await member.own_key("POST", "/paste", key=pasted[member.name]))[0] == 200
    assert (await browser.member("eve").own_key("POST", "/paste", key=REFUSED))[1]["error"] == "key_refused"
    assert (await browser.member("eve").own_key("POST", "/finish", code=REFUSED))[1]["error"] == "no_link"
    keys = [POOL, REFUSED, IN_A_MESSAGE, *await kept(potluck)]
    assert {*pasted.values()} < {*keys}
    keys += await of_communities(browser, potluck)

    assert (await browser.ask("ann"))[-1][0] == "finished"
    assert (await browser.ask("ben", "sandbox:echo what do you know of me?"))[-1][0] == "finished"
    assert (await browser.ask("cy"))[-1][1]["error"] == "out_of_credit"
    potluck.sandbox.revoke(pasted["dan"])
    assert (await browser.ask("dan"))[-1][1]["error"] == "bad_key"
    assert (await browser.ask("eve", f"use {IN_A_MESSAGE} please", hold=True))[-1][1]["error"] == "bad_key"
    assert (await browser.ask("eve", "hello"))[-1][0] == "finished"

    told = [(await member.own_key())[1] for member in (ann, ben, cy, dan)]
    assert [one["works"] for one in told] == [True, True, True, False]
    assert [one["last_four"] for one in told[1:]] == [key[-4:] for key in pasted.values()]
    assert (await dan.own_key("DELETE"))[1] == {"removed": True}
    for path in ("/api/pool", "/api/turns?member=ben&conversation=c1", "/api/explanation?member=ben", "/readyz"):
        await browser.get(path)
    return keys


async def test_keys_appear_nowhere(tmp_path: Path, clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    sandbox = SandboxSettings(faults=Faults(rules=(FaultRule(fault="key_limit_402", account="cys"),)))
    potlucks = tmp_path / "potluck"
    potlucks.mkdir()
    env = {"openrouter_api_key": POOL, "log_level": "DEBUG", "owner_ids": OLGA.key}
    async with browsing(potlucks, clock, sandbox=sandbox, secret_key=OLD, **env) as (
        browser,
        potluck,
    ):
        keys = await everything(browser, potluck)
        more, told = await by_commands(potluck)
        keys[-1:-1] = more
        metrics = await browser.metrics()
        answers = browser.answers.text
        running = potluck.running
        shown = repr(running) + "".join(
            repr(vars(one)) for one in (running.own_keys, running.community_keys, running.pools)
        )
        while_it_runs = everything_in(HOME.where(potlucks))
        sealed = await potluck.running.database.read(lambda core: core.scalars(select(own_keys.c.sealed)).all())
    said = shell(potlucks, "rotate-secrets", NEW, OLD)
    assert "7 keys are encrypted" in said
    async with browsing(potlucks, clock, sandbox=sandbox, secret_key=f"{NEW},{OLD}", **env) as (
        browser,
        potluck,
    ):
        assert {*await kept(potluck)} <= {*keys}
        assert (await browser.member("ann").own_key())[1]["works"]
        here = await potluck.running.community_keys.community_key(HERE)
        assert here is not None
        assert here.last_four == keys[-1][-4:]
        answers += browser.answers.text
        copy = tmp_path / "copy"
        copy.mkdir()
        said += shell(potlucks, f"backup {copy / 'potluck.db'}", NEW, OLD)

    places = {
        "logs": caplog.text + "".join(record.exc_text or "" for record in caplog.records),
        "log records": "\n".join(repr(vars(record)) for record in caplog.records),
        "metrics": metrics,
        "what the program's objects say of themselves": shown,
        "commands of the shell": said,
        "commands of people, and files that came of them": told,
        "the database while it runs": while_it_runs,
        "the database": everything_in(HOME.where(potlucks)),
        "a backup": everything_in(copy / "potluck.db"),
        "answers": answers,
    }
    found = [(place, number) for place, text in places.items() for number, key in enumerate(keys) if held_in(text, key)]
    assert found == []
    # The control: what is looked for is found where it is allowed to be, and every place has something in it.
    assert all(places.values())
    assert held_in(f"x{POOL[20:40]}x", POOL)
    assert all(one in places["the database while it runs"] for one in sealed)
    assert not any(one in places["a backup"] for one in sealed), "sealed anew"
    assert keys[3][-4:] in answers
    assert Member("web", "ben").key in places["a backup"]
