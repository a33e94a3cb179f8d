"""The doctor finds what is wrong by real causes, says nothing where nothing is, and touches nothing."""

from __future__ import annotations

import shutil
import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from decimal import Decimal
from email.utils import formatdate
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from bot.clock import Instant, SystemClock, day_of
from bot.doctor.examine import examine
from bot.doctor.finding import Finding, stops
from bot.doctor.upstream import limits, provider_keys
from bot.messages import CommunityId, Member, ModelId
from bot.office.edits import Address, Edit, Wish, to
from bot.office.house_rules import MODELS
from bot.office.office import Office
from bot.openrouter import linking
from bot.openrouter.client import OpenRouter
from bot.openrouter.sandbox import FaultRule, Faults, Sandbox, SandboxSettings
from bot.openrouter.wire import KeyInfo
from bot.quota.ledger import PoolId
from bot.routing.access import Reach, ToCommunity, ToMember, ToRole
from bot.routing.budget import Budget, Charge, Spend, pico
from bot.routing.prices import Rates
from bot.settings import Settings
from bot.storage.access import SqlAccess
from bot.storage.database import Database
from bot.storage.keys import SqlKeys
from bot.storage.migration import migrate
from bot.storage.money import SqlMoney
from bot.storage.office import SqlArchive
from bot.vault import Vault
from tests.fakes.upstream import Upstream, says, whole

KEY = "sk-or-v1-heron"
CLOCK = SystemClock()


class Patient:
    """A folder with settings in it, and what the doctor says of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "potluck.db"
        self.env = {"DATABASE_URL": f"sqlite+aiosqlite:///{self.database}", "WEB_PORT": "0"}
        self.findings: list[Finding] = []

    async def look(
        self, *, model: str = "", community: str = "", space_wanted: int = 0, mode: int = 0o600, **env: str
    ) -> None:
        env_file = self.folder / ".env"
        env_file.write_text("".join(f"{name}={value}\n" for name, value in (self.env | env).items()))
        env_file.chmod(mode)
        wanted = ModelId(model) if model else None
        place = CommunityId(community) if community else None
        looking = examine(env_file=env_file, clock=CLOCK, model=wanted, community=place, space_wanted=space_wanted)
        self.findings = [finding async for finding in looking]
        assert KEY not in repr(self.findings)
        assert all(finding.fix for finding in self.findings if finding.level != "ok"), "each trouble has its fix"

    def __getitem__(self, check: str) -> Finding:
        (finding,) = (finding for finding in self.findings if finding.check == check)
        return finding

    def level(self, check: str) -> str:
        return self[check].level

    def levels(self, *checks: str) -> list[str]:
        return [self.level(check) for check in checks]

    def files(self) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in self.folder.iterdir() if file.name != ".env"}


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    return Patient(tmp_path)


async def test_nothing_set_is_fine_and_nothing_is_made(patient: Patient) -> None:
    await patient.look()
    assert {finding.level for finding in patient.findings} == {"ok"}
    assert not stops(patient.findings)
    assert "sandbox" in patient["OpenRouter"].found
    assert patient.files() == {}
    await patient.look(DATABASE_URL=f"sqlite+aiosqlite:///{patient.folder}/data/deep/potluck.db")
    assert not stops(patient.findings)
    assert patient.files() == {}


# --- settings --------------------------------------------------------------------------------------------


async def test_every_setting_that_cannot_be_used_is_named_and_no_value_of_a_secret(patient: Patient) -> None:
    await patient.look(OPENROUTER_API_KEY=f"'{KEY} {KEY}'", POOL_RPM="many", WEB_PORT="99999")
    assert patient.levels("OPENROUTER_API_KEY", "POOL_RPM", "WEB_PORT") == ["failure"] * 3
    assert {finding.check for finding in patient.findings} == {"OPENROUTER_API_KEY", "POOL_RPM", "WEB_PORT", ".env"}
    assert stops(patient.findings)


async def test_a_page_for_everyone_without_a_password_is_a_setting_that_cannot_be_used(patient: Patient) -> None:
    await patient.look(WEB_HOST="0.0.0.0")
    assert patient.level("WEB_HOST") == "failure"


async def test_a_secret_that_others_may_read_is_told(patient: Patient) -> None:
    await patient.look(SECRET_KEY="", WEB_TOKEN=KEY, mode=0o640)
    assert patient.level(".env") == "warning"
    assert "WEB_TOKEN" in patient[".env"].found
    assert "SECRET_KEY" not in patient[".env"].found, "it is unset"
    await patient.look(WEB_TOKEN=KEY, mode=0o600)
    assert patient.level(".env") == "ok"
    await patient.look(mode=0o644)
    assert all(finding.check != ".env" for finding in patient.findings), "it holds no secret"


# --- the database ----------------------------------------------------------------------------------------


async def test_a_database_of_ours_is_read_and_not_touched(patient: Patient) -> None:
    migrate(patient.database)
    with closing(sqlite3.connect(patient.database)) as db:
        db.execute("PRAGMA journal_mode=WAL")  # as a service leaves it
    before = patient.files()
    await patient.look()
    assert patient.level("database") == "ok"
    assert "version" in patient["database"].found
    assert patient.files() == before


async def test_what_a_crash_left_in_the_journal_is_read_and_not_touched(patient: Patient, tmp_path: Path) -> None:
    living = tmp_path / "living" / "potluck.db"
    migrate(living)
    with closing(sqlite3.connect(living, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("UPDATE alembic_version SET version_num = '9999'")
        for name in ("potluck.db", "potluck.db-wal"):
            shutil.copy(living.with_name(name), patient.folder / name)
    shutil.rmtree(living.parent)
    before = patient.files()
    await patient.look()
    assert "newer" in patient["database"].found
    assert {name: data for name, data in patient.files().items() if name in before} == before


async def _altered(patient: Patient, *statements: str) -> str:
    """What is found of a database after some SQL. Asserts that it is a failure."""
    with closing(sqlite3.connect(patient.database, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)
    await patient.look()
    assert patient.level("database") == "failure"
    assert stops(patient.findings)
    return patient["database"].found


async def test_a_database_of_a_newer_potluck(patient: Patient) -> None:
    migrate(patient.database)
    assert "newer" in await _altered(patient, "UPDATE alembic_version SET version_num = '9999'")


async def test_a_database_of_another_program(patient: Patient) -> None:
    assert "another program" in await _altered(patient, "CREATE TABLE notes (text)")
    statements = ("CREATE TABLE alembic_version (version_num)", "INSERT INTO alembic_version VALUES ('abc')")
    assert "another program" in await _altered(patient, *statements)


async def test_a_file_that_is_no_database(patient: Patient) -> None:
    patient.database.write_bytes(b"all sorts of things" * 100)
    assert "not a database" in await _altered(patient)
    patient.database.unlink()
    patient.database.mkdir()
    await patient.look()
    assert patient.level("database") == "failure"


async def test_an_empty_file_and_an_older_database_will_do(patient: Patient) -> None:
    patient.database.touch()
    await patient.look()
    assert patient.level("database") == "ok"
    migrate(patient.database)
    with closing(sqlite3.connect(patient.database)) as db, db:
        db.execute("DELETE FROM alembic_version")
    await patient.look()
    assert "brings it up to date" in patient["database"].found


async def test_a_database_in_a_folder_that_is_a_file(patient: Patient) -> None:
    (patient.folder / "data").touch()
    await patient.look(DATABASE_URL=f"sqlite+aiosqlite:///{patient.folder}/data/potluck.db")
    assert patient.level("database") == "failure"


async def test_room_on_the_disk(patient: Patient) -> None:
    free = shutil.disk_usage(patient.folder).free
    for wanted, level in ((free // 2, "ok"), (free * 2, "warning"), (free * 20, "failure")):
        await patient.look(space_wanted=wanted)
        assert patient.level("disk") == level


# --- OpenRouter ------------------------------------------------------------------------------------------


async def test_a_key_that_works_costs_nothing_to_look_at(patient: Patient) -> None:
    sandbox = Sandbox(SandboxSettings(), CLOCK)
    url = await sandbox.start()
    try:
        await patient.look(OPENROUTER_API_KEY=KEY, OPENROUTER_BASE_URL=url, POOL_RPM="60")
        assert {finding.level for finding in patient.findings} == {"ok"}
        assert "0 of today's 50" in patient["OpenRouter"].found
        assert "50 a day" in patient["POOL_RPD"].found
        assert "openrouter/free" in patient["models"].found
        assert patient.level("clock") == "ok"
        assert sandbox.log == [], "no model was asked"

        await patient.look(OPENROUTER_API_KEY=KEY, OPENROUTER_BASE_URL=url, POOL_RPD="1000")
        assert patient.level("POOL_RPD") == "warning"
        assert not stops(patient.findings)

        await patient.look(OPENROUTER_API_KEY=KEY, OPENROUTER_BASE_URL=url, model="sandbox/meadow-8b:free")
        assert "8,192 tokens" in patient["sandbox/meadow-8b:free"].found
        await patient.look(OPENROUTER_API_KEY=KEY, OPENROUTER_BASE_URL=url, model="sandbox/none")
        assert patient.level("sandbox/none") == "failure"

        await patient.look(OPENROUTER_API_KEY=f"bad-{KEY}", OPENROUTER_BASE_URL=url)
        assert patient.level("OpenRouter") == "failure"
        assert "key" in patient["OpenRouter"].found
    finally:
        await sandbox.close()


async def test_nobody_answers(patient: Patient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    await patient.look(OPENROUTER_API_KEY=KEY, OPENROUTER_BASE_URL=f"http://127.0.0.1:{port}/api/v1")
    assert patient.level("OpenRouter") == "failure"
    assert "cannot be reached" in patient["OpenRouter"].found


ACCOUNT = {"data": {"is_free_tier": False, "free_model_daily_requests": {"used": 3, "limit": 50, "remaining": 47}}}


async def _told(patient: Patient, status: int, body: object, **headers: str) -> None:
    assert isinstance(body, dict)
    async with Upstream(says(whole(status, body, **headers))) as upstream:
        await patient.look(OPENROUTER_API_KEY=KEY, OPENROUTER_BASE_URL=upstream.base_url)


async def test_an_account_that_can_answer_nothing_now(patient: Patient) -> None:
    free = {"used": 51, "limit": 50, "remaining": 0}
    await _told(patient, 200, {"data": {"free_model_daily_requests": free, "limit_remaining": 1.5}})
    assert patient.level("OpenRouter") == "warning"
    assert "1.50 USD" in patient["OpenRouter"].found
    await _told(patient, 402, {"error": {"code": 402, "message": "Insufficient credits"}})
    assert patient.level("OpenRouter") == "failure"


async def test_an_account_that_says_nothing_is_only_a_warning(patient: Patient) -> None:
    await _told(patient, 404, {"error": {"code": 404, "message": "Not found"}})
    assert patient.levels("OpenRouter", "POOL_RPD") == ["warning", "warning"]
    assert not stops(patient.findings)


@pytest.mark.parametrize(
    ("off", "level"), [(0, "ok"), (10, "warning"), (-10, "warning"), (100, "failure"), (-100, "failure")]
)
async def test_the_clock_is_held_against_openrouters(patient: Patient, off: float, level: str) -> None:
    await _told(patient, 200, ACCOUNT, date=formatdate(CLOCK.now() - off, usegmt=True))
    assert patient.level("clock") == level
    assert ("ahead" in patient["clock"].found) is (off > 0)
    assert ("behind" in patient["clock"].found) is (off < 0)


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Nov 2026 25:00:00 GMT"])
async def test_a_date_that_is_none_says_nothing_of_the_clock(patient: Patient, date: str) -> None:
    await _told(patient, 200, ACCOUNT, date=date)
    assert all(finding.check != "clock" for finding in patient.findings)
    assert patient.level("OpenRouter") == "ok"


def test_more_a_minute_than_openrouter_starts_is_told_of_the_real_one() -> None:
    account = KeyInfo(
        free_used=0, free_limit=50, free_remaining=50, limit_usd=None, limit_remaining_usd=None, is_free_tier=True
    )

    def warned(rpm: int, url: str) -> bool:
        settings = Settings.model_validate({"pool_rpm": rpm, "openrouter_base_url": url})
        return any(finding.check == "POOL_RPM" for finding in limits(settings, account))

    assert warned(21, "https://openrouter.ai/api/v1")
    assert not warned(20, "https://openrouter.ai/api/v1")
    assert not warned(21, "http://127.0.0.1:8090/api/v1")


@asynccontextmanager
async def sandboxed(patient: Patient, sandbox: SandboxSettings, *, preferred: str = "") -> AsyncIterator[Sandbox]:
    """The patient has been looked at with this sandbox for OpenRouter; it costs no request."""
    upstream = Sandbox(sandbox, CLOCK)
    try:
        url = await upstream.start()
        await patient.look(OPENROUTER_API_KEY=KEY, OPENROUTER_BASE_URL=url, FREE_MODELS=preferred)
        yield upstream
        assert upstream.log == []
    finally:
        await upstream.close()


def telling(name: str, path: str) -> SandboxSettings:
    return SandboxSettings(faults=Faults(rules=(FaultRule(fault=name, path=path),)))


async def test_privacy_settings_that_forbid_every_free_model(patient: Patient) -> None:
    async with sandboxed(patient, SandboxSettings(free_models=False)):
        assert patient.level("models") == "failure"
        assert "no free model is routable" in patient["models"].found
        assert "settings/privacy" in patient["models"].fix
    async with sandboxed(patient, SandboxSettings()):
        assert patient.level("models") == "ok"
        assert "sandbox/meadow-8b:free" in patient["models"].found, "they are named"


@pytest.mark.parametrize(
    ("sandbox", "level"),
    [
        pytest.param(SandboxSettings(credits=Decimal(5), spent=Decimal("6.5")), "failure", id="negative"),
        pytest.param(SandboxSettings(credits=Decimal(5), spent=Decimal(5)), "ok", id="zero"),
        pytest.param(SandboxSettings(credits_readable=False), "ok", id="not for this key"),
        pytest.param(telling("credits_empty", "/credits"), "ok", id="says nothing"),
    ],
)
async def test_the_sign_of_the_balance(patient: Patient, sandbox: SandboxSettings, level: str) -> None:
    async with sandboxed(patient, sandbox):
        assert patient.level("balance") == level
        assert ("-1.50" in patient["balance"].found) is (level == "failure")


async def test_use_by_other_programs(patient: Patient) -> None:
    migrate(patient.database)
    async with sandboxed(patient, telling("key_used_elsewhere", "/key")):
        assert patient.level("shared use") == "warning"
        assert patient["shared use"].found.startswith("10 of today's 10")
    with closing(sqlite3.connect(patient.database)) as db, db:
        db.execute("INSERT INTO pool_days (pool, day, used) VALUES ('default', ?, 12)", (day_of(CLOCK.now()),))
    async with sandboxed(patient, telling("key_used_elsewhere", "/key")):
        assert patient.level("shared use") == "ok", "all of it was ours"


async def test_preferred_models_and_those_that_are_gone(patient: Patient) -> None:
    async with sandboxed(patient, SandboxSettings(), preferred="sandbox/meadow-8b:free"):
        assert patient.level("FREE_MODELS") == "ok"
        assert "8,192 tokens fit all" in patient["FREE_MODELS"].found
    async with sandboxed(patient, SandboxSettings(), preferred="sandbox/meadow-8b:free,sandbox/bygone-7b:free"):
        assert patient.level("FREE_MODELS") == "warning"
        assert "bygone" in patient["FREE_MODELS"].found
        assert "meadow" not in patient["FREE_MODELS"].found


@pytest.mark.parametrize(
    ("model", "level", "said"),
    [
        ("openrouter/free", "ok", "everyone's default"),
        ("sandbox/meadow-8b:free", "ok", "everyone may ask"),
        ("sandbox/lantern-70b", "warning", "USD per million"),
        ("sandbox/lantern-70b", "warning", "open to nobody"),
        ("sandbox/lantern-70b", "warning", "paid lane: 0.60 USD per million tokens of a question, 2.40 of an answer"),
        ("openrouter/auto", "warning", "only a grant with a ceiling"),
        ("sandbox/ember-3b:free", "warning", "it has been withdrawn"),
        ("sandbox/cloak-preview", "warning", "(nothing, for now)"),
        ("sandbox/lantern-70b:online", "failure", "a web search, which costs"),
        ("sandbox/lantern-70b:floor", "failure", "the cheapest provider, which still costs"),
        ("sandbox/lantern-70b:new", "failure", "no variant that is listed"),
        ("@preset/mine", "failure", "any model at any price"),
        ("~sandbox/lantern-latest", "failure", "whichever model is newest"),
        ("sandbox/gatekeeper-4b:free", "warning", "passes judgement"),
        ("sandbox/none", "failure", "not among"),
    ],
)
async def test_any_model_by_name(patient: Patient, model: str, level: str, said: str) -> None:
    sandbox = Sandbox(SandboxSettings(), CLOCK)
    try:
        await patient.look(OPENROUTER_API_KEY=KEY, OPENROUTER_BASE_URL=await sandbox.start(), model=model)
    finally:
        await sandbox.close()
    assert patient.level(model) == level
    assert said in patient[model].found


# --- communities' own keys -------------------------------------------------------------------------------

MASTER, LATER = Fernet.generate_key(), Fernet.generate_key()


async def test_communities_keys_are_read_and_asked_about(patient: Patient) -> None:
    migrate(patient.database)
    database = Database(patient.database, CLOCK)
    await database.open()
    kept = SqlKeys(database, CLOCK, Vault([MASTER]))
    upstream = Sandbox(SandboxSettings(), CLOCK)
    url = await upstream.start()
    try:
        await patient.look(SECRET_KEY=MASTER.decode(), OPENROUTER_API_KEY=KEY, OPENROUTER_BASE_URL=url)
        assert all(finding.check != "community keys" for finding in patient.findings), "there are none"
        await kept.put(CommunityId("discord:1"), SecretStr(f"{KEY}-1"), pool=PoolId("account:1"))
        await kept.put(CommunityId("discord:2"), SecretStr(f"{KEY}-2"), pool=PoolId("account:2"))
        await patient.look(
            SECRET_KEY=f"{LATER.decode()},{MASTER.decode()}", OPENROUTER_API_KEY=KEY, OPENROUTER_BASE_URL=url
        )
        assert patient.level("community keys") == "ok"
        upstream.revoke(f"{KEY}-2")
        await patient.look(SECRET_KEY=MASTER.decode(), OPENROUTER_API_KEY=KEY, OPENROUTER_BASE_URL=url)
        assert patient.level("community keys") == "warning"
        assert "discord:2" in patient["community keys"].found
        assert "discord:1" not in patient["community keys"].found
        await patient.look(SECRET_KEY=LATER.decode(), OPENROUTER_API_KEY=KEY, OPENROUTER_BASE_URL=url)
        assert "2 of 2 cannot be read" in patient["community keys"].found
        assert not stops(patient.findings)
        await patient.look(OPENROUTER_API_KEY=KEY, OPENROUTER_BASE_URL=url)
        assert "2 of 2 cannot be read" in patient["community keys"].found
        assert "potluck.key" not in patient.files(), "nothing is made"
    finally:
        await upstream.close()
        await database.close()


async def _key_of(sandbox: Sandbox, url: str, account: str) -> SecretStr:
    verifier = linking.verifier(account.encode().ljust(32, b"."))
    client = OpenRouter(base_url=url, api_key="x", clock=CLOCK)
    try:
        return await client.exchange_code(sandbox.grant(linking.challenge(verifier), account=account), verifier)
    finally:
        await client.close()


async def test_a_model_is_told_by_the_account_that_a_community_draws_on(patient: Patient) -> None:
    """What is open on everybody's account is nothing to a community with one of its own, and the other way round."""
    migrate(patient.database)
    database, upstream = Database(patient.database, CLOCK), Sandbox(SandboxSettings(), CLOCK)
    await database.open()
    url, paid = await upstream.start(), "sandbox/lantern-70b"
    ours, shared, poor = CommunityId("discord:1"), CommunityId("discord:2"), CommunityId("discord:3")

    async def asked(community: str = "", *, secret: bytes = MASTER) -> None:
        env = {"SECRET_KEY": secret.decode(), "OPENROUTER_API_KEY": KEY, "OPENROUTER_BASE_URL": url}
        await patient.look(model=paid, community=community, space_wanted=0, mode=0o600, **env)

    try:
        kept, key = SqlKeys(database, CLOCK, Vault([MASTER])), await _key_of(upstream, url, "theirs")
        await kept.put(ours, key, pool=PoolId("account:1"))
        await kept.put(shared, SecretStr(f"{KEY}-2"), pool=PoolId("account:2"))
        for account, who in ((PoolId("account:1"), ours), (PoolId("default"), poor)):
            await SqlAccess(database, account).add(allows=True, to=ToCommunity(who), reach=Reach())
            limit = Budget(account=account, member=None, community=None, period="month", limit=pico(Decimal(5)))
            await SqlMoney(database, CLOCK).set_budget(limit)
        told = {}
        for community in (ours, shared, poor):
            await asked(community)
            rules = [one.check for one in patient.findings if one.check.startswith("rule")]
            told[community] = (patient.level(paid), rules, patient[f"community {community}"].found)
        assert told[ours][:2] == ("ok", ["rule 1"])
        assert "an account of its own" in told[ours][2]
        assert told[shared][:2] == ("warning", []), "the account is everybody's, where nothing is open to it"
        assert "that everybody shares" in told[shared][2]
        assert told[poor][:2] == ("ok", ["rule 2"])
        await asked()
        assert patient["communities"].found.startswith("2 have an account of their own")
        upstream.revoke(key.get_secret_value())
        await asked(ours)
        assert patient.level(f"community {ours}") == "warning"
        await asked(ours, secret=LATER)
        assert "cannot be read" in patient[f"community {ours}"].found
        office = Office(SqlArchive(database, CLOCK))
        hide = Edit(Address("models", poor, MODELS), to({"hidden": [paid]}))
        await office.change(Wish(by=Member("web", "ada"), community=poor, command="hide"), [hide])
        await asked(poor)
        assert "hidden" in patient[paid].found
        assert not stops(patient.findings)
    finally:
        await upstream.close()
        await database.close()


# --- the web page ----------------------------------------------------------------------------------------


async def test_a_port_that_is_taken(patient: Patient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        taken.close()
        await patient.look(WEB_PORT=port)
        assert patient.level("web page") == "ok"
    async with Upstream(says(whole(200, b"<h1>It works!</h1>", "text/html"))) as other:
        await patient.look(WEB_PORT=str(other.port))
        assert patient.level("web page") == "failure"
        assert "another program" in patient["web page"].found
    async with Upstream(says(whole(200, {"live": True}))) as other:
        await patient.look(WEB_PORT=str(other.port))
        assert patient.level("web page") == "failure", "it is not the Potluck of this database"
        assert "another Potluck" in patient["web page"].found


async def test_an_address_that_is_not_this_machines(patient: Patient) -> None:
    await patient.look(WEB_HOST="192.0.2.1", WEB_PORT="8080", WEB_TOKEN=KEY)
    assert patient.level("web page") == "failure"


async def test_a_token_that_could_be_guessed(patient: Patient) -> None:
    await patient.look(WEB_TOKEN="heron")
    assert patient.level("web access") == "warning"
    assert "heron" not in repr(patient.findings)
    await patient.look(WEB_TOKEN="heron" * 4)
    assert patient.level("web access") == "ok"


async def test_a_model_that_the_accounts_settings_leave_out_is_told_apart_from_none(patient: Patient) -> None:
    sandbox = Sandbox(SandboxSettings(free_models=False), CLOCK)
    try:
        url = await sandbox.start()
        await patient.look(OPENROUTER_API_KEY=KEY, OPENROUTER_BASE_URL=url, model="sandbox/meadow-8b:free")
    finally:
        await sandbox.close()
    assert patient.level("sandbox/meadow-8b:free") == "failure"
    assert "privacy or provider settings at OpenRouter leave it out" in patient["sandbox/meadow-8b:free"].found


async def test_who_may_use_a_model_that_costs_and_what_is_left_for_it(patient: Patient) -> None:
    migrate(patient.database)
    database = Database(patient.database, CLOCK)
    await database.open()
    ann, ben, web, over = Member("web", "ann"), Member("web", "ben"), CommunityId("web"), Instant(1_000_000_000)
    other, account = Reach(models=frozenset({ModelId("sandbox/other")})), PoolId("default")
    low, high = (Reach(ceiling=Rates.per_million(Decimal(most), Decimal(5))) for most in ("0.1", "1"))
    try:
        access, money = SqlAccess(database, account), SqlMoney(database, CLOCK)
        await access.add(allows=True, to=ToMember(ann, web), reach=high)
        await access.add(allows=True, to=ToRole(CommunityId("discord:1"), "77"), reach=Reach(), ends_at=over)
        await access.add(allows=True, to=ToCommunity(CommunityId("slack:T1")), reach=low)
        await access.add(allows=True, to=ToMember(ben), reach=other)
        await access.add(allows=False, to=ToMember(ben), reach=low)
        await access.add(allows=False, to=ToMember(ann), reach=other)
        limit = pico(Decimal(5))
        await money.set_budget(Budget(account=account, member=None, community=None, period="month", limit=limit))
        spend = Spend(account=account, member=ann, community=web, model=ModelId("x/y"), most=pico(Decimal(2)))
        charge = await money.reserve(spend)
        assert isinstance(charge, Charge)
        await money.settle(charge, pico(Decimal("1.25")))
    finally:
        await database.close()
    before = patient.files()
    sandbox = Sandbox(SandboxSettings(), CLOCK)
    try:
        url = await sandbox.start()
        await patient.look(OPENROUTER_API_KEY=KEY, OPENROUTER_BASE_URL=url, model="sandbox/lantern-70b")
        assert patient.level("sandbox/lantern-70b") == "ok"
        told = {one.check: one.found for one in patient.findings if one.check.startswith(("rule", "budget"))}
        role = "open to the full members with role 77 of discord:1, until 2001-09-09"
        assert told == {
            "rule 1": "open to web:ann in web, up to 1.00/5.00 USD",
            "rule 2": f"{role}: not this model, since it has ended",
            "rule 3": "open to the full members of slack:T1, up to 0.10/5.00 USD: "
            "not this model, which is dearer than its ceiling",
            "rule 5": "closed to web:ben, above 0.10/5.00 USD",
            "budget": "all together has 3.75 of 5.00 USD left this month",
        }
        await patient.look(OPENROUTER_API_KEY=KEY, OPENROUTER_BASE_URL=url, model="openrouter/auto")
        assert patient.level("openrouter/auto") == "ok", "Ann has a ceiling"
    finally:
        await sandbox.close()
    assert patient.files() == before, "nothing was touched"


# --- providers' own keys ---------------------------------------------------------------------------------


async def test_what_went_by_providers_keys_is_told_with_an_estimate_of_the_fee(patient: Patient) -> None:
    info = KeyInfo(
        free_used=None,
        free_limit=None,
        free_remaining=None,
        limit_usd=None,
        limit_remaining_usd=None,
        is_free_tier=None,
        byok_month_usd=Decimal(30_000),
    )
    (found,) = provider_keys(info, Settings())
    assert "30,000.00 USD" in found.found
    assert "about 250.00 USD, an estimate by OpenRouter's rule of August 2026" in found.found
    (other,) = provider_keys(info, Settings(byok_free_usd=Decimal(200_000)))
    assert "170,000.00 of 200,000 are left" in other.found
    assert "BYOK_FREE_USD" in other.found
    assert list(provider_keys(replace(info, byok_month_usd=Decimal(0)), Settings())) == []
    assert list(provider_keys(replace(info, byok_month_usd=None), Settings())) == []
