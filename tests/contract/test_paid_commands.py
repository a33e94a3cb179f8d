"""`potluck admin paid`: what it keeps is what the service reads."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.fernet import Fernet
from pydantic import SecretStr

from bot.__main__ import main
from bot.clock import Instant, SystemClock
from bot.messages import CommunityId, Member, ModelId
from bot.quota.ledger import PoolId
from bot.routing.access import Reach, Rule, RuleId, ToCommunity, ToMember
from bot.routing.budget import PICO, Budget, Pico
from bot.routing.prices import Rates
from bot.storage.access import SqlAccess
from bot.storage.database import Database
from bot.storage.keys import SqlKeys
from bot.storage.money import SqlMoney
from bot.vault import Vault

ACCOUNT = PoolId("sandbox")
ANN = Member("discord", "123")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path / 'pot.db'}")
    monkeypatch.delenv("OPENROUTER_API_KEY", raising=False)
    return tmp_path


def run(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["admin", "paid", *words])
    assert done.exit_code == code, done.output
    return done.output


def kept(folder: Path) -> tuple[list[Rule], list[Budget]]:
    async def read() -> tuple[list[Rule], list[Budget]]:
        clock = SystemClock()
        database = Database(folder / "pot.db", clock)
        await database.open()
        try:
            access = SqlAccess(database, ACCOUNT)
            await access.load()
            return list(access.rules), list(await SqlMoney(database, clock).budgets(ACCOUNT))
        finally:
            await database.close()

    return asyncio.run(read())


def test_rules_and_budgets(home: Path) -> None:
    run("allow", ANN.key, "--model", "m/a", "--model", "m/b", "--until", "2027-01-01")
    run("deny", "community:discord:9", "--ceiling", "1/5")
    run("budget", "2.50")
    run("budget", "0.1", "--per", "day", "--member", "each", "--community", "discord:9")
    rules, budgets = kept(home)
    assert rules == [
        Rule(
            id=RuleId(1),
            allows=True,
            to=ToMember(ANN),
            reach=Reach(models=frozenset({ModelId("m/a"), ModelId("m/b")})),
            ends_at=Instant(1_798_761_600.0),
        ),
        Rule(
            id=RuleId(2),
            allows=False,
            to=ToCommunity(CommunityId("discord:9")),
            reach=Reach(ceiling=Rates.per_million(Decimal(1), Decimal(5))),
        ),
    ]
    place = CommunityId("discord:9")
    wanted = [
        Budget(account=ACCOUNT, member=None, community=None, period="month", limit=Pico(5 * PICO // 2)),
        Budget(account=ACCOUNT, member="each", community=place, period="day", limit=Pico(PICO // 10)),
    ]
    assert sorted(budgets, key=str) == sorted(wanted, key=str)
    listed = run("list")
    assert "1: allow discord:123 m/a, m/b until 2027-01-01" in listed
    assert "2: deny community:discord:9 every model with 1.00/5.00 as ceiling" in listed
    assert "budget: 2.5" in listed
    run("forget", "1")
    assert [rule.id for rule in kept(home)[0]] == [2]


@pytest.mark.parametrize(
    "words",
    [
        ("allow", "nobody"),
        ("allow", ANN.key, "--ceiling", "cheap"),
        ("allow", ANN.key, "--ceiling", "1"),
        ("budget", "-1"),
        ("budget", "2000000"),
        ("budget", "1", "--member", "nobody"),
        ("forget", "7"),
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_refused(words: tuple[str, ...]) -> None:
    run(*words, code=2)


def test_the_account_of_a_community(home: Path) -> None:
    async def link() -> None:
        clock = SystemClock()
        database = Database(home / "pot.db", clock)
        await database.open()
        try:
            keys = SqlKeys(database, clock, Vault([Fernet.generate_key()]))
            await keys.put(CommunityId("discord:9"), SecretStr("sk-or-x"), pool=PoolId("account:1"))
        finally:
            await database.close()

    assert "linked no account" in run("--of", "discord:9", "budget", "1", code=2)
    asyncio.run(link())
    run("--of", "discord:9", "budget", "1")
    run("--of", "discord:9", "allow", "community:discord:9")
    assert kept(home) == ([], []), "nothing of everybody's"
    assert "1" in run("--of", "discord:9", "list")
