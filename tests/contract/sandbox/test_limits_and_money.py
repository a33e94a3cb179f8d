"""The sandbox keeps OpenRouter's limits, and bills as OpenRouter does."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from bot.clock import day_of, day_start
from tests.contract.sandbox.asking import Json, Open
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual


async def until_minute(clock: VirtualClock, second: float = 0.0) -> None:
    """Wait for a second of the next clock minute."""
    await asyncio.sleep(60 - clock.now() % 60 + second)


@pytest.mark.parametrize("shapes", [2025, 2026])
async def test_the_minute_limit_holds_from_one_clock_minute_to_the_next(
    open_sandbox: Open, clock: VirtualClock, shapes: int
) -> None:
    sandbox, client = await open_sandbox(rpm=3, shapes=shapes)
    await until_minute(clock, 50)
    assert [(await client.ask()).status for _ in range(4)] == [200, 200, 200, 429]
    refused = await client.ask()
    resets_at = (clock.now() // 60 + 1) * 60
    headers = {"X-RateLimit-Limit": "3", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(resets_at * 1000))}
    assert headers.items() <= refused.headers.items()
    assert "Retry-After" not in refused.headers
    metadata = refused.error["metadata"]
    assert refused.error["message"] == "Rate limit exceeded: free-models-per-min. "
    assert (metadata["headers"], metadata["provider_name"]) == (headers, None)
    assert metadata.get("limit_source") == ("openrouter_free_tier_per_minute" if shapes == 2026 else None)
    await asyncio.sleep(9.9)
    assert (await client.ask()).status == 429, "still the same clock minute"
    await asyncio.sleep(0.1)
    assert (await client.ask()).status == 200, "ten seconds later, but another minute"
    assert sandbox.used_today == len(sandbox.log) == 7, "refused requests count towards the day"


@pytest.mark.parametrize(
    ("credits", "shapes", "says"),
    [
        ("0", 2026, "free-models-per-day. Add 10 credits to unlock 1000 free model requests per day"),
        ("10", 2026, "free-models-per-day-high-balance. "),
        ("0", 2025, "free-models-per-day. Add 10 credits to unlock 1000 free model requests per day"),
    ],
)
async def test_the_day_limit_holds_until_midnight_utc(
    open_sandbox: Open, clock: VirtualClock, credits: str, shapes: int, says: str
) -> None:
    sandbox, client = await open_sandbox(rpd=2, credits=Decimal(credits), shapes=shapes)
    assert [(await client.ask()).status for _ in range(3)] == [200, 200, 429]
    midnight = day_start(day_of(clock.now()) + 1)
    refused = await client.ask(model="sandbox/harbor-24b:free")
    assert refused.headers["X-RateLimit-Reset"] == str(int(midnight * 1000))
    assert refused.headers["X-RateLimit-Limit"] == "2"
    assert refused.error["message"] == f"Rate limit exceeded: {says}"
    assert ("limit_source" in refused.error["metadata"]) == (shapes == 2026)
    assert sandbox.used_today == 4, "used passes the limit"
    await asyncio.sleep(midnight - clock.now() - 1)
    assert (await client.ask()).status == 429
    await asyncio.sleep(1)
    assert (await client.ask()).status == 200
    assert sandbox.used_today == 1


async def test_the_keys_of_one_account_share_its_limits_and_another_account_has_its_own(open_sandbox: Open) -> None:
    _, client = await open_sandbox(rpd=1)
    assert (await client.ask(headers={"Authorization": "Bearer one"})).status == 200
    assert (await client.ask(headers={"Authorization": "Bearer two"})).status == 429
    assert (await client.ask(headers={"Authorization": "Bearer two@ann"})).status == 200


@pytest.mark.parametrize(("stale", "seen"), [(60.0, [0, 0, 2]), (0.0, [0, 2, 2])])
async def test_key_reports_the_day_as_late_as_it_is_told_to(open_sandbox: Open, stale: float, seen: list[int]) -> None:
    _, client = await open_sandbox(rpd=7, key_stale_seconds=stale)

    async def reported() -> Json:
        counts = (await client.get("/key")).json["data"]["free_model_daily_requests"]
        assert isinstance(counts, dict)
        return counts

    used = [(await reported())["used"]]
    await client.ask()
    await client.ask()
    used.append((await reported())["used"])
    await asyncio.sleep(60)
    last = await reported()
    assert [*used, last["used"]] == seen
    assert last == {"limit": 7, "used": 2, "remaining": 5}


async def test_a_paid_model_is_billed_by_its_prices_and_leaves_the_free_day_alone(open_sandbox: Open) -> None:
    sandbox, client = await open_sandbox(credits=Decimal(10))
    usage = (await client.ask(model="sandbox/summit-120b")).json["usage"]
    cost = usage["prompt_tokens"] * Decimal("0.000003") + usage["completion_tokens"] * Decimal("0.000015")
    assert usage["cost"] == pytest.approx(float(cost))
    assert sandbox.log[0].cost == cost > 0
    assert (sandbox.log[0].counted, sandbox.used_today) == (False, 0)
    balance = (await client.get("/credits")).json["data"]
    assert balance == {"total_credits": 10.0, "total_usage": float(cost)}


@pytest.mark.parametrize(
    ("credits", "spent", "model", "status"),
    [
        ("0", "0", "sandbox/summit-120b", 402),
        ("0", "0", "sandbox/harbor-24b:free", 200),
        ("5", "5.01", "sandbox/harbor-24b:free", 402),
        ("5", "4.99", "sandbox/summit-120b", 200),
    ],
)
async def test_no_money_stops_paid_models_and_debt_stops_all(
    open_sandbox: Open, credits: str, spent: str, model: str, status: int
) -> None:
    _, client = await open_sandbox(credits=Decimal(credits), spent=Decimal(spent))
    heard = await client.ask(model=model)
    assert heard.status == status
    if status == 402:
        assert heard.error["metadata"] == {"limit_source": "openrouter_credits"}


async def test_a_cut_stream_of_a_paid_model_is_billed_for_what_was_written(open_sandbox: Open) -> None:
    sandbox, client = await open_sandbox(credits=Decimal(10), seconds_per_chunk=1.0)
    response = await client.open(model="sandbox/prism-12b")
    await asyncio.sleep(10)
    response.close()
    await asyncio.sleep(5)
    cut = sandbox.log[0]
    assert 0 < cut.completion_tokens <= 10
    assert cut.cost == cut.prompt_tokens * Decimal("0.0000001") + cut.completion_tokens * Decimal("0.0000004")
