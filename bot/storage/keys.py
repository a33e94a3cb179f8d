"""OpenRouter keys of members and communities, in SQL, sealed by `bot.vault`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Connection, delete, insert, select, update

from bot.clock import Clock, Instant
from bot.messages import CommunityId, Member
from bot.office.edits import Address, Json, KeptNowhereError
from bot.ports import KeyShown
from bot.quota.ledger import PoolId
from bot.storage.database import Database
from bot.storage.dialects import upsert
from bot.storage.moments import instant, microseconds
from bot.storage.tables import own_keys
from bot.vault import Vault, VaultError, last_four

_MEMBER = "member "
_COMMUNITY = "community "
_LINKED = select(own_keys.c.owner, own_keys.c.pool, own_keys.c.linked_at).where(own_keys.c.pool.is_not(None))


@dataclass(frozen=True, slots=True)
class Linked:
    """A community has an account of its own."""

    pool: PoolId
    linked_at: Instant


class SqlKeys:
    """The keys over one database. One a member, one a community."""

    def __init__(self, database: Database, clock: Clock, vault: Vault) -> None:
        self._database, self._clock, self._vault = database, clock, vault

    async def put(self, owner: Member | CommunityId, key: SecretStr, *, pool: PoolId | None = None) -> None:
        """Keep a key in place of the one there is. `pool`: of a community's, which account it is a key of."""
        name = _name(owner)
        sealed, at = self._vault.seal(name, key), microseconds(self._clock.now())
        values = {"sealed": sealed, "linked_at": at, "pool": pool}
        row = upsert(own_keys).values(owner=name, **values)
        change = row.on_conflict_do_update(index_elements=["owner"], set_=values)
        await self._database.write(lambda connection: connection.execute(change) and None)

    def to_keep(self, community: CommunityId, key: SecretStr, *, pool: PoolId) -> Json:
        """A community's key, sealed, as `KeyRegister` takes it: to be kept together with its line of the audit."""
        sealed = self._vault.seal(_name(community), key)
        return {"account": pool, "linked_at": self._clock.now(), "sealed": sealed}

    async def get(self, owner: Member | CommunityId) -> SecretStr | None:
        """The key, for the moment of use; None: there is none.

        Raises:
            VaultError: it does not open.
        """
        name = _name(owner)
        wanted = select(own_keys.c.sealed).where(own_keys.c.owner == name)
        sealed = await self._database.read(lambda connection: connection.scalar(wanted))
        return None if sealed is None else self._vault.open(name, sealed)

    async def show(self, owner: Member | CommunityId) -> KeyShown | None:
        """What may be shown of it; of one that does not open, only that it is there."""
        wanted = select(own_keys.c.sealed, own_keys.c.linked_at).where(own_keys.c.owner == _name(owner))
        row = await self._database.read(lambda connection: connection.execute(wanted).first())
        if row is None:
            return None
        try:
            shown = last_four(self._vault.open(_name(owner), row.sealed))
        except VaultError:
            return KeyShown(last_four="", linked_at=instant(row.linked_at), works=False)
        return KeyShown(last_four=shown, linked_at=instant(row.linked_at))

    async def members(self) -> set[Member]:
        """Who has one."""
        wanted = select(own_keys.c.owner).where(own_keys.c.owner.startswith(_MEMBER))
        names = await self._database.read(lambda connection: connection.scalars(wanted).all())
        return {Member.parse(name.removeprefix(_MEMBER)) for name in names}

    async def communities(self) -> Mapping[CommunityId, Linked]:
        """Which communities have one, and of which account."""
        rows = await self._database.read(lambda connection: connection.execute(_LINKED).all())
        return {
            CommunityId(row.owner.removeprefix(_COMMUNITY)): Linked(PoolId(row.pool), instant(row.linked_at))
            for row in rows
        }

    async def of_pool(self, pool: PoolId) -> SecretStr | None:
        """The newest key of an account that opens; None: there is none.

        Raises:
            VaultError: there are some, and none opens.
        """
        wanted = select(own_keys.c.owner, own_keys.c.sealed).where(own_keys.c.pool == pool)
        newest = wanted.order_by(own_keys.c.linked_at.desc(), own_keys.c.owner)
        rows = await self._database.read(lambda connection: connection.execute(newest).all())
        failure: VaultError | None = None
        for row in rows:
            try:
                return self._vault.open(row.owner, row.sealed)
            except VaultError as error:
                failure = error
        if failure is not None:
            raise failure
        return None

    async def remove(self, owner: Member | CommunityId) -> bool:
        """Forget it at once; needs no key of `SECRET_KEY`. False: there was none."""
        change = delete(own_keys).where(own_keys.c.owner == _name(owner)).returning(own_keys.c.owner)
        return await self._database.write(lambda connection: connection.execute(change).first() is not None)

    def hand_over(self, connection: Connection, old: Member, new: Member) -> None:
        """A member's key is another's from now on, unless that one has one already: then it is forgotten.

        Within the caller's unit of work. A key that does not open is forgotten, too: nobody could use it.
        """
        gone = delete(own_keys).where(own_keys.c.owner == _name(old))
        kept = connection.execute(gone.returning(own_keys.c.sealed, own_keys.c.linked_at)).first()
        if kept is None:
            return
        try:
            sealed = self._vault.seal(_name(new), self._vault.open(_name(old), kept.sealed))
        except VaultError:
            return
        row = upsert(own_keys).values(owner=_name(new), sealed=sealed, linked_at=kept.linked_at)
        connection.execute(row.on_conflict_do_nothing(index_elements=["owner"]))

    async def rotate(self) -> int:
        """Seal every key with the newest of `SECRET_KEY`, all of them or none. Returns how many there are.

        Raises:
            VaultError: one does not open.
        """

        def unit(connection: Connection) -> int:
            rows = connection.execute(select(own_keys.c.owner, own_keys.c.sealed)).all()
            for owner, sealed in rows:
                resealed = self._vault.reseal(owner, sealed)
                connection.execute(update(own_keys).where(own_keys.c.owner == owner).values(sealed=resealed))
            return len(rows)

        return await self._database.write(unit)


class KeyRegister:
    """`bot.storage.office.Register` of communities' keys. What it reads says when one was linked and of which account;
    the key itself it only takes, so that none stands in the audit."""

    def read(self, connection: Connection, address: Address) -> Json:
        row = connection.execute(_LINKED.where(own_keys.c.owner == _name(address.community))).first()
        return None if row is None else _told(row)

    def write(self, connection: Connection, address: Address, value: Json) -> Address:
        """Raises: KeptNowhereError: it is what `read` told of a key that is gone."""
        owner = _name(address.community)
        connection.execute(delete(own_keys).where(own_keys.c.owner == owner))
        if value is None:
            return address
        found: Any = value
        if "sealed" not in found:
            raise KeptNowhereError("a key that was removed")
        at = microseconds(Instant(found["linked_at"]))
        row = {"owner": owner, "sealed": found["sealed"], "linked_at": at, "pool": found["account"]}
        connection.execute(insert(own_keys).values(row))
        return address

    def everything(self, connection: Connection) -> Iterator[tuple[Address, Json]]:
        for row in connection.execute(_LINKED):
            yield Address("key", CommunityId(row.owner.removeprefix(_COMMUNITY)), ""), _told(row)


def _told(row: Any) -> Json:
    return {"account": row.pool, "linked_at": instant(row.linked_at)}


async def linked_by(database: Database, community: CommunityId) -> Linked | None:
    """What a community has linked; None: nothing. Needs no key of `SECRET_KEY`."""
    wanted = _LINKED.where(own_keys.c.owner == _name(community))
    row = await database.read(lambda connection: connection.execute(wanted).first())
    return None if row is None else Linked(PoolId(row.pool), instant(row.linked_at))


def _name(owner: Member | CommunityId) -> str:
    return f"{_MEMBER}{owner.key}" if isinstance(owner, Member) else f"{_COMMUNITY}{owner}"
