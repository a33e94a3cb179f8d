"""The doctor says of models whether they can be had, by whom, and what is left to pay for them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.clock import Instant
from bot.messages import CommunityId, Member, ModelId
from bot.openrouter.sandbox import Sandbox, SandboxSettings
from bot.quota.ledger import PoolId
from bot.routing.access import Reach, ToCommunity, ToMember, ToRole
from bot.routing.budget import Budget, Charge, Spend, pico
from bot.routing.prices import Rates
from bot.storage.access import SqlAccess
from bot.storage.database import Database
from bot.storage.migration import migrate
from bot.storage.money import SqlMoney
from tests.unit.doctor.patient import CLOCK, KEY, Patient, sandboxed


async def test_privacy_settings_that_forbid_every_free_model(patient: Patient) -> None:
    async with sandboxed(patient, SandboxSettings(free_models=False)):
        assert patient.level("models") == "failure"
        assert "no free model is routable" in patient["models"].found
        assert "settings/privacy" in patient["models"].fix
    async with sandboxed(patient, SandboxSettings()):
        assert patient.level("models") == "ok"
        assert "sandbox/meadow-8b:free" in patient["models"].found, "they are named"


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
