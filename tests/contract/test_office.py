"""What admins change, over a real database: whole or not at all, on the record, and back again."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Collection

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, func, select, update

from bot.clock import DAY, Instant
from bot.errors import StorageError
from bot.messages import CommunityId, Member
from bot.office.edits import EVERYWHERE, Address, Edit, Json, KeptNowhereError, MovedOnError, Wish, to
from bot.office.office import Office
from bot.office.own_terms import NOT_SET, OwnTerms, best, together
from bot.office.roster import Roster
from bot.quota.ledger import PoolId
from bot.quota.terms import UNITS_MAX, WEIGHT_MAX, Block, MemberTerms
from bot.storage.database import Database
from bot.storage.office import SqlArchive
from bot.storage.tables import access_rules, budgets, changes, laid_down
from bot.storage.units import Where
from tests.fakes.databases import opened
from tests.fakes.virtual import VirtualClock, VirtualLoop

pytestmark = pytest.mark.virtual

ADA, OLGA = Member("web", "ada"), Member("web", "olga")
WEB, OTHER = CommunityId("web"), CommunityId("discord:9")
ANN, BEN = Address("member", WEB, "web:ann"), Address("member", WEB, "web:ben")
RULE = Address("paid_rule", WEB, "default/")
BUDGET = Address("budget", WEB, "default/month/*")
GRANT: Json = {
    "allows": True,
    "to": {"member": "web:ann", "community": "web"},
    "models": None,
    "ceiling": None,
    "ends_at": None,
}


def wish(
    command: str = "a command", *, by: Member = ADA, community: CommunityId = WEB, undoes: int | None = None
) -> Wish:
    return Wish(by=by, community=community, command=command, undoes=undoes)


@pytest.fixture
async def database(where: Where, clock: VirtualClock, loop: VirtualLoop) -> AsyncIterator[Database]:
    async with opened(where, clock, loop) as database:
        yield database


class Unlinked:
    """Every account is a person of its own."""

    def of(self, member: Member) -> Member:
        return member

    def accounts(self, member: Member) -> Collection[Member]:
        return (member,)


async def office_over(database: Database, clock: VirtualClock) -> Office:
    office = Office(SqlArchive(database, clock))
    await office.open()
    return office


async def everything(database: Database) -> list[object]:
    """All rows that a change could touch."""

    def unit(connection: Connection) -> list[object]:
        tables = (laid_down, access_rules, budgets, changes)
        return [sorted(map(str, connection.execute(select(table)))) for table in tables]

    return await database.read(unit)


async def test_a_change_is_in_force_kept_and_on_the_record(database: Database, clock: VirtualClock) -> None:
    office = await office_over(database, clock)
    change = await office.change(
        wish("admin something"), [Edit(ANN, to({"weight": 2})), Edit(RULE, to(GRANT)), Edit(BUDGET, to("2.50"))]
    )
    assert change is not None
    assert change.number == 1
    assert [edit.before for edit in change.edits] == [None, None, None]
    assert office.at("member", WEB, "web:ann") == {"weight": 2}
    assert office.at("paid_rule", WEB, "default/1") == GRANT
    assert office.at("budget", WEB, "default/month/*") == "2.5"
    after = await office_over(database, clock)
    assert after.laid_down == office.laid_down
    (line,) = await after.history(WEB, limit=10)
    assert (line.wish, line.at, line.edits) == (change.wish, clock.now(), change.edits)
    assert await after.history(OTHER, limit=10) == []


async def test_what_fails_in_the_middle_changes_nothing(database: Database, clock: VirtualClock) -> None:
    office = await office_over(database, clock)
    await office.change(wish(), [Edit(ANN, to({"weight": 2}))])
    before, stood = await everything(database), dict(office.laid_down)

    def refuses(kept: Json) -> Json:
        raise LookupError("not that")

    with pytest.raises(LookupError):
        await office.change(wish(), [Edit(ANN, to(None)), Edit(RULE, to(GRANT)), Edit(BEN, refuses)])
    with pytest.raises(StorageError):
        await office.change(wish(), [Edit(BEN, to({"weight": 3})), Edit(RULE, to({"allows": "maybe"}))])
    assert (await everything(database), dict(office.laid_down)) == (before, stood)


async def test_the_record_is_forgotten_in_time_and_no_number_is_given_twice(
    database: Database, clock: VirtualClock
) -> None:
    office, archive = await office_over(database, clock), SqlArchive(database, clock)
    for weight in (2, 3):
        await office.change(wish(), [Edit(ANN, to({"weight": weight}))])
    await asyncio.sleep(10 * DAY)
    await office.change(wish(), [Edit(BEN, to({"weight": 2}))])
    assert await archive.prune(before=Instant(clock.now() - 11 * DAY)) == 0
    assert await archive.prune(before=Instant(clock.now() - 9 * DAY)) == 2
    assert [change.number for change in await office.history(None, limit=10)] == [3]
    await asyncio.sleep(20 * DAY)
    assert await archive.prune(before=clock.now()) == 0, "the newest tells which number is the next"
    again = await office.change(wish(), [Edit(ANN, to({"weight": 4}))])
    assert again is not None
    assert (again.number, again.edits[0].before) == (4, {"weight": 3}), "what was laid down stands"
    with pytest.raises(KeyError):
        await office.undo(1, wish(undoes=1))


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from sqlalchemy import Engine, event
from bot.clock import SystemClock
from bot.messages import CommunityId, Member
from bot.office.edits import Address, Edit, Wish, to
from bot.office.office import Office
from bot.storage.database import Database
from bot.storage.units import Where
from tests.fakes.databases import opened
from bot.storage.office import SqlArchive

left = int(sys.argv[2])

@event.listens_for(Engine, "after_cursor_execute")
def strike(connection, cursor, statement, *rest):
    global left
    left -= statement.lstrip().startswith(("INSERT", "DELETE"))
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    where = sys.argv[1]
    database = Database(where if "://" in where else Path(where), SystemClock())
    await database.open()
    office = Office(SqlArchive(database, SystemClock()))
    await office.open()
    web = CommunityId("web")
    edits = [Edit(Address("member", web, f"web:m{n}"), to({"weight": 2})) for n in range(3)]
    await office.change(Wish(by=Member("web", "ada"), community=web, command="admin something"), edits)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""
"""Makes a change and is killed: after so many statements that write, or when it has been told that it was made."""


@pytest.mark.parametrize(("statements", "made"), [(1, False), (6, False), (7, False), (99, True)])
async def test_a_crash_leaves_a_change_whole_or_not_at_all(
    where: Where, database: Database, clock: VirtualClock, statements: int, made: bool
) -> None:
    """The seventh writes the line of the audit, the last before the end of the transaction."""
    script = [sys.executable, "-c", KILLED, str(where), str(statements)]
    ended = await asyncio.to_thread(subprocess.run, script, timeout=60, check=False, capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    office = await office_over(database, clock)
    assert len(office.laid_down) == (3 if made else 0)
    assert len(await office.history(WEB, limit=10)) == (1 if made else 0)


async def test_nothing_new_is_no_change(database: Database, clock: VirtualClock) -> None:
    office = await office_over(database, clock)
    assert await office.change(wish(), [Edit(ANN, to(None))]) is None
    assert await office.change(wish(), [Edit(ANN, to({"weight": 2, "every_day": 1}))]) is not None
    assert await office.change(wish(), [Edit(ANN, to({"every_day": 1, "weight": 2}))]) is None
    assert len(await office.history(WEB, limit=10)) == 1


async def test_undo_puts_back_what_was_unless_somebody_has_changed_it_since(
    database: Database, clock: VirtualClock
) -> None:
    office = await office_over(database, clock)
    await office.change(wish(), [Edit(ANN, to({"weight": 2})), Edit(RULE, to(GRANT))])
    await office.change(wish(by=OLGA), [Edit(ANN, to({"weight": 3}))])
    with pytest.raises(MovedOnError) as caught:
        await office.undo(1, wish(undoes=1))
    assert caught.value.since is not None
    assert (caught.value.since.number, caught.value.since.wish.by) == (2, OLGA)
    assert office.at("paid_rule", WEB, "default/1") == GRANT, "not even the part that could be"
    await office.undo(2, wish(undoes=2))
    assert office.at("member", WEB, "web:ann") == {"weight": 2}
    await office.undo(1, wish(undoes=1))
    assert not office.laid_down
    with pytest.raises(MovedOnError) as twice:
        await office.undo(1, wish(undoes=1))
    assert twice.value.since is not None
    assert twice.value.since.wish.undoes == 1
    with pytest.raises(KeyError):
        await office.undo(17, wish(undoes=17))
    await office.undo(4, wish(undoes=4))
    assert set(office.laid_down) == {ANN, Address("paid_rule", WEB, "default/1")}, "an undo can be taken back, too"
    assert [change.undone_by for change in await office.history(WEB, limit=10)] == [None, 5, None, 3, 4]


async def test_what_has_a_table_of_its_own_is_changed_and_undone_with_the_rest(
    database: Database, clock: VirtualClock
) -> None:
    """A key is told of and not told: what was replaced stands nowhere, so nothing of that change is taken back."""
    office = await office_over(database, clock)
    pays, key = Address("pays", EVERYWHERE, "default/slack:T1/U2"), Address("key", OTHER, "")
    first: Json = {"account": "account:1", "linked_at": 1_790_000_000.5, "sealed": "s" * 40}
    second: Json = {"account": "account:1", "linked_at": 1_790_000_001.0, "sealed": "t" * 40}
    await office.change(wish(community=OTHER), [Edit(pays, to(True)), Edit(key, to(first))])
    told = {"account": "account:1", "linked_at": 1_790_000_000.5}
    assert dict(office.laid_down) == {pays: True, key: told}
    assert dict((await office_over(database, clock)).laid_down) == {pays: True, key: told}
    await office.change(wish(community=OTHER), [Edit(pays, to(None)), Edit(key, to(second))])
    with pytest.raises(KeptNowhereError):
        await office.undo(2, wish(undoes=2))
    assert dict((await office_over(database, clock)).laid_down) == {key: told | {"linked_at": 1_790_000_001.0}}
    assert "sealed" not in repr(await office.history(None, limit=9))
    await office.change(wish(community=OTHER), [Edit(key, to(None))])
    assert not office.laid_down
    with pytest.raises(KeptNowhereError):
        await office.undo(3, wish(undoes=3))


values = st.none() | st.integers(0, 3).map(lambda weight: {"weight": weight + 1})
addresses = st.sampled_from([ANN, BEN, Address("member", OTHER, "web:ann"), Address("models", EVERYWHERE, "models")])


@given(st.lists(st.lists(st.tuples(addresses, values), min_size=1, max_size=3), max_size=8))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_memory_database_and_audit_tell_the_same(
    database: Database, clock: VirtualClock, wanted: list[list[tuple[Address, Json]]]
) -> None:
    await database.write(lambda core: [core.execute(delete(table)) for table in (laid_down, changes)] and None)
    office = await office_over(database, clock)
    told: dict[Address, Json] = {}
    for edits in wanted:
        change = await office.change(wish(), [Edit(address, to(value)) for address, value in edits])
        for edit in change.edits if change is not None else ():
            assert told.get(edit.address) == edit.before, "each change begins where the one before ended"
            told[edit.address] = edit.after
    told = {address: value for address, value in told.items() if value is not None}
    assert dict(office.laid_down) == told == dict((await office_over(database, clock)).laid_down)
    for change in await office.history(None, limit=100):
        await office.undo(change.number, wish(undoes=change.number))
    assert not office.laid_down, "all taken back, newest first, is as it began"


async def test_what_one_process_changes_another_sees_when_it_looks(
    where: Where, database: Database, clock: VirtualClock, loop: VirtualLoop
) -> None:
    here = await office_over(database, clock)
    heard: list[str] = []

    def hears(name: str) -> Callable[[], object]:
        async def heard_of() -> None:
            heard.append(name)

        return heard_of

    here.enforce(hears("members"), "member")  # type: ignore[arg-type]
    here.enforce(hears("pauses"), "pause")  # type: ignore[arg-type]
    async with opened(where, clock, loop) as beside:
        there = await office_over(beside, clock)
        await there.change(wish(), [Edit(ANN, to({"weight": 2}))])
        assert not here.laid_down
        await here.look()
        assert here.laid_down == there.laid_down
        assert heard == ["members"], "and only what concerns whoever listens"
        await here.look()
        assert heard == ["members"], "once"
        # Changed in both, one after the other: what is worked out from what stands is right all the same.
        await there.change(wish(), [Edit(ANN, lambda kept: OwnTerms.read(kept).granting(2, day=9).written(today=0))])
        await here.change(wish(), [Edit(ANN, lambda kept: OwnTerms.read(kept).granting(3, day=9).written(today=0))])
        assert OwnTerms.read(here.at("member", WEB, "web:ann")).on_day == {9: 5}
        await there.look()
        assert there.laid_down == here.laid_down


async def test_terms_that_cannot_be_read_stop_the_start(database: Database, clock: VirtualClock) -> None:
    """Taken for none, they would let in whoever was blocked."""
    office = await office_over(database, clock)
    await office.change(wish(), [Edit(ANN, to({"block": {"until": None}}))])

    async def put(broken: str) -> None:
        await database.write(lambda core: core.execute(update(laid_down).values(value=broken)) and None)

    async def start() -> None:
        found = await office_over(database, clock)
        pool = PoolId("default")
        await Roster(office=found, persons=Unlinked(), clock=clock, pool=pool, serves=lambda _: True).refresh()

    for broken in ('{"block": 1}', '{"weight": "heavy"}', "[]", '{"weight": 0}', "{"):
        await put(broken)
        with pytest.raises(StorageError, match="cannot be read"):
            await start()


weights = st.none() | st.floats(1 / WEIGHT_MAX, WEIGHT_MAX)
units = st.integers(0, UNITS_MAX)
any_terms = st.builds(
    OwnTerms,
    weight=weights,
    every_day=st.none() | units,
    on_day=st.dictionaries(st.integers(10, 40_000), st.integers(1, UNITS_MAX), max_size=3),
    block=st.none() | st.builds(Block, until=st.none() | st.floats(0, 4e9).map(Instant)),
)


@given(any_terms)
def test_terms_are_read_as_they_were_written(own: OwnTerms) -> None:
    assert OwnTerms.read(own.written(today=0)) == own
    assert NOT_SET.written(today=0) is None


@given(any_terms, any_terms)
def test_the_first_that_sets_a_value_decides_and_of_roles_the_best(one: OwnTerms, other: OwnTerms) -> None:
    first = together([one, other])
    assert first.weight == next((own.weight for own in (one, other) if own.weight is not None), 1)
    assert first.every_day == next((own.every_day for own in (one, other) if own.every_day is not None), 0)
    of_roles = together([best([one, other])])
    for day in {*one.on_day, *other.on_day}:
        assert first.on_day[day] == one.on_day.get(day, other.on_day.get(day))
        assert of_roles.on_day[day] >= first.on_day[day]
    assert together([best([one, other])]) == together([best([other, one])])
    assert together([NOT_SET]) == MemberTerms()


async def test_the_archive_has_one_number_after_the_other(database: Database, clock: VirtualClock) -> None:
    office = await office_over(database, clock)
    for weight in (1, 2, 3):
        await office.change(wish(), [Edit(ANN, to({"weight": weight}))])
    numbers = await database.read(lambda core: list(core.scalars(select(changes.c.number).order_by(changes.c.number))))
    assert numbers == [1, 2, 3]
    assert await database.read(lambda core: core.scalar(select(func.count()).select_from(laid_down))) == 1
