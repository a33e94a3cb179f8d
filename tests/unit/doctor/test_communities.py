"""The doctor reads communities' own keys, and tells a model by the account that a community draws on."""

from __future__ import annotations

from decimal import Decimal

from cryptography.fernet import Fernet
from pydantic import SecretStr

from bot.doctor.finding import stops
from bot.messages import CommunityId, Member
from bot.office.edits import Address, Edit, Wish, to
from bot.office.house_rules import MODELS
from bot.office.office import Office
from bot.openrouter import linking
from bot.openrouter.client import OpenRouter
from bot.openrouter.sandbox import Sandbox, SandboxSettings
from bot.quota.ledger import PoolId
from bot.routing.access import Reach, ToCommunity
from bot.routing.budget import Budget, pico
from bot.storage.access import SqlAccess
from bot.storage.database import Database
from bot.storage.keys import SqlKeys
from bot.storage.migration import migrate
from bot.storage.money import SqlMoney
from bot.storage.office import SqlArchive
from bot.vault import Vault
from tests.unit.doctor.patient import CLOCK, KEY, Patient

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
