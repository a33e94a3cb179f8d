"""What becomes of tickets, as processes write it down for each other: that one waits, has started or has left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Select, bindparam, delete, exists, insert, select

from bot.clock import Instant, day_of
from bot.messages import CommunityId, Member
from bot.quota.board import Change
from bot.quota.events import DayEvent, EventKind
from bot.quota.ledger import PoolId
from bot.storage.day_events import TELL, keep
from bot.storage.dialects import Prepared
from bot.storage.moments import instant, microseconds
from bot.storage.tables import line_changes

_KEPT = 3600.0
"""Seconds for which it is kept what became of a ticket."""
ADD_CHANGE = Prepared(
    insert(line_changes).values(
        {"pool": bindparam("pool"), "process": bindparam("ticket_process"), "member": bindparam("ticket_member")}
        | {"community": bindparam("ticket_community"), "number": bindparam("ticket_number")}
        | {"at": bindparam("changed_at")}
        | {name: bindparam(name) for name in ("state", "weight", "tag", "place")}
    )
)
"""With the values of `values_of`, which no other statement has."""
_later = line_changes.alias("later")
WAITS = (line_changes.c.state == "waiting") & ~exists().where(
    # A process numbers those of each pool by themselves, and from the start when it opens the pool once more.
    _later.c.pool == line_changes.c.pool,
    _later.c.id > line_changes.c.id,
    _later.c.process == line_changes.c.process,
    _later.c.number == line_changes.c.number,
    _later.c.state != "waiting",
)


def values_of(pool: PoolId, change: Change) -> dict[str, Any]:
    """What `ADD_CHANGE` writes."""
    return {
        "pool": pool,
        "ticket_process": change.process,
        "ticket_number": change.number,
        "ticket_member": change.member.key,
        "ticket_community": change.community,
        "state": change.state,
        "weight": change.weight,
        "tag": change.tag,
        "place": change.place,
        "changed_at": microseconds(change.at),
    }


def change_of(row: Sequence[Any]) -> Change:
    """A change of a ticket from its row."""
    _, _, process, number, state, member, community, weight, tag, place, at = row
    return Change(
        process=process,
        number=number,
        state=state,
        member=Member.parse(member),
        community=CommunityId(community),
        weight=weight,
        tag=tag,
        place=place,
        at=instant(at),
    )


def left_by(process: str) -> Select[str]:
    """The pools in which tickets of a process wait."""
    return select(line_changes.c.pool).where(line_changes.c.process == process, WAITS).distinct()


def give_up(pool: PoolId, process: str, now: Instant, connection: Connection) -> None:
    """A dead process's tickets leave the line, and their members have their units back."""
    mine = select(line_changes).where(line_changes.c.pool == pool, line_changes.c.process == process, WAITS)
    withdrawn = []
    for row in connection.execute(mine).all():
        change = change_of(row)
        ADD_CHANGE(connection, **values_of(pool, replace(change, state="left", at=now)))
        if day_of(change.at) == day_of(now):
            withdrawn.append(
                DayEvent(kind=EventKind.WITHDRAWN, at=now, member=change.member, community=change.community)
            )
    keep(connection, pool, withdrawn, None)
    TELL(connection, pool=pool)


def prune(now: Instant, connection: Connection) -> None:
    """What became of tickets is forgotten in time."""
    old = microseconds(Instant(now - _KEPT))
    connection.execute(delete(line_changes).where(line_changes.c.at < old, ~WAITS))
