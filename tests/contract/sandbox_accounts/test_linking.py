"""An account is linked by a code, as OpenRouter does it."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs, urlsplit

import pytest

from bot.openrouter.sandbox import AccountSettings, Beliefs, FaultRule, Faults
from bot.openrouter.sandbox.keys import digest
from tests.contract.sandbox_accounts.asking import CHALLENGE, Open

pytestmark = pytest.mark.virtual


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
