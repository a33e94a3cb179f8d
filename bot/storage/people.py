"""Who is one person, in SQL: the links, the codes that make them, and what a join moves, each in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Row, case, delete, func, insert, select, update

from bot.clock import Instant, day_of
from bot.messages import CommunityId, Member
from bot.people import ERASED, Erased, Link
from bot.quota.events import EventKind
from bot.storage.database import Database
from bot.storage.day_events import CHANNEL
from bot.storage.dialects import upsert
from bot.storage.keys import SqlKeys
from bot.storage.moments import instant, microseconds
from bot.storage.pool_locks import hold, pools_of, tell
from bot.storage.tables import (
    attachments,
    budgets,
    charges,
    day_events,
    erased_members,
    held_questions,
    leases,
    link_codes,
    linked_accounts,
    member_days,
    model_choices,
    paying_members,
    spending,
    turns,
)

_NAMED = (turns, attachments, leases, held_questions, charges)
"""Tables in which a row is a member's and nothing is counted by it."""


class SqlPeople:
    """`bot.people.PeopleStore` and `bot.joining.JoinStore` over one database."""

    def __init__(self, database: Database, keys: SqlKeys) -> None:
        self._database, self._keys = database, keys

    async def links(self) -> Sequence[Link]:
        wanted = select(linked_accounts).order_by(linked_accounts.c.joined_at, linked_accounts.c.account)
        return await self._database.read(lambda connection: [_link(row) for row in connection.execute(wanted)])

    async def erased(self) -> Erased:
        def unit(connection: Connection) -> Erased:
            today = connection.execute(select(erased_members.c.digest, erased_members.c.person))
            payers = connection.scalars(
                select(spending.c.member).distinct().where(spending.c.member.startswith(f"{ERASED}:"))
            )
            return Erased(
                today={row.digest: Member.parse(row.person) for row in today},
                payers={Member.parse(key).user for key in payers},
            )

        return await self._database.read(unit)

    # --- codes -------------------------------------------------------------------------------------------

    async def keep_code(self, digest: str, member: Member, *, expires_at: Instant, now: Instant) -> None:
        def unit(connection: Connection) -> None:
            over = link_codes.c.expires_at <= microseconds(now)
            connection.execute(delete(link_codes).where((link_codes.c.member == member.key) | over))
            row = {"digest": digest, "member": member.key, "expires_at": microseconds(expires_at)}
            connection.execute(insert(link_codes).values(row))

        await self._database.write(unit)

    async def codes(self, *, now: Instant) -> Mapping[str, Member]:
        wanted = select(link_codes.c.digest, link_codes.c.member).where(link_codes.c.expires_at > microseconds(now))
        return await self._database.read(
            lambda connection: {row.digest: Member.parse(row.member) for row in connection.execute(wanted)}
        )

    # --- joining -----------------------------------------------------------------------------------------

    async def join(
        self,
        person: Member,
        others: Sequence[Member],
        *,
        spent_as: Sequence[Member],
        payer: Member,
        code: str,
        community: CommunityId,
        now: Instant,
    ) -> bool:
        keys = [other.key for other in others]

        def unit(connection: Connection) -> bool:
            pools = pools_of(connection, [person.key, *keys], day_of(now))
            hold(connection, pools)
            if not _use_up(connection, code, now):
                return False
            connection.execute(delete(linked_accounts).where(linked_accounts.c.account.in_(keys)))
            rows = [{"account": key, "person": person.key, "joined_at": microseconds(now)} for key in keys]
            connection.execute(insert(linked_accounts), rows)
            for key in keys:
                move_counts(connection, key, person.key)
                for table in _NAMED:
                    connection.execute(update(table).where(table.c.member == key).values(member=person.key))
                _move_switches(connection, key, person.key)
                _move_choices(connection, key, person.key)
                self._keys.hand_over(connection, Member.parse(key), person)
            for name in spent_as:
                move_spending(connection, name.key, payer.key)
            _join_today(connection, others[0].key, person.key, community, now, self._database.process)
            tell(connection, CHANNEL, pools)
            return True

        return await self._database.write(unit)

    async def stay(self, accounts: Sequence[Member], *, code: str, now: Instant) -> bool:
        change = update(linked_accounts).where(linked_accounts.c.account.in_([one.key for one in accounts]))

        def unit(connection: Connection) -> bool:
            good = _use_up(connection, code, now)
            if good:
                connection.execute(change.values(parts_on=None))
            return good

        return await self._database.write(unit)

    async def part(self, accounts: Sequence[Member], *, on: int) -> None:
        change = update(linked_accounts).where(linked_accounts.c.account.in_([one.key for one in accounts]))
        await self._database.write(lambda connection: connection.execute(change.values(parts_on=on)) and None)

    async def part_due(self, *, today: int) -> int:
        def unit(connection: Connection) -> int:
            connection.execute(delete(erased_members).where(erased_members.c.day < today))
            for row in connection.execute(select(linked_accounts)).all():
                _tidy(connection, row, today)
            due = linked_accounts.c.parts_on <= today
            going = connection.execute(delete(linked_accounts).where(due).returning(linked_accounts)).all()
            for row in going:
                # What the person has spent counts for each: a budget is not whole again because accounts part.
                _copy_money(connection, row.person, row.account)
            return len(going)

        return await self._database.write(unit)


def _link(row: Row[tuple[str, str, int, int | None]]) -> Link:
    return Link(
        account=Member.parse(row.account),
        person=Member.parse(row.person),
        joined_at=instant(row.joined_at),
        parts_on=row.parts_on,
    )


def _use_up(connection: Connection, code: str, now: Instant) -> bool:
    good = (link_codes.c.digest == code) & (link_codes.c.expires_at > microseconds(now))
    return connection.execute(delete(link_codes).where(good).returning(link_codes.c.digest)).first() is not None


def move_counts(connection: Connection, old: str, new: str, *, day: int | None = None) -> None:
    """What one took on a day, or on all, is another's from now on."""
    which = member_days.c.member == old if day is None else (member_days.c.member == old) & (member_days.c.day == day)
    for row in connection.execute(delete(member_days).where(which).returning(member_days)).all():
        added = upsert(member_days).values(pool=row.pool, day=row.day, member=new, taken=row.taken)
        connection.execute(
            added.on_conflict_do_update(
                index_elements=["pool", "day", "member"], set_={"taken": member_days.c.taken + row.taken}
            )
        )


def move_spending(connection: Connection, old: str, new: str) -> None:
    """What one has spent, and what is set aside for them, is another's from now on."""
    for row in connection.execute(delete(spending).where(spending.c.member == old).returning(spending)).all():
        _add_spending(connection, row, new, held=row.held)


def _add_spending(connection: Connection, row: Row[tuple[object, ...]], member: str, *, held: int) -> None:
    key = {name: getattr(row, name) for name in ("account", "community", "period", "number")} | {"member": member}
    added = upsert(spending).values(**key, spent=row.spent, held=held)
    connection.execute(
        added.on_conflict_do_update(
            index_elements=["account", "member", "community", "period", "number"],
            set_={"spent": spending.c.spent + row.spent, "held": spending.c.held + held},
        )
    )


def _move_switches(connection: Connection, old: str, new: str) -> None:
    gone = delete(paying_members).where(paying_members.c.member == old).returning(paying_members)
    for row in connection.execute(gone).all():
        kept = upsert(paying_members).values(account=row.account, member=new)
        connection.execute(kept.on_conflict_do_nothing())


def _move_choices(connection: Connection, old: str, new: str) -> None:
    of_member = (model_choices.c.kind == "member") & (model_choices.c.key == old)
    for row in connection.execute(delete(model_choices).where(of_member).returning(model_choices)).all():
        kept = upsert(model_choices).values(
            kind="member", key=new, model=row.model, chosen_by=new, chosen_at=row.chosen_at
        )
        connection.execute(kept.on_conflict_do_nothing())
    connection.execute(update(model_choices).where(model_choices.c.chosen_by == old).values(chosen_by=new))


def _join_today(
    connection: Connection, old: str, new: str, community: CommunityId, now: Instant, process: str | None
) -> None:
    """Of the day that runs the events stay as they happened, and this is one of them: a restart applies them in order.
    Days that are over are the person's alone."""
    today = day_of(now)
    connection.execute(
        update(day_events).where(day_events.c.member == old, day_events.c.day < today).values(member=new)
    )
    last = (
        select(day_events.c.pool, func.max(day_events.c.at).label("at"))
        .where(day_events.c.day == today, day_events.c.member.in_((old, new)))
        .group_by(day_events.c.pool)
    )
    rows = [
        {
            "pool": row.pool,
            "day": today,
            "at": max(row.at, microseconds(now)),
            "kind": EventKind.JOINED.value,
            "member": new,
            "other": old,
            "community": community,
            "units": 0,
            "process": process,
        }
        for row in connection.execute(last).all()
    ]
    if rows:
        connection.execute(insert(day_events), rows)


def payer_now(connection: Connection, payer: Member) -> Member:
    """Whom a member's spending is counted under, who may have become one with somebody in another process."""
    person = connection.scalar(select(linked_accounts.c.person).where(linked_accounts.c.account == payer.key))
    return payer if person is None else Member.parse(person)


def _tidy(connection: Connection, row: Row[tuple[object, ...]], today: int) -> None:
    """The day on which accounts were joined is over: its events are the person's, too."""
    day = day_of(instant(row.joined_at))
    if day >= today:
        return
    of_day = (day_events.c.day == day) & (day_events.c.member == row.account)
    connection.execute(update(day_events).where(of_day).values(member=row.person))
    joined = (day_events.c.day == day) & (day_events.c.other == row.account)
    connection.execute(delete(day_events).where(joined))


def _copy_money(connection: Connection, old: str, new: str) -> None:
    for row in connection.execute(select(spending).where(spending.c.member == old)).all():
        _add_spending(connection, row, new, held=0)
    for row in connection.execute(select(budgets).where(budgets.c.member == old)).all():
        key = {name: getattr(row, name) for name in ("account", "community", "period")} | {"member": new}
        copied = upsert(budgets).values(**key, limit_pico=row.limit_pico)
        connection.execute(
            copied.on_conflict_do_update(
                index_elements=["account", "member", "community", "period"],
                set_={
                    "limit_pico": case(
                        (budgets.c.limit_pico < row.limit_pico, budgets.c.limit_pico), else_=row.limit_pico
                    )
                },
            )
        )
