"""What one lease writes, as Core statements: the same rows for everything that is compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import BindParameter, ClauseElement, Dialect, bindparam, insert, make_url, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import insert as upsert

from bot.storage.tables import day_events, handled_messages, leases, member_days, pool_days, pools, turns

_n: BindParameter[Any] = bindparam("n")
_member: BindParameter[Any] = bindparam("member")


def _event(kind: str) -> ClauseElement:
    return insert(day_events).values(pool="p", day=1, at=_n, kind=kind, member=_member, community="web", units=0)


STATEMENTS: tuple[ClauseElement, ...] = (
    update(pools).where(pools.c.id == "p").values(started=pools.c.started + 1),
    upsert(pool_days)
    .values(pool="p", day=1, used=1)
    .on_conflict_do_update(index_elements=["pool", "day"], set_={"used": pool_days.c.used + 1}),
    upsert(member_days)
    .values(pool="p", day=1, member=_member, taken=1)
    .on_conflict_do_update(index_elements=["pool", "day", "member"], set_={"taken": member_days.c.taken + 1}),
    insert(turns).values(
        message=bindparam("message"),
        conversation="c",
        community="web",
        member=_member,
        author_name="",
        question="why?",
        answer="",
        whole=False,
        asked_at=_n,
    ),
    insert(handled_messages).values(message=bindparam("message"), turn=_n, handled_at=_n),
    insert(leases).values(
        pool="p",
        number=_n,
        day=1,
        member=_member,
        turn=_n,
        attempt=1,
        lane="free",
        model="m",
        reserved_at=_n,
    ),
    _event("asked"),
    _event("let_through"),
)
POOL = insert(pools).values(id="p", started=0)


def values(number: int) -> dict[str, Any]:
    """Of the lease with that number, from 1."""
    return {"n": number, "member": f"web:m:{number}", "message": f"{number}"}


def plain(kind: str) -> list[tuple[str, Mapping[str, Any]]]:
    """The same as a driver takes them: SQL, and the values that are always the same."""
    dialect: Dialect = (
        sqlite.dialect(paramstyle="named") if kind == "sqlite" else make_url("postgresql+psycopg://").get_dialect()()
    )
    compiled = [statement.compile(dialect=dialect) for statement in STATEMENTS]
    return [
        (str(one), {name: value for name, value in one.params.items() if name not in ("n", "member", "message")})
        for one in compiled
    ]
