"""One model that was asked about: by which account it would go, for everybody or for one community."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import SecretStr

from bot.clock import Clock
from bot.doctor.communities import opened
from bot.doctor.finding import Finding, ok, shown, warning
from bot.doctor.model import Known, about
from bot.errors import FailureKind, UpstreamFailure
from bot.messages import CommunityId, ModelId
from bot.openrouter.client import OpenRouter
from bot.quota.ledger import PoolId
from bot.routing.catalogue import Catalogue
from bot.routing.chain import Chain
from bot.routing.offer import Offer
from bot.settings import Settings
from bot.storage.inspection import community_keys
from bot.storage.rights import hidden, rights

_EVERYBODYS = PoolId("default")


class Asking:
    """See the module.

    Args:
        client: by everybody's key.
        whose: whose account that is, as OpenRouter tells; None: it does not.
        catalogue: what that account may use.
    """

    def __init__(
        self, *, settings: Settings, clock: Clock, client: OpenRouter, whose: str | None, catalogue: Catalogue
    ) -> None:
        self._settings, self._clock, self._client = settings, clock, client
        self._whose, self._catalogue = whose, catalogue

    async def everywhere(self, wanted: ModelId) -> Sequence[Finding]:
        """By the account that everybody shares."""
        found = await self._about(wanted, self._catalogue, _EVERYBODYS, None)
        if linked := len(community_keys(self._settings.database)):
            say = f"{linked:,} have an account of their own, where other models and rules may hold"
            found.append(ok("communities", say, f"Ask for one: potluck doctor {shown(wanted)} --community COMMUNITY."))
        return found

    async def in_community(self, wanted: ModelId, community: CommunityId) -> Sequence[Finding]:
        """By the account that one community draws on."""
        check = f"community {shown(community)}"
        kept = community_keys(self._settings.database).get(community)
        if kept is None:
            found = "it has no account of its own: the rules of the one that everybody shares hold"
            return [ok(check, found), *await self._about(wanted, self._catalogue, _EVERYBODYS, community)]
        key = opened(self._settings, community, kept)
        if key is None:
            fix = "Put the key it was sealed with back into SECRET_KEY, at its end."
            return [warning(check, "the key it has linked cannot be read, so nobody there is answered", fix)]
        try:
            return await self._by_its_own(wanted, community, check, key, kept.pool)
        except UpstreamFailure as failure:
            if failure.kind is FailureKind.BAD_KEY:
                fix = f"Have it replaced or removed: potluck admin key paste --community {shown(community)}."
                return [warning(check, "OpenRouter does not accept the key it has linked: its pool is shut", fix)]
            found = f"its account cannot be asked about models ({failure.kind.value})"
            return [warning(check, found, "Look again later.")]

    async def _by_its_own(
        self, wanted: ModelId, community: CommunityId, check: str, key: SecretStr, pool: PoolId
    ) -> Sequence[Finding]:
        own = self._client.with_key(key)
        account = (await own.key()).account
        if account is not None and account == self._whose:
            found = "it has linked a key of the account that everybody shares, whose rules hold"
            return [ok(check, found), *await self._about(wanted, self._catalogue, _EVERYBODYS, community)]
        catalogue = await catalogue_of(own, self._clock)
        found = "it has an account of its own: that one's models, rules and budgets hold, and no others"
        return [ok(check, found), *await self._about(wanted, catalogue, pool, community)]

    async def _about(
        self, wanted: ModelId, catalogue: Catalogue, account: PoolId, community: CommunityId | None
    ) -> list[Finding]:
        where, now = self._settings.database, self._clock.now()
        if wanted in hidden(where, community):
            found = "an admin has hidden it there, so nobody there may ask for it"
            place = "" if community is None else f" --community {shown(community)}"
            return [warning(shown(wanted), found, f"Show it: potluck admin models hide {shown(wanted)} --show{place}.")]
        standing = rights(where, account, now)
        known = Known(
            offer=Offer(catalogue=catalogue, chain=Chain.of(self._settings.free_models), now=now),
            everybodys=await self._listed() if wanted not in catalogue.models else None,
            rights=standing if standing is None or community is None else standing.of(community),
            community=community,
        )
        return list(about(wanted, known))

    async def _listed(self) -> Catalogue | None:
        try:
            return Catalogue.of(await self._client.models(), fetched_at=self._clock.now(), personal=False)
        except UpstreamFailure:
            return None


async def catalogue_of(client: OpenRouter, clock: Clock) -> Catalogue:
    """The account's own, else everybody's.

    Raises:
        UpstreamFailure: neither can be read.
    """
    try:
        entries, personal = await client.user_models(), True
    except UpstreamFailure:
        entries, personal = await client.models(), False
    return Catalogue.of(entries, fetched_at=clock.now(), personal=personal)
