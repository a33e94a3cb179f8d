"""What an account is told can be changed, and what is believed of OpenRouter turned round."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest

from bot.openrouter.sandbox import TELLINGS, Beliefs, FaultRule, Faults, Sandbox
from tests.contract.sandbox_accounts.asking import FREE, Client, Json, Open

pytestmark = pytest.mark.virtual


@pytest.mark.parametrize(("path", "name"), [(path, name) for path, names in TELLINGS.items() for name in names])
async def test_a_telling_changes_what_is_told_by_header_and_by_script(open_sandbox: Open, path: str, name: str) -> None:
    rules = Faults(rules=(FaultRule(fault=name, path=path, at=(2,)),))
    _, client = await open_sandbox(faults=rules, rpd=60)
    await client.ask()
    plain, scripted = await client.get(path), await client.get(path)
    named = await client.get(path, fault=name)
    assert plain.status == scripted.status == 200
    assert plain.json != scripted.json == named.json


async def test_tellings_say_what_their_names_do(open_sandbox: Open) -> None:
    _, client = await open_sandbox(rpd=60)
    for _ in range(3):
        await client.ask()

    async def count(fault: str | None) -> Json:
        counted = (await client.get("/key", fault=fault)).data["free_model_daily_requests"]
        assert isinstance(counted, dict)
        return counted

    assert await count(None) == {"used": 3, "limit": 60, "remaining": 57}
    assert await count("key_spent") == {"used": 60, "limit": 60, "remaining": 0}
    assert await count("key_overspent") == {"used": 120, "limit": 60, "remaining": 0}
    assert await count("key_used_elsewhere") == {"used": 13, "limit": 60, "remaining": 47}
    assert await count("key_forgetful") == {"used": 0, "limit": 60, "remaining": 60}
    assert (await count("key_upgraded"))["limit"] == 1000
    assert await count("key_strings") == {"used": "3", "limit": "60", "remaining": "57"}
    assert "free_model_daily_requests" not in (await client.get("/key", fault="key_2025")).data
    in_debt = (await client.get("/credits", fault="credits_negative")).data
    assert in_debt["total_usage"] > in_debt["total_credits"]
    unfree = (await client.get("/models/user", fault="no_free_models")).json["data"]
    assert unfree
    assert not [entry for entry in unfree if entry["id"].endswith(":free") or entry["id"] == "openrouter/free"]
    assert (await client.get("/auth/key")).data["free_model_daily_requests"]["used"] == 3, "the older path"
    assert (await client.get("/credits", fault="key_spent")).status == 400, "it is not told there"


async def _units(client: Client, sandbox: Sandbox) -> int:
    """Two models are tried, the second answers."""
    await client.ask(FREE, models=["sandbox/meadow-8b:free"])
    return sandbox.used_today


@pytest.mark.parametrize(("turned", "units"), [((), 1), (("each_try_counts",), 2)])
async def test_a_chain_takes_one_unit_or_one_for_each_try(
    open_sandbox: Open, turned: tuple[str, ...], units: int
) -> None:
    rules = Faults(rules=(FaultRule(fault="upstream_model", model=FREE),))
    sandbox, client = await open_sandbox(faults=rules, beliefs=Beliefs().turned(turned))
    assert await _units(client, sandbox) == units == sandbox.log[0].units


@pytest.mark.parametrize(
    ("belief", "settings", "asked", "usual", "turned"),
    [
        ("router_counts", {"rpd": 0}, {"model": "openrouter/free"}, 429, 200),
        ("debt_stops_free_models", {"spent": Decimal(1)}, {"model": FREE}, 402, 200),
        ("key_limit_stops_free_models", {"key_limit": Decimal(0)}, {"model": FREE}, 200, 403),
        (
            "zero_price_is_free",
            {},
            {"model": FREE, "provider": {"max_price": {"prompt": 0}}},
            200,
            404,
        ),
        ("model_is_a_fallback", {}, {"model": FREE, "models": [FREE, FREE, FREE]}, 200, 400),
    ],
)
async def test_a_belief_turned_round_shows(
    open_sandbox: Open, belief: str, settings: Json, asked: Json, usual: int, turned: int
) -> None:
    for names, status in (((), usual), ((belief,), turned)):
        _, client = await open_sandbox(**settings, beliefs=Beliefs().turned(names))
        assert (await client.ask(**asked)).status == status


async def test_an_edge_that_passed_nothing_on_may_leave_the_allowance_alone(open_sandbox: Open) -> None:
    for uncounted, used in (((), 1), (("edge_html",), 0)):
        sandbox, client = await open_sandbox(beliefs=Beliefs(uncounted=uncounted))
        await client.ask(fault="edge_html")
        assert (sandbox.used_today, sandbox.log[0].units, sandbox.log[0].counted) == (used, used, bool(used))


@pytest.mark.parametrize("counts", [True, False])
async def test_a_stream_that_is_left_may_be_given_back(open_sandbox: Open, tmp_path: Path, counts: bool) -> None:
    settings = {
        "seconds_per_chunk": 1.0,
        "beliefs": Beliefs(cut_streams_count=counts),
        "log_file": tmp_path / "log",
    }
    sandbox, client = await open_sandbox(**settings)
    with pytest.raises(TimeoutError):
        await client.send(
            "POST",
            "/chat/completions",
            json={"model": FREE, "stream": True, "messages": [{"role": "user", "content": "Hello there"}]},
            timeout=aiohttp.ClientTimeout(total=3),
        )
    await asyncio.sleep(5)
    assert (sandbox.used_today, sandbox.log[0].counted) == (int(counts), counts)
    again, _ = await open_sandbox(**settings)
    assert again.used_today == int(counts)


def test_only_a_belief_of_yes_or_no_can_be_turned_round() -> None:
    assert Beliefs().turned(["rolling_minute"]) == Beliefs(rolling_minute=True)
    for name in ("uncounted", "rolling"):
        with pytest.raises(ValueError, match="is none of"):
            Beliefs().turned([name])
