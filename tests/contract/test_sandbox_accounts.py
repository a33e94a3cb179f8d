"""Accounts of the sandbox: whose a key is, what it is told of itself, what it may spend, and how one is linked."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from bot.openrouter.sandbox import TELLINGS, AccountSettings, Beliefs, FaultRule, Faults, Sandbox, SandboxSettings
from bot.openrouter.sandbox.keys import digest
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

Json = dict[str, Any]
FREE, PAID = "sandbox/harbor-24b:free", "sandbox/summit-120b"
VERIFIER = "a-verifier-of-some-length-that-nobody-else-knows"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class Heard:
    """One response, whole."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Json:
        value = json.loads(self.text)
        assert isinstance(value, dict)
        return value

    @property
    def data(self) -> Json:
        data = self.json["data"]
        assert isinstance(data, dict)
        return data

    @property
    def said(self) -> str:
        return str(self.json["error"]["message"])


class Client:
    """Asks one sandbox, with any key."""

    def __init__(self, base: str, session: aiohttp.ClientSession) -> None:
        self.base, self.session = base, session

    async def send(self, method: str, path: str, *, key: str = "k", fault: str | None = None, **more: Any) -> Heard:
        headers = ({"Authorization": f"Bearer {key}"} if key else {}) | ({"X-Sandbox-Fault": fault} if fault else {})
        url = self.base.removesuffix("/api/v1") + path if path.startswith("/auth?") else self.base + path
        async with self.session.request(method, url, headers=headers, allow_redirects=False, **more) as response:
            return Heard(response.status, dict(response.headers), await response.text())

    async def get(self, path: str, *, key: str = "k", fault: str | None = None) -> Heard:
        return await self.send("GET", path, key=key, fault=fault)

    async def ask(self, model: str = FREE, *, key: str = "k", fault: str | None = None, **body: Any) -> Heard:
        asked = {"model": model, "messages": [{"role": "user", "content": "Hello there"}]} | body
        return await self.send("POST", "/chat/completions", key=key, fault=fault, json=asked)

    async def exchange(self, code: str, verifier: str = VERIFIER, **more: Any) -> Heard:
        body = {"code": code, "code_verifier": verifier, "code_challenge_method": "S256"} | more
        return await self.send("POST", "/auth/keys", key="", json=body)


Opened = tuple[Sandbox, Client]
Open = Callable[..., Awaitable[Opened]]


@pytest.fixture
async def open_sandbox(clock: VirtualClock) -> AsyncIterator[Open]:
    """Starts sandboxes that answer at once."""
    async with aiohttp.ClientSession() as session:
        made: list[Sandbox] = []

        async def start(**settings: Any) -> Opened:
            at_once = {"first_token_seconds": 0.0, "seconds_per_chunk": 0.0}
            made.append(Sandbox(SandboxSettings(**at_once | settings), clock))
            return made[-1], Client(await made[-1].start(), session)

        yield start
        for sandbox in made:
            await sandbox.close()


# --- accounts ----------------------------------------------------------------------------------------------


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


# --- /generation -------------------------------------------------------------------------------------------


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


# --- linking an account ------------------------------------------------------------------------------------


async def test_a_code_makes_a_key_of_the_account_that_approved_once_and_until_it_is_revoked(
    open_sandbox: Open,
) -> None:
    sandbox, client = await open_sandbox(accounts={"ann": AccountSettings(rpd=7)})
    code = sandbox.grant(CHALLENGE, account="ann")
    given = (await client.exchange(code)).json
    key = given["key"]
    assert (key.startswith("sk-or-v1-"), len(key), given["user_id"]) == (True, 73, "user_ann")
    told = (await client.get("/key", key=key)).data
    assert (told["free_model_daily_requests"]["limit"], told["label"]) == (7, f"{key[:12]}...{key[-3:]}")
    assert (await client.ask(key=key)).status == 200
    assert (sandbox.log[0].account, sandbox.log[0].key) == ("ann", digest(key))
    again = await client.exchange(code)
    assert (again.status, again.said) == (400, "Invalid code")
    sandbox.revoke(key)
    assert (await client.get("/key", key=key)).status == 401
    another = (await client.exchange(sandbox.grant(CHALLENGE, account="ann"))).json["key"]
    assert another != key


async def test_a_code_is_good_for_ten_minutes_and_for_its_verifier(open_sandbox: Open) -> None:
    sandbox, client = await open_sandbox()
    codes = [sandbox.grant(CHALLENGE) for _ in range(4)]
    wrong = await client.exchange(codes[0], "another verifier")
    assert (wrong.status, wrong.said) == (403, "Invalid code or code_verifier")
    assert (await client.exchange(codes[0])).status == 400, "a wrong guess uses the code up"
    plain = await client.exchange(codes[1], CHALLENGE, code_challenge_method="plain")
    assert plain.status == 403, "the method is the one that was asked for"
    assert (await client.exchange("x", code_challenge_method="md5")).said == "Invalid code_challenge_method"
    await asyncio.sleep(600)
    assert (await client.exchange(codes[2])).status == 200
    await asyncio.sleep(1)
    late = await client.exchange(codes[3])
    assert (late.status, late.said) == (403, "Authorization code expired")
    empty = await client.send("POST", "/auth/keys", key="", data=b"")
    assert (empty.status, empty.json["success"], empty.json["error"]["name"]) == (400, False, "ZodError")
    assert (await client.get("/auth/keys")).status == 405
    assert (await client.send("POST", "/auth/keys", key="", fault="x")).status == 400
    _, documented = await open_sandbox(beliefs=Beliefs(wrong_code_is_400=False))
    assert (await documented.exchange("x")).status == 403


async def test_the_page_shows_a_code_or_sends_the_browser_back_with_one(open_sandbox: Open) -> None:
    _, client = await open_sandbox()
    page = await client.get(f"/auth?code_challenge={CHALLENGE}&code_challenge_method=S256&account=%3Cb%3Eann", key="")
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html")
    assert "<b>ann" not in page.text
    code = page.text.split('id="code">')[1].split("<")[0]
    assert (await client.exchange(code)).json["user_id"] == "user_<b>ann"
    back = await client.get(
        f"/auth?code_challenge={CHALLENGE}&state=s1&callback_url=http%3A%2F%2Flocalhost%3A3%2Fdone%3Fnonce%3D1", key=""
    )
    sent = urlsplit(back.headers["Location"])
    assert (back.status, sent.netloc, sent.path) == (302, "localhost:3", "/done")
    query = parse_qs(sent.query)
    assert (query["nonce"], query["state"]) == (["1"], ["s1"])
    assert (await client.exchange(query["code"][0])).status == 200
    for wrong in ("", f"code_challenge={CHALLENGE}&code_challenge_method=md5"):
        assert (await client.get(f"/auth?{wrong}", key="")).status == 400
    for callback in ("http://example.org/x", "javascript:alert(1)", "/x", "http://[x"):
        heard = await client.send(
            "GET",
            f"/auth?code_challenge={CHALLENGE}",
            key="",
            params={"callback_url": callback, "code_challenge": CHALLENGE},
        )
        assert heard.status == 400
    _, silent = await open_sandbox(beliefs=Beliefs(state_echoed=False))
    back = await silent.get(f"/auth?code_challenge={CHALLENGE}&state=s1&callback_url=https%3A%2F%2Fx.org%2F", key="")
    assert "state" not in parse_qs(urlsplit(back.headers["Location"]).query)


async def test_the_exchange_meets_faults_as_everything_does(open_sandbox: Open) -> None:
    rules = Faults(rules=(FaultRule(fault="internal_error", path="/auth/keys", at=(1,)),))
    sandbox, client = await open_sandbox(faults=rules)
    code = sandbox.grant(CHALLENGE)
    assert (await client.exchange(code)).status == 500
    assert (await client.exchange(code)).status == 200, "the code was not touched"


# --- what an account is told -------------------------------------------------------------------------------


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


# --- beliefs -----------------------------------------------------------------------------------------------


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
