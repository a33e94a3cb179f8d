"""Grants and denials of one account, in SQL, a row each; read at the start, and in force the moment they are kept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from bot.clock import Instant
from bot.errors import StorageError
from bot.messages import Member
from bot.office.edits import EVERYWHERE, Address, Json
from bot.office.paid_rules import read, written
from bot.quota.ledger import PoolId
from bot.routing.access import Grantee, Reach, Rule, RuleId
from bot.storage.database import Database
from bot.storage.tables import access_rules, paying_members


class SqlAccess:
    """`bot.routing.access.Access` over one database. `load` before use."""

    def __init__(self, database: Database, account: PoolId) -> None:
        self._database, self.account = database, account
        self._rules: dict[RuleId, Rule] = {}
        self._paying: set[Member] = set()

    @property
    def rules(self) -> Sequence[Rule]:
        return tuple(self._rules.values())

    def pays_when_spent(self, member: Member) -> bool:
        return member in self._paying

    async def load(self) -> None:
        """Raises: StorageError: what is kept is no rule. Without a denial somebody could spend who must not."""

        def unit(connection: Connection) -> tuple[dict[RuleId, Rule], set[Member]]:
            kept = connection.execute(
                select(access_rules).where(access_rules.c.account == self.account).order_by(access_rules.c.id)
            )
            paying = connection.scalars(select(paying_members.c.member).where(_of(self.account)))
            return {RuleId(row.id): _read(row.id, row.rule) for row in kept}, {Member.parse(key) for key in paying}

        self._rules, self._paying = await self._database.read(unit)

    async def add(self, *, allows: bool, to: Grantee, reach: Reach, ends_at: Instant | None = None) -> Rule:
        """A new grant, or a new denial."""
        draft = Rule(id=RuleId(0), allows=allows, to=to, reach=reach, ends_at=ends_at)
        row = (
            insert(access_rules).values(account=self.account, rule=_dumped(written(draft))).returning(access_rules.c.id)
        )
        new = RuleId(await self._database.write(lambda connection: connection.execute(row).scalar_one()))
        rule = Rule(id=new, allows=allows, to=to, reach=reach, ends_at=ends_at)
        self._rules[new] = rule
        return rule

    async def remove(self, rule: RuleId) -> bool:
        """Take a rule back. False: there is none of this number."""
        change = delete(access_rules).where(access_rules.c.id == rule, access_rules.c.account == self.account)
        await self._database.write(lambda connection: connection.execute(change) and None)
        return self._rules.pop(rule, None) is not None

    async def pay_when_spent(self, member: Member, yes: bool) -> None:
        """Whether a member goes on for money without being asked. It gives nobody a right to."""
        row = upsert(paying_members).values(account=self.account, member=member.key).on_conflict_do_nothing()
        gone = delete(paying_members).where(_of(self.account), paying_members.c.member == member.key)
        await self._database.write(lambda connection: connection.execute(row if yes else gone) and None)
        (self._paying.add if yes else self._paying.discard)(member)


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
