"""Which budgets there are, in SQL, and each as admins' changes name it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import Connection, delete, insert, select

from bot.messages import CommunityId, Member
from bot.office.edits import Address, Json
from bot.quota.ledger import PoolId
from bot.routing.budget import PERIODS, Budget, Period, Pico, pico, usd
from bot.routing.prices import plain
from bot.storage.tables import budgets

_EACH = "*"


class BudgetRegister:
    """`bot.storage.office.Register` of budgets: `account/period/member` in a community; the value is in US dollars."""

    def read(self, connection: Connection, address: Address) -> Json:
        found = connection.scalar(select(budgets.c.limit_pico).where(*_at(address)))
        return None if found is None else plain(usd(Pico(found)))

    def write(self, connection: Connection, address: Address, value: Json) -> Address:
        connection.execute(delete(budgets).where(*_at(address)))
        if value is not None:
            row = _named(address) | {"limit_pico": pico(Decimal(str(value)))}
            connection.execute(insert(budgets).values(row))
        return address

    def everything(self, connection: Connection) -> Iterator[tuple[Address, Json]]:
        for row in connection.execute(select(budgets)):
            address = Address("budget", CommunityId(row.community), f"{row.account}/{row.period}/{row.member}")
            yield address, plain(usd(Pico(row.limit_pico)))


def _named(address: Address) -> dict[str, str]:
    account, period, member = address.key.split("/", 2)
    return {"account": account, "member": member, "community": address.community, "period": period}


def _at(address: Address) -> list[Any]:
    return [budgets.c[name] == value for name, value in _named(address).items()]


def key_of(budget: Budget) -> dict[str, str]:
    """The columns a budget is found by."""
    member = "" if budget.member is None else _EACH if budget.member == "each" else budget.member.key
    return {
        "account": budget.account,
        "member": member,
        "community": budget.community or "",
        "period": budget.period,
    }


def budgets_of(connection: Connection, account: PoolId) -> list[Budget]:
    """The budgets of an account."""

    def member(key: str) -> Member | Literal["each"] | None:
        return None if not key else "each" if key == _EACH else Member.parse(key)

    return [
        Budget(
            account=account,
            member=member(row.member),
            community=CommunityId(row.community) if row.community else None,
            period=_period(row.period),
            limit=Pico(row.limit_pico),
        )
        for row in connection.execute(select(budgets).where(budgets.c.account == account))
    ]


def _period(name: str) -> Period:
    for period in PERIODS:
        if period == name:
            return period
    raise ValueError(f"{name!r} is no period")
