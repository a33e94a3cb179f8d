"""What admins laid down and who changed it, in SQL: a change's edits and its line of the audit are one transaction.

Each kind of address has a register that reads and writes its values on the transaction's own connection. Most are
JSON in one table; what may be spent stands where the paid lane reads it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, get_args

from sqlalchemy import Connection, delete, func, insert, or_, select, update

from bot.clock import Clock, Instant
from bot.errors import StorageError
from bot.messages import CommunityId, Member
from bot.office.edits import Address, Change, Edit, Edited, Json, Kind, MovedOnError, Wish
from bot.storage import access, keys
from bot.storage.budgets import BudgetRegister
from bot.storage.database import Database
from bot.storage.moments import instant, microseconds
from bot.storage.tables import changes, laid_down


class Register(Protocol):
    """Reads and writes the values of a kind, within the caller's unit of work."""

    def read(self, connection: Connection, address: Address) -> Json:
        """What stands there; None: nothing."""
        ...

    def write(self, connection: Connection, address: Address, value: Json) -> Address:
        """Put a value there, or None. The address, with its number if it was new."""
        ...

    def everything(self, connection: Connection) -> Iterator[tuple[Address, Json]]: ...


class _LaidDown:
    """All kinds but those with tables of their own."""

    def read(self, connection: Connection, address: Address) -> Json:
        found = connection.scalar(select(laid_down.c.value).where(*_here(address)))
        return None if found is None else _json(found)

    def write(self, connection: Connection, address: Address, value: Json) -> Address:
        connection.execute(delete(laid_down).where(*_here(address)))
        if value is not None:
            row = {"kind": address.kind, "community": address.community, "key": address.key, "value": _text(value)}
            connection.execute(insert(laid_down).values(row))
        return address

    def everything(self, connection: Connection) -> Iterator[tuple[Address, Json]]:
        for row in connection.execute(select(laid_down)):
            yield Address(_kind(row.kind), CommunityId(row.community), row.key), _json(row.value)


class SqlArchive:
    """`bot.office.edits.Archive` over one database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._laid_down: Register = _LaidDown()
        self._own: Mapping[str, Register] = {
            "paid_rule": access.RuleRegister(),
            "pays": access.PayingRegister(),
            "budget": BudgetRegister(),
            "key": keys.KeyRegister(),
        }

    async def change(self, wish: Wish, edits: Sequence[Edit]) -> Change | None:
        return await self._database.write(lambda connection: self._make(connection, wish, edits))

    async def undo(self, number: int, wish: Wish) -> Change:
        def unit(connection: Connection) -> Change:
            row = connection.execute(select(changes).where(changes.c.number == number)).one_or_none()
            if row is None:
                raise KeyError(number)
            before = _change(row, None)
            for edit in before.edits:
                if _text(self._register(edit.address).read(connection, edit.address)) != _text(edit.after):
                    raise MovedOnError(_last_to_touch(connection, edit.address, since=number))
            back = [Edit(edit.address, _put(edit.before)) for edit in before.edits]
            change = self._make(connection, wish, back)
            assert change is not None, "every line of the audit changed something"
            return change

        return await self._database.write(unit)

    async def find(self, number: int) -> Change | None:
        def unit(connection: Connection) -> Change | None:
            row = connection.execute(select(changes).where(changes.c.number == number)).one_or_none()
            return None if row is None else _change(row, _undone_by(connection, [number]).get(number))

        return await self._database.read(unit)

    async def history(self, community: CommunityId | None, *, limit: int) -> Sequence[Change]:
        wanted = select(changes).order_by(changes.c.number.desc()).limit(limit)
        if community is not None:
            wanted = wanted.where(changes.c.community == community)

        def unit(connection: Connection) -> list[Change]:
            rows = connection.execute(wanted).all()
            undone = _undone_by(connection, [row.number for row in rows])
            return [_change(row, undone.get(row.number)) for row in rows]

        return await self._database.read(unit)

    async def prune(self, *, before: Instant) -> int:
        """Forget the lines written earlier than that, but for the newest of all: no number is given a second time."""
        old = (changes.c.at < microseconds(before)) & (
            changes.c.number < select(func.max(changes.c.number)).scalar_subquery()
        )

        def unit(connection: Connection) -> int:
            return connection.execute(delete(changes).where(old)).rowcount

        return await self._database.write(unit)

    async def newest(self) -> int:
        return await self._database.read(_newest)

    async def everything(self) -> tuple[int, Mapping[Address, Json]]:
        def unit(connection: Connection) -> tuple[int, Mapping[Address, Json]]:
            found: dict[Address, Json] = {}
            for register in (self._laid_down, *self._own.values()):
                found.update(register.everything(connection))
            return _newest(connection), found

        return await self._database.read(unit)

    def _register(self, address: Address) -> Register:
        return self._own.get(address.kind, self._laid_down)

    def _make(self, connection: Connection, wish: Wish, edits: Sequence[Edit]) -> Change | None:
        found: dict[Address, Edited] = {}
        for edit in edits:
            register = self._register(edit.address)
            before = register.read(connection, edit.address)
            after = edit.amend(before)
            if _text(after) == _text(before):
                continue
            address = register.write(connection, edit.address, after)
            first = found[address].before if address in found else before
            # As it will be read from now on, which is what an undo compares with.
            found[address] = Edited(address, first, register.read(connection, address))
        made = [edit for edit in found.values() if _text(edit.before) != _text(edit.after)]
        if not made:
            return None
        now = self._clock.now()
        # The next number by hand: two processes that change something at once cannot both have it.
        change = Change(number=_newest(connection) + 1, at=now, wish=wish, edits=made)
        connection.execute(
            insert(changes).values(
                number=change.number,
                at=microseconds(now),
                by=wish.by.key,
                community=wish.community,
                command=wish.command,
                edits=_text([_written(edit) for edit in made]),
                undoes=wish.undoes,
            )
        )
        return change


def told_of(connection: Connection, keys: Sequence[str]) -> list[dict[str, object]]:
    """What the audit holds of somebody: what they did, and what was done about them, without anybody else's name."""
    found: list[dict[str, object]] = []
    for row in _naming(connection, keys):
        change = _change(row, None)
        line: dict[str, object] = {"number": row.number, "at": row.at, "command": row.command}
        if row.by in keys:
            line["by"] = row.by
        about = [edit for edit in change.edits if _names(_written(edit), keys)]
        if row.by not in keys and not about:  # it only looked so: there is a longer name
            continue
        if about:
            line["about"] = [edit.address.key for edit in about]
            line["from"], line["to"] = [edit.before for edit in about], [edit.after for edit in about]
        found.append(line)
    return found


def rename(connection: Connection, keys: Sequence[str], instead: str) -> None:
    """Put another name in place of these, in every line of the audit. What was done by whom it was stays told."""

    def renamed(value: Json) -> Json:
        if isinstance(value, str):
            return f"{value[: len(value) - len(key)]}{instead}" if (key := _named(value, keys)) else value
        if isinstance(value, Mapping):
            return {name: renamed(one) for name, one in value.items()}
        return [renamed(one) for one in value] if isinstance(value, list) else value

    for row in _naming(connection, keys):
        by = instead if row.by in keys else row.by
        edits = _text(renamed(json.loads(row.edits)))
        connection.execute(update(changes).where(changes.c.number == row.number).values(by=by, edits=edits))


def _names(value: Json, keys: Sequence[str]) -> bool:
    if isinstance(value, Mapping):
        return any(_names(one, keys) for one in value.values())
    if isinstance(value, list):
        return any(_names(one, keys) for one in value)
    return isinstance(value, str) and bool(_named(value, keys))


def _naming(connection: Connection, keys: Sequence[str]) -> Sequence[Any]:
    """Lines in which one of these may be named; by its text, so that few are read."""
    texts = [changes.c.edits.contains(_text(key)[1:-1], autoescape=True) for key in keys]
    return connection.execute(select(changes).where(or_(changes.c.by.in_(keys), *texts))).all()


def _named(text: str, keys: Sequence[str]) -> str:
    """Which of these a text is, or ends with, as the keys of addresses do: `account/month/member`. Empty: none."""
    return next((key for key in keys if text == key or text.endswith(f"/{key}")), "")


def _put(value: Json) -> Callable[[Json], Json]:
    return lambda _: value


def _here(address: Address) -> tuple[Any, ...]:
    return (
        laid_down.c.kind == address.kind,
        laid_down.c.community == address.community,
        laid_down.c.key == address.key,
    )


def _newest(connection: Connection) -> int:
    return connection.scalar(select(func.coalesce(func.max(changes.c.number), 0))) or 0


def _undone_by(connection: Connection, numbers: Sequence[int]) -> dict[int, int]:
    wanted = select(changes.c.undoes, changes.c.number).where(changes.c.undoes.in_(numbers))
    return {row.undoes: row.number for row in connection.execute(wanted.order_by(changes.c.number))}


def _last_to_touch(connection: Connection, address: Address, *, since: int) -> Change | None:
    rows = connection.execute(select(changes).where(changes.c.number > since).order_by(changes.c.number.desc()))
    for row in rows:
        change = _change(row, None)
        if any(edit.address == address for edit in change.edits):
            return change
    return None


def _written(edit: Edited) -> Json:
    address = edit.address
    return [address.kind, address.community, address.key, edit.before, edit.after]


def _change(row: Any, undone_by: int | None) -> Change:
    try:
        edits = [
            Edited(Address(_kind(kind), CommunityId(community), key), before, after)
            for kind, community, key, before, after in json.loads(row.edits)
        ]
        by = Member.parse(row.by)
    except (ValueError, TypeError) as error:
        raise StorageError(f"The change {row.number} cannot be read: {error!r}.") from error
    wish = Wish(by=by, community=CommunityId(row.community), command=row.command, undoes=row.undoes)
    return Change(number=row.number, at=instant(row.at), wish=wish, edits=edits, undone_by=undone_by)


def _kind(name: str) -> Kind:
    for kind in get_args(Kind):
        if kind == name:
            found: Kind = kind
            return found
    raise StorageError(f"What admins laid down holds a {name!r}, which this Potluck does not know. Update it.")


def _text(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)


def _json(text: str) -> Json:
    try:
        found: Json = json.loads(text)
    except ValueError as error:
        raise StorageError(f"What admins laid down cannot be read: {error!r}.") from error
    return found
