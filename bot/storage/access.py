"""Grants and denials of one account, in SQL, a row each; in force the moment they are kept, by whichever process."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from sqlalchemy import Connection, delete, insert, select

from bot.clock import Instant
from bot.errors import StorageError
from bot.messages import Member
from bot.office.edits import EVERYWHERE, Address, Json
from bot.office.paid_rules import read, written
from bot.quota.ledger import PoolId
from bot.routing.access import Grantee, Reach, Rule, RuleId
from bot.storage.database import Database
from bot.storage.dialects import upsert
from bot.storage.tables import access_rules, paying_members

_Kept: TypeAlias = tuple[tuple[tuple[int, str], ...], tuple[str, ...]]
"""The rules by number, and who pays when the pool is spent, as they are written."""


class SqlAccess:
    """`bot.routing.access.Access` over one database. `load` before use."""

    def __init__(self, database: Database, account: PoolId) -> None:
        self._database, self.account = database, account
        self._rules: dict[RuleId, Rule] = {}
        self._paying: set[Member] = set()
        self._read: _Kept | None = None
        """What was read last, as it is written."""
        self._changes = 0
        """Changes of our own: what was read before one is not what stands there after it."""

    @property
    def rules(self) -> Sequence[Rule]:
        return tuple(self._rules.values())

    def pays_when_spent(self, member: Member) -> bool:
        return member in self._paying

    async def load(self) -> None:
        """Raises: StorageError: what is kept is no rule. Without a denial somebody could spend who must not."""
        self._take(await self._database.read(self._kept))

    async def refresh(self) -> None:
        """Raises as `load`."""
        while True:
            changes = self._changes
            kept = await self._database.read(self._kept)
            if self._changes == changes:
                break
        if kept != self._read:
            self._take(kept)

    def _kept(self, connection: Connection) -> _Kept:
        paying = select(paying_members.c.member).where(_of(self.account)).order_by(paying_members.c.member)
        return _rows(connection, self.account), tuple(connection.scalars(paying))

    def _take(self, kept: _Kept) -> None:
        rows, paying = kept
        self._rules = {RuleId(number): _read(number, written) for number, written in rows}
        self._paying, self._read = set(map(Member.parse, paying)), kept

    async def add(self, *, allows: bool, to: Grantee, reach: Reach, ends_at: Instant | None = None) -> Rule:
        """A new grant, or a new denial."""
        draft = Rule(id=RuleId(0), allows=allows, to=to, reach=reach, ends_at=ends_at)
        row = (
            insert(access_rules).values(account=self.account, rule=_dumped(written(draft))).returning(access_rules.c.id)
        )
        new = RuleId(await self._database.write(lambda connection: connection.execute(row).scalar_one()))
        rule = Rule(id=new, allows=allows, to=to, reach=reach, ends_at=ends_at)
        self._rules[new] = rule
        self._changed()
        return rule

    async def remove(self, rule: RuleId) -> bool:
        """Take a rule back. False: there is none of this number."""
        change = delete(access_rules).where(access_rules.c.id == rule, access_rules.c.account == self.account)
        gone = await self._database.write(lambda connection: connection.execute(change).rowcount > 0)
        self._rules.pop(rule, None)
        self._changed()
        return gone

    async def pay_when_spent(self, member: Member, yes: bool) -> None:
        """Whether a member goes on for money without being asked. It gives nobody a right to."""
        row = upsert(paying_members).values(account=self.account, member=member.key).on_conflict_do_nothing()
        gone = delete(paying_members).where(_of(self.account), paying_members.c.member == member.key)
        await self._database.write(lambda connection: connection.execute(row if yes else gone) and None)
        (self._paying.add if yes else self._paying.discard)(member)
        self._changed()

    def _changed(self) -> None:
        self._changes, self._read = self._changes + 1, None


def rules(connection: Connection, account: PoolId) -> Sequence[Rule]:
    """The rules of an account, oldest first.

    Raises:
        StorageError: what is kept is no rule.
    """
    return [_read(number, written) for number, written in _rows(connection, account)]


def _rows(connection: Connection, account: PoolId) -> tuple[tuple[int, str], ...]:
    kept = (
        select(access_rules.c.id, access_rules.c.rule)
        .where(access_rules.c.account == account)
        .order_by(access_rules.c.id)
    )
    return tuple((row.id, row.rule) for row in connection.execute(kept))


class RuleRegister:
    """`bot.storage.office.Register` of rules: `account/number`, or `account/` for a new one."""

    def read(self, connection: Connection, address: Address) -> Json:
        account, number = _place(address)
        if number is None:
            return None
        wanted = select(access_rules.c.rule).where(access_rules.c.id == number, access_rules.c.account == account)
        found = connection.scalar(wanted)
        return None if found is None else _kept(number, found)

    def write(self, connection: Connection, address: Address, value: Json) -> Address:
        account, number = _place(address)
        if number is not None:
            connection.execute(delete(access_rules).where(access_rules.c.id == number))
        if value is None:
            return address
        text = _dumped(value)
        _read(number or 0, text)
        row = {"account": account, "rule": text} | ({} if number is None else {"id": number})
        new = connection.execute(insert(access_rules).values(row).returning(access_rules.c.id)).scalar_one()
        return Address(address.kind, address.community, f"{account}/{new}")

    def everything(self, connection: Connection) -> Iterator[tuple[Address, Json]]:
        for row in connection.execute(select(access_rules)):
            rule = _read(row.id, row.rule)
            yield (
                Address("paid_rule", rule.to.community or EVERYWHERE, f"{row.account}/{row.id}"),
                _kept(row.id, row.rule),
            )


class PayingRegister:
    """`bot.storage.office.Register` of who goes on for money when the pool is spent: `account/member`."""

    def read(self, connection: Connection, address: Address) -> Json:
        found = select(paying_members.c.member).where(*_switch(address))
        return None if connection.scalar(found) is None else True

    def write(self, connection: Connection, address: Address, value: Json) -> Address:
        account, _, member = address.key.partition("/")
        connection.execute(delete(paying_members).where(*_switch(address)))
        if value is not None:
            connection.execute(insert(paying_members).values(account=account, member=Member.parse(member).key))
        return address

    def everything(self, connection: Connection) -> Iterator[tuple[Address, Json]]:
        for row in connection.execute(select(paying_members)):
            yield Address("pays", EVERYWHERE, f"{row.account}/{row.member}"), True


def _switch(address: Address) -> tuple[Any, ...]:
    account, _, member = address.key.partition("/")
    return _of(PoolId(account)), paying_members.c.member == member


def _place(address: Address) -> tuple[str, int | None]:
    account, _, number = address.key.rpartition("/")
    return account, int(number) if number else None


def _kept(number: int, text: str) -> Json:
    try:
        found: Json = json.loads(text)
    except ValueError as error:
        raise StorageError(f"The access rule {number} cannot be read: {error!r}.") from error
    return found


def _read(number: int, text: str) -> Rule:
    return read(number, _kept(number, text))


def _dumped(kept: Json) -> str:
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _of(account: PoolId) -> Any:
    return paying_members.c.account == account
