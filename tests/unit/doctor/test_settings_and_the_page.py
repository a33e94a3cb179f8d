"""The doctor finds what is wrong with settings and with the page's address, and makes nothing."""

from __future__ import annotations

import socket

from bot.doctor.finding import stops
from tests.fakes.upstream import Upstream, says, whole
from tests.unit.doctor.patient import KEY, Patient


async def test_nothing_set_is_fine_and_nothing_is_made(patient: Patient) -> None:
    await patient.look()
    assert {finding.level for finding in patient.findings} == {"ok"}
    assert not stops(patient.findings)
    assert "sandbox" in patient["OpenRouter"].found
    assert patient.files() == {}
    await patient.look(DATABASE_URL=f"sqlite+aiosqlite:///{patient.folder}/data/deep/potluck.db")
    assert not stops(patient.findings)
    assert patient.files() == {}


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
