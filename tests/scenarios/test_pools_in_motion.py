"""While people ask, keys are linked, replaced, revoked and removed at random: nothing is lost, sent twice or by a key
that was removed, and each pool's book agrees with its account's."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from bot.clock import Instant, day_of
from bot.errors import LinkError
from bot.messages import CommunityId, Held
from bot.openrouter import linking
from bot.openrouter.sandbox import AccountSettings, SandboxSettings
from bot.storage.keys import SqlKeys
from bot.storage.tables import pool_days
from tests.fakes.deployment import Deployment, Heard, deployment
from tests.fakes.linking import ADMIN
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

COMMUNITIES = [CommunityId(f"web:{number}") for number in range(4)]
OWNERS = ("red", "blue", "green")
MINUTES = 15
_TRAVELS = 1.0
"""Seconds a request that has left may be on its way."""


class World:
    """People who ask, admins who cannot make up their minds, and what each account was used for when."""

    def __init__(self, potluck: Deployment, rng: random.Random) -> None:
        self.potluck, self.rng = potluck, rng
        self.heard: list[Heard] = []
        self.linked: dict[CommunityId, str] = {}
        self.free_from: dict[str, Instant] = {}
        """When an account's last key was removed."""
        self.gone: list[tuple[str, Instant, Instant]] = []
        """Accounts that nobody had linked, from when until when."""
        self._made = 0

    async def key(self, account: str) -> SecretStr:
        """A new key of an account."""
        self._made += 1
        verifier = linking.verifier(f"{self._made:032}".encode())
        code = self.potluck.sandbox.grant(linking.challenge(verifier), account=account)
        return await self.potluck.running.pools.default.client.exchange_code(code, verifier)

    def now_linked(self, community: CommunityId, account: str | None) -> None:
        """What holds from this moment on."""
        before, now = self.linked.pop(community, None), self.potluck.clock.now()
        if account is not None:
            self.linked[community] = account
        for name in {before, account} - {None}:
            assert name is not None
            if name in self.linked.values():
                if name in self.free_from:
                    self.gone.append((name, self.free_from.pop(name), now))
            else:
                self.free_from.setdefault(name, now)

    async def admin(self) -> None:
        """Links, replaces and removes."""
        keys, until = self.potluck.running.community_keys, self.potluck.clock.now() + MINUTES * 60
        while self.potluck.clock.now() < until:
            await asyncio.sleep(self.rng.expovariate(1 / 20))
            community = self.rng.choice(COMMUNITIES)
            if community in self.linked and self.rng.random() < 0.5:
                await keys.unlink_community(community, by=ADMIN)
                self.now_linked(community, None)
            else:
                account = self.rng.choice(OWNERS)
                key = await self.key(account)
                if account in self.free_from:  # it may be used from the moment it is kept
                    self.gone.append((account, self.free_from.pop(account), self.potluck.clock.now()))
                with suppress(LinkError):
                    await keys.link_community(community, key, by=ADMIN)
                    self.now_linked(community, account)

    async def member(self, number: int) -> None:
        """Asks, now and then stops it or goes away."""
        until = self.potluck.clock.now() + MINUTES * 60
        while self.potluck.clock.now() < until:
            await asyncio.sleep(self.rng.expovariate(1 / 15))
            hold = self.rng.random() < 0.3
            message = self.potluck.message(f"m{number}", community=self.rng.choice(COMMUNITIES), hold=hold)
            asking = asyncio.create_task(self.potluck.hear(message, heard=(heard := Heard())))
            fate = self.rng.random()
            if fate < 0.15:
                await asyncio.sleep(self.rng.expovariate(1 / 2))
                self.potluck.running.conversations.stop(message.conversation, message.author)
            elif fate < 0.3:
                await asyncio.sleep(self.rng.expovariate(1 / 2))
                asking.cancel()
            with suppress(asyncio.CancelledError):
                await asking
            if not asking.cancelled():
                self.heard.append(heard)


async def books(potluck: Deployment) -> Mapping[str, int]:
    """Units of the day by pool."""
    wanted = select(pool_days.c.pool, pool_days.c.used).where(pool_days.c.day == day_of(potluck.clock.now()))
    rows = await potluck.running.database.read(lambda connection: connection.execute(wanted).all())
    return {row.pool: row.used for row in rows if row.used}


@pytest.mark.parametrize("seed", [0])
async def test_nothing_is_lost_or_sent_by_a_key_that_was_removed(
    tmp_path: Path, clock: VirtualClock, seed: int
) -> None:
    await in_motion(tmp_path, clock, seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1, 40))
async def test_the_same_for_long(tmp_path: Path, clock: VirtualClock, seed: int) -> None:
    await in_motion(tmp_path, clock, seed)


async def in_motion(folder: Path, clock: VirtualClock, seed: int) -> None:
    accounts = {name: AccountSettings(rpd=60) for name in OWNERS}
    env = {"fair_policy": "fair", "pool_rpm": "4"}
    async with deployment(folder, clock, sandbox=SandboxSettings(rpd=60, accounts=accounts), env=env) as potluck:
        world = World(potluck, random.Random(seed))
        async with asyncio.TaskGroup() as living:
            living.create_task(world.admin())
            for number in range(8):
                living.create_task(world.member(number))
        for heard in world.heard:
            assert heard.ending is not None, "each has had exactly one"
            assert heard.error not in ("internal", "bad_key", "pool_paused"), heard.events
        assert sum(not isinstance(heard.ending, Held) and heard.error is None for heard in world.heard) > 60
        for community in COMMUNITIES:
            await potluck.running.community_keys.unlink_community(community, by=ADMIN)
        await asyncio.sleep(200)
        assert len(potluck.running.pools.at_hand) == 1
        await potluck.quiet()

        sent = Counter(attempt.account for attempt in potluck.sandbox.log)
        assert sorted((await books(potluck)).values()) == sorted(sent.values()), "each book agrees with its account"
        for account, since, until in world.gone:
            late = [one.at for one in potluck.sandbox.log if one.account == account]
            assert not [at for at in late if since + _TRAVELS < at < until], "nothing leaves by a key that was removed"
        assert len(sent) > 2, "the control: they were used"
        assert not await SqlKeys(potluck.running.database, clock, potluck.running.secret.vault()).communities()
