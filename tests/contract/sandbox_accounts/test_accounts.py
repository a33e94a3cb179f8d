"""Accounts of one sandbox: limits, money and privacy of their own, and what each is told of a request later."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path

import pytest

from bot.openrouter.sandbox import AccountSettings, Beliefs, FaultRule, Faults, Sandbox
from bot.openrouter.sandbox.keys import digest
from tests.contract.sandbox_accounts.asking import CHALLENGE, FREE, PAID, Client, Open
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual


async def test_an_account_has_its_own_limits_money_and_privacy(open_sandbox: Open) -> None:
    ann = AccountSettings(rpd=1, credits=Decimal(20), free_models=True, key_limit=Decimal(2), key_limit_reset="daily")
    ben = AccountSettings(free_models=False, credits_readable=False, credits=Decimal(5))
    sandbox, client = await open_sandbox(rpd=50, accounts={"ann": ann, "ben": ben})
    assert [(await client.ask(key="k@ann")).status for _ in range(2)] == [200, 429]
    assert "high-balance" in (await client.ask(key="other@ann")).said
    assert (await client.ask()).status == 200
    told = (await client.get("/key", key="k@ann")).data
    assert told["free_model_daily_requests"] == {"limit": 1, "remaining": 0, "used": 3}
    assert (told["limit"], told["limit_remaining"], told["limit_reset"]) == (2.0, 2.0, "daily")
    assert told["is_free_tier"] is False
    assert (sandbox.used_by("ann"), sandbox.used_today) == (3, 1)
    refused = await client.ask(key="k@ben")
    assert (refused.status, "data policy" in refused.said) == (404, True)
    shown = [entry["id"] for entry in (await client.get("/models/user", key="k@ben")).json["data"]]
    assert not [model for model in shown if model.endswith(":free")]
    assert PAID in shown
    assert (await client.get("/credits", key="k@ben")).status == 403
    assert {(attempt.account, attempt.key) for attempt in sandbox.log} == {
        ("ann", digest("k@ann")),
        ("ann", digest("other@ann")),
        ("", digest("k")),
        ("ben", digest("k@ben")),
    }


async def test_a_key_is_told_what_it_spent_itself_and_refused_once_that_is_its_limit(
    open_sandbox: Open, clock: VirtualClock
) -> None:
    sandbox, client = await open_sandbox(credits=Decimal(10), key_limit=Decimal("0.001"))
    paid = await client.ask(PAID)
    cost = sandbox.log[0].cost
    assert cost == sandbox.billed() > Decimal("0.001")
    assert paid.json["usage"]["cost"] == float(cost)
    told, other = (await client.get("/key")).data, (await client.get("/key", key="other")).data
    assert [told[name] for name in ("usage", "usage_daily", "usage_weekly", "usage_monthly")] == [float(cost)] * 4
    assert (told["limit_remaining"], other["usage"], other["limit_remaining"]) == (0.0, 0, 0.001)
    assert (await client.get("/credits")).data == {"total_credits": 10.0, "total_usage": float(cost)}
    refused = await client.ask(PAID)
    assert (refused.status, refused.said.startswith("Key limit exceeded")) == (403, True)
    assert (await client.ask(FREE)).status == 200, "a spent key still asks free models"
    assert (await client.ask(PAID, key="other")).status == 200, "and another key of the account still pays"


async def test_money_on_the_wire_is_exact_when_read_as_decimal(open_sandbox: Open) -> None:
    """The control: as binary fractions the same amounts do not add up."""
    sandbox, client = await open_sandbox(credits=Decimal(10), generation_delay_seconds=0.0)
    texts = [await client.ask(PAID, max_tokens=tokens) for tokens in (1, 2, 3)]
    costs = [json.loads(heard.text, parse_float=Decimal)["usage"]["cost"] for heard in texts]
    assert costs == [attempt.cost for attempt in sandbox.log]
    told = json.loads((await client.get("/credits")).text, parse_float=Decimal)["data"]["total_usage"]
    assert told == sum(costs) == sandbox.billed()
    path = f"/generation?id={sandbox.log[0].generation}"
    assert json.loads((await client.get(path)).text, parse_float=Decimal)["data"]["total_cost"] == costs[0]
    assert Decimal(float(costs[0])) != costs[0]


async def test_the_log_holds_no_key_and_no_text(open_sandbox: Open, tmp_path: Path) -> None:
    file = tmp_path / "log"
    sandbox, client = await open_sandbox(log_file=file, credits=Decimal(1))
    key = (await client.exchange(sandbox.grant(CHALLENGE, account="ann"))).json["key"]
    asked = [{"role": "user", "content": "the heron flies at dusk"}]
    await client.ask(key=key, messages=asked)
    await client.ask(key="sk-or-v1-bad-one", messages=asked)
    await client.ask(key=key, messages=asked, fault="moderation")
    written = file.read_text()
    assert digest(key) in written
    assert not [secret for secret in (key, key[9:], "bad-one", "heron", "dusk") if secret in written]


async def test_a_request_dearer_than_what_is_left_is_refused_with_what_can_be_afforded(open_sandbox: Open) -> None:
    _, client = await open_sandbox(credits=Decimal("0.01"))
    refused = await client.ask(PAID, max_tokens=1_000)
    assert refused.status == 402
    affordable = int(refused.said.split("can only afford ")[1].split(".")[0])
    assert (await client.ask(PAID, max_tokens=affordable)).status == 200


async def test_a_price_ceiling_is_in_usd_per_million_and_hard(open_sandbox: Open) -> None:
    sandbox, client = await open_sandbox(credits=Decimal(10))

    async def under(model: str, **prices: object) -> int:
        return (await client.ask(model, provider={"max_price": prices})).status

    assert await under(PAID, prompt=3, completion="15") == 200
    assert await under(PAID, prompt="2.99") == 404
    assert await under(PAID, completion=14.99) == 404
    assert await under(FREE, prompt=0, completion=0) == 200
    assert [attempt.cost > 0 for attempt in sandbox.log] == [True, False, False, False]


async def test_a_models_chain_is_tried_in_order_and_has_three_at_most(open_sandbox: Open) -> None:
    rules = Faults(rules=(FaultRule(fault="upstream_model", model=FREE),))
    sandbox, client = await open_sandbox(faults=rules)
    meadow = "sandbox/meadow-8b:free"
    answered = await client.ask(FREE, models=[FREE, meadow])
    assert answered.json["model"] == meadow
    assert [(a.model_asked, a.model_used, a.units) for a in sandbox.log] == [(FREE, meadow, 1)]
    alone = await client.ask(FREE, models=[FREE])
    assert alone.status == 429
    four = await client.ask(FREE, models=[FREE, meadow, "openrouter/free", "sandbox/prism-12b:free"])
    assert (four.status, four.said) == (400, "'models' array must have 3 items or fewer.")
    gone, client = await open_sandbox(withdrawn=(meadow,))
    assert (await client.ask(meadow)).status == 400
    assert meadow not in [entry["id"] for entry in (await client.get("/models")).json["data"]]
    assert gone.used_today == 0


async def test_provider_keys_of_ones_own_cost_nothing_here_and_are_reported_apart(
    open_sandbox: Open, tmp_path: Path
) -> None:
    own = {
        "byok": True,
        "rpd": 1,
        "generation_delay_seconds": 0.0,
        "key_limit": Decimal(1),
        "log_file": tmp_path / "log",
    }
    sandbox, client = await open_sandbox(**own)
    usage = (await client.ask(PAID)).json["usage"]
    paid = sandbox.log[0].upstream_cost
    assert (usage["cost"], usage["is_byok"]) == (0, True)
    assert usage["cost_details"]["upstream_inference_cost"] == float(paid) > 0
    assert [(await client.ask()).status for _ in range(3)] == [200] * 3, "the free allowance is not asked"
    assert (sandbox.used_today, sandbox.billed()) == (0, Decimal(0))

    async def check(sandbox: Sandbox, client: Client) -> None:
        told = (await client.get("/key")).data
        assert (told["usage"], told["byok_usage"], told["byok_usage_daily"]) == (0, float(paid), float(paid))
        assert told["limit_remaining"] == 1.0
        found = (await client.get(f"/generation?id={sandbox.log[0].generation}")).data
        assert (found["total_cost"], found["is_byok"], found["upstream_inference_cost"]) == (0, True, float(paid))

    await check(sandbox, client)
    await check(*await open_sandbox(**own))


@pytest.mark.parametrize("whole", [False, True])
async def test_a_cut_paid_stream_settles_late_and_over_a_restart(
    open_sandbox: Open, clock: VirtualClock, tmp_path: Path, whole: bool
) -> None:
    settings = {
        "credits": Decimal(10),
        "seconds_per_chunk": 1.0,
        "generation_delay_seconds": 300.0,
        "log_file": tmp_path / "log",
        "beliefs": Beliefs(cut_streams_cost_whole=whole),
    }
    sandbox, client = await open_sandbox(**settings)
    asked = {"model": PAID, "stream": True, "messages": [{"role": "user", "content": "Hello there"}]}
    response = await client.session.post(
        f"{client.base}/chat/completions", json=asked, headers={"Authorization": "Bearer k"}
    )
    await response.content.readuntil(b'"content":"')
    response.close()
    await asyncio.sleep(10)
    (cut,) = sandbox.log
    assert (cut.outcome, cut.completion_tokens > 0) == ("cut_by_client", True)
    least = cut.prompt_tokens * Decimal("0.000003") + cut.completion_tokens * Decimal("0.000015")
    assert (cut.cost == least) == (not whole)
    assert cut.cost >= least
    await sandbox.close()
    _, client = await open_sandbox(**settings)
    path = f"/generation?id={cut.generation}"
    assert cut.ended_at is not None
    await asyncio.sleep(cut.ended_at + 299 - clock.now())
    assert (await client.get(path)).status == 404
    await asyncio.sleep(1)
    found = (await client.get(path)).data
    assert (found["cancelled"], found["finish_reason"], found["total_cost"]) == (True, None, float(cut.cost))
    assert (await client.get("/credits")).data["total_usage"] == float(cut.cost)


async def test_what_was_refused_has_no_generation(open_sandbox: Open) -> None:
    sandbox, client = await open_sandbox(generation_delay_seconds=0.0)
    assert (await client.ask(fault="provider_down")).status == 502
    assert (await client.get(f"/generation?id={sandbox.log[0].generation}")).status == 404
