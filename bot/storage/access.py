"""Grants and denials of one account, in SQL, a row each; in force the moment they are kept, by whichever process."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias, assert_never

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from bot.clock import Instant
from bot.errors import StorageError
from bot.messages import CommunityId, Member, ModelId
from bot.quota.ledger import PoolId
from bot.routing.access import Grantee, Reach, Rule, RuleId, ToCommunity, ToGroup, ToMember, ToRole
from bot.routing.prices import Rates, plain
from bot.storage.database import Database
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
        self._rules = {RuleId(number): _rule(number, written) for number, written in rows}
        self._paying, self._read = set(map(Member.parse, paying)), kept

    async def add(self, *, allows: bool, to: Grantee, reach: Reach, ends_at: Instant | None = None) -> Rule:
        """A new grant, or a new denial."""
        draft = Rule(id=RuleId(0), allows=allows, to=to, reach=reach, ends_at=ends_at)
        row = insert(access_rules).values(account=self.account, rule=_written(draft)).returning(access_rules.c.id)
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
    return [_rule(number, written) for number, written in _rows(connection, account)]


def _rows(connection: Connection, account: PoolId) -> tuple[tuple[int, str], ...]:
    kept = (
        select(access_rules.c.id, access_rules.c.rule)
        .where(access_rules.c.account == account)
        .order_by(access_rules.c.id)
    )
    return tuple((row.id, row.rule) for row in connection.execute(kept))


def _of(account: PoolId) -> Any:
    return paying_members.c.account == account


def _written(rule: Rule) -> str:
    written = {
        "allows": rule.allows,
        "to": _to(rule.to),
        "models": None if rule.reach.models is None else sorted(rule.reach.models),
        "ceiling": None if rule.reach.ceiling is None else _prices(rule.reach.ceiling),
        "ends_at": rule.ends_at,
    }
    return json.dumps(written, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _to(to: Grantee) -> dict[str, str | None]:
    match to:
        case ToMember(member=member, community=community):
            return {"member": member.key, "community": community}
        case ToRole(community=community, role=role):
            return {"role": role, "community": community}
        case ToGroup(community=community, group=group):
            return {"group": group, "community": community}
        case ToCommunity(community=community):
            return {"community": community}
        case _:
            assert_never(to)


def _prices(rates: Rates) -> dict[str, str]:
    prices = {"prompt": rates.prompt, "completion": rates.completion, "request": rates.request, "image": rates.image}
    return {name: plain(price) for name, price in prices.items()}


def _rule(number: int, written: str) -> Rule:
    try:
        kept = json.loads(written)
        if not isinstance(kept["allows"], bool):
            raise TypeError
        return Rule(
            id=RuleId(number),
            allows=kept["allows"],
            to=_grantee(kept["to"]),
            reach=Reach(
                models=None if kept["models"] is None else frozenset(ModelId(model) for model in kept["models"]),
                ceiling=None if kept["ceiling"] is None else _rates(kept["ceiling"]),
            ),
            ends_at=None if kept["ends_at"] is None else Instant(float(kept["ends_at"])),
        )
    except (ValueError, KeyError, TypeError, AttributeError, InvalidOperation) as error:
        raise StorageError(f"The access rule {number} cannot be read: {error!r}.") from error


def _grantee(kept: dict[str, Any]) -> Grantee:
    community = None if kept["community"] is None else CommunityId(kept["community"])
    if "member" in kept:
        return ToMember(Member.parse(kept["member"]), community)
    if community is None:
        raise ValueError("a rule for many names no community")
    if "role" in kept:
        return ToRole(community, kept["role"])
    return ToGroup(community, kept["group"]) if "group" in kept else ToCommunity(community)


def _rates(kept: dict[str, str]) -> Rates:
    return Rates(**{name: Decimal(price) for name, price in kept.items()})
