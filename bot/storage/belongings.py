"""Everything of a person, over all tables: found, and deleted in one transaction."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, insert, or_, select, update

from bot.messages import Member
from bot.people import ERASED
from bot.quota.events import EventKind
from bot.storage import office
from bot.storage.database import Database
from bot.storage.moments import instant
from bot.storage.people import move_counts, move_spending
from bot.storage.tables import (
    access_rules,
    attachments,
    budgets,
    changes,
    charges,
    conversations,
    day_events,
    erased_members,
    handled_messages,
    held_questions,
    laid_down,
    leases,
    line_changes,
    link_codes,
    linked_accounts,
    member_days,
    model_choices,
    own_keys,
    paying_members,
    posted_answers,
    posts,
    slack_verdicts,
    spending,
    turns,
)

Found = Mapping[str, Sequence[Mapping[str, object]]]

NAMED: Mapping[Table, Sequence[str]] = {
    turns: ("member",),
    attachments: ("member",),
    posted_answers: ("member",),
    slack_verdicts: ("member",),
    held_questions: ("member",),
    day_events: ("member", "other"),
    member_days: ("member",),
    leases: ("member",),
    line_changes: ("member",),
    charges: ("member",),
    spending: ("member",),
    budgets: ("member",),
    paying_members: ("member",),
    model_choices: ("chosen_by",),
    linked_accounts: ("account", "person"),
    link_codes: ("member",),
    erased_members: ("person",),
}
"""Which columns name a member, by `Member.key`."""
_SECRET = frozenset({"sealed", "digest"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SqlBelongings:
    """`bot.belongings.BelongingsStore` over one database.

    Args:
        token: something random that stands for nobody.
    """

    def __init__(self, database: Database, token: Callable[[], str]) -> None:
        self._database, self._token = database, token

    async def all(self, names: Sequence[Member]) -> Found:
        return await self._database.read(lambda connection: _all(connection, [name.key for name in names]))

    async def erase(
        self, names: Sequence[Member], *, nameless: Member, digests: Sequence[str], today: int, part: bool
    ) -> None:
        keys = [name.key for name in names]

        def unit(connection: Connection) -> None:
            _erase_texts(connection, keys)
            _erase_choices(connection, keys)
            office.rename(connection, keys, Member(platform=ERASED, user=self._token()).key)
            for key in keys:
                if key != nameless.key:
                    self._erase_counts(connection, key, nameless.key, today)
            rows = [{"digest": digest, "person": nameless.key, "day": today} for digest in digests]
            connection.execute(delete(erased_members).where(erased_members.c.digest.in_(digests)))
            connection.execute(insert(erased_members), rows)
            if part:
                connection.execute(delete(linked_accounts).where(_is(linked_accounts, keys)))

        await self._database.write(unit)

    def _erase_counts(self, connection: Connection, key: str, nameless: str, today: int) -> None:
        """Days that are over keep their numbers, each under a token of its own, so that nothing ties them together."""
        named = (member_days, leases, day_events)
        days: set[int] = set()
        for table in named:
            days.update(connection.scalars(select(table.c.day).distinct().where(_is(table, [key]))))
        for day in sorted(days):
            instead = nameless if day == today else Member(platform=ERASED, user=self._token()).key
            move_counts(connection, key, instead, day=day)
            connection.execute(update(leases).where(leases.c.member == key, leases.c.day == day).values(member=instead))
            for column in ("member", "other"):
                of_day = (day_events.c[column] == key) & (day_events.c.day == day)
                connection.execute(update(day_events).where(of_day).values({column: instead}))
            # Both are one name now: there is nothing to be joined any more.
            connection.execute(
                delete(day_events).where(
                    day_events.c.day == day,
                    day_events.c.kind == EventKind.JOINED,
                    day_events.c.member == day_events.c.other,
                )
            )
        connection.execute(update(charges).where(charges.c.member == key).values(member=nameless))
        move_spending(connection, key, nameless)


def _is(table: Table, keys: Collection[str]) -> Any:
    return or_(*(table.c[column].in_(keys) for column in NAMED[table]))


def _erase_texts(connection: Connection, keys: Sequence[str]) -> None:
    mine = select(turns.c.id).where(turns.c.member.in_(keys))
    # A message stays handled, and a lease closed; neither points at a turn whose number may be given again.
    connection.execute(update(handled_messages).where(handled_messages.c.turn.in_(mine)).values(turn=0))
    connection.execute(update(leases).where(leases.c.turn.in_(mine)).values(turn=None))
    connection.execute(delete(turns).where(turns.c.member.in_(keys)))
    posted = select(posted_answers.c.question).where(posted_answers.c.member.in_(keys))
    connection.execute(delete(posts).where(posts.c.question.in_(posted)))
    connection.execute(delete(posted_answers).where(posted_answers.c.member.in_(keys)))
    connection.execute(delete(slack_verdicts).where(slack_verdicts.c.member.in_(keys)))
    connection.execute(delete(attachments).where(attachments.c.member.in_(keys)))
    connection.execute(delete(line_changes).where(line_changes.c.member.in_(keys)))
    connection.execute(delete(held_questions).where(held_questions.c.member.in_(keys)))
    # The id of a conversation may hold a name. Of one without turns it says nothing else.
    connection.execute(delete(conversations).where(conversations.c.id.not_in(select(turns.c.conversation))))


def _erase_choices(connection: Connection, keys: Sequence[str]) -> None:
    connection.execute(delete(own_keys).where(own_keys.c.owner.in_([f"member {key}" for key in keys])))
    connection.execute(delete(paying_members).where(paying_members.c.member.in_(keys)))
    connection.execute(delete(link_codes).where(link_codes.c.member.in_(keys)))
    connection.execute(delete(model_choices).where(model_choices.c.chosen_by.in_(keys)))


# --- finding -------------------------------------------------------------------------------------------------


def _all(connection: Connection, keys: Sequence[str]) -> Found:
    found = {
        table.name: [_told(table, row) for row in connection.execute(select(table).where(_is(table, keys)))]
        for table in NAMED
    }
    mine = select(turns.c.id).where(turns.c.member.in_(keys))
    handled = select(handled_messages).where(handled_messages.c.turn.in_(mine))
    found[handled_messages.name] = [_told(handled_messages, row) for row in connection.execute(handled)]
    owners = [f"member {key}" for key in keys]
    sealed = select(own_keys).where(own_keys.c.owner.in_(owners))
    found[own_keys.name] = [_told(own_keys, row) for row in connection.execute(sealed)]
    # What admins laid down is theirs: told, and not deleted.
    about = select(laid_down).where(laid_down.c.kind == "member", laid_down.c.key.in_(keys))
    found[laid_down.name] = [_told(laid_down, row) for row in connection.execute(about)]
    rules = connection.execute(select(access_rules)).all()
    found[access_rules.name] = [_told(access_rules, row) for row in rules if _names(json.loads(row.rule), keys)]
    found[changes.name] = [
        {name: _readable(name, value) for name, value in line.items()} for line in office.told_of(connection, keys)
    ]
    return found


def _names(rule: Any, keys: Sequence[str]) -> bool:
    """An access rule is about one of these."""
    return rule["to"].get("member") in keys


def _told(table: Table, row: Row[Any]) -> dict[str, object]:
    return {
        column.name: _readable(column.name, getattr(row, column.name))
        for column in table.columns
        if column.name not in _SECRET
    }


def _readable(name: str, value: Any) -> object:
    """Moments and days as dates."""
    if isinstance(value, int) and (name == "at" or name.endswith("_at")):
        return datetime.fromtimestamp(instant(value), UTC).isoformat()
    if isinstance(value, int) and name in ("day", "parts_on"):
        return (_EPOCH + timedelta(days=value)).date().isoformat()
    # A file's content, which JSON has no other form for.
    return b64encode(value).decode() if isinstance(value, bytes) else value
