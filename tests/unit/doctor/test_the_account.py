"""The doctor asks OpenRouter about the account, which costs no request: its key, day, balance and clock."""

from __future__ import annotations

import socket
import sqlite3
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from email.utils import formatdate

import pytest

from bot.clock import day_of
from bot.doctor.finding import stops
from bot.doctor.upstream import limits, provider_keys
from bot.openrouter.sandbox import Sandbox, SandboxSettings
from bot.openrouter.wire import KeyInfo
from bot.settings import Settings
from bot.storage.migration import migrate
from tests.fakes.upstream import Upstream, says, whole
from tests.unit.doctor.patient import CLOCK, KEY, Patient, sandboxed, telling


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
