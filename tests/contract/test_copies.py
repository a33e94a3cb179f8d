"""Backups, restoring and moving: everything arrives, of one moment, or nothing does."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from cryptography.fernet import Fernet
from filelock import FileLock
from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, LargeBinary, Table, func, insert, select

from bot.__main__ import main
from bot.errors import StorageError
from bot.storage.copying import copy
from bot.storage.ends import filling, new_file, reading, upgraded
from bot.storage.migration import migrate
from bot.storage.tables import adapter_notes, metadata, pool_days, pools
from tests.fakes.databases import PostgresServer

ROWS = 5


class _PowerCutError(Exception):
    pass


def url(file: Path) -> str:
    return f"sqlite+aiosqlite:///{file}"


def full(file: Path) -> Path:
    """A database with some rows in each table."""
    with filling(file) as connection:
        for table in metadata.sorted_tables:
            connection.execute(insert(table), [_row(table, number) for number in range(1, ROWS + 1)])
    return file


def _row(table: Table, number: int) -> dict[str, Any]:
    return {column.name: _value(column, number) for column in table.columns}


def _value(column: Column[Any], number: int) -> Any:
    match column.type:
        case Boolean():
            return number % 2 == 0
        case Integer() | BigInteger():
            return number
        case Float():
            return number / 7
        case LargeBinary():
            return bytes(range(number))
    if column.nullable and number % 3 == 0:
        return None
    return f"{column.name} {number}: ä 漢 🎈 '\n"


def rows_of(file: Path) -> Mapping[str, list[tuple[Any, ...]]]:
    with closing(sqlite3.connect(file)) as db:
        return {name: db.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in metadata.tables}


def potluck(folder: Path, *words: str, database: str = "") -> Result:
    names = [str(folder / word) if word.endswith(".db") and "://" not in word else word for word in words]
    secret = {"SECRET_KEY": Fernet.generate_key().decode()} if database else {}
    where = {"DATABASE_URL": database or url(folder / "potluck.db"), "LOG_LEVEL": "WARNING"}
    return CliRunner(env=where | secret).invoke(main, names)


def test_what_is_backed_up_is_restored_row_by_row(tmp_path: Path) -> None:
    full(tmp_path / "potluck.db")
    assert potluck(tmp_path, "admin", "backup", "kept.db").exit_code == 0
    (tmp_path / "potluck.db").rename(tmp_path / "old.db")
    came = potluck(tmp_path, "admin", "restore", "kept.db")
    assert came.exit_code == 0, came.stderr
    assert came.stdout.startswith(f"{ROWS * len(metadata.tables)} rows.")
    assert rows_of(tmp_path / "potluck.db") == rows_of(tmp_path / "old.db")
    assert "SECRET_KEY does not open 10 of the keys" in came.stderr
    assert (tmp_path / "kept.db").stat().st_mode & 0o077 == 0, "others on the machine may not read it"


def test_a_move_leaves_the_old_database_as_it_was(tmp_path: Path) -> None:
    before = rows_of(full(tmp_path / "potluck.db"))
    came = potluck(tmp_path, "admin", "move-to", url(tmp_path / "new.db"))
    assert came.exit_code == 0, came.stderr
    assert rows_of(tmp_path / "potluck.db") == rows_of(tmp_path / "new.db") == before


def test_everything_goes_to_a_server_and_comes_back(tmp_path: Path, postgres: PostgresServer) -> None:
    before = rows_of(full(tmp_path / "potluck.db"))
    with postgres.database() as server:
        came = potluck(tmp_path, "admin", "move-to", server)
        assert came.exit_code == 0, came.stderr
        came = potluck(tmp_path, "admin", "backup", "kept.db", database=server)
        assert came.exit_code == 0, came.stderr
        assert rows_of(tmp_path / "kept.db") == before
        came = potluck(tmp_path, "admin", "restore", "kept.db", database=server)
        assert "is not empty" in came.stderr
    with postgres.database() as server:
        came = potluck(tmp_path, "admin", "restore", "kept.db", database=server)
        assert came.exit_code == 0, came.stderr
        came = potluck(tmp_path, "admin", "move-to", url(tmp_path / "back.db"), database=server)
        assert came.exit_code == 0, came.stderr
        with filling(server) as target:
            table = metadata.tables["leases"]
            row = {name: value for name, value in _row(table, 1).items() if name != "id"}
            assert target.execute(insert(table).values(row | {"number": 99})).inserted_primary_key == (ROWS + 1,)
        with psycopg.connect(server.replace("+psycopg", ""), application_name="potluck"):
            came = potluck(tmp_path, "admin", "move-to", url(tmp_path / "no.db"), database=server)
        assert "Another Potluck is using" in came.stderr
    assert rows_of(tmp_path / "back.db") == before


def test_a_backup_of_a_server_is_of_one_moment(tmp_path: Path, postgres: PostgresServer) -> None:
    with postgres.database() as server, psycopg.connect(server.replace("+psycopg", "")) as other:
        with filling(server) as target:
            target.execute(insert(pools), [_row(pools, 1)])
        with reading(server) as source, new_file(tmp_path / "kept.db") as target:
            assert source.scalar(select(func.count()).select_from(pools)) == 1
            other.execute("INSERT INTO pools (id, started) VALUES ('late', 0)")
            other.execute("INSERT INTO pool_days (pool, day, used) VALUES ('late', 1, 0)")
            other.commit()
            copy(source, target)
        kept = rows_of(tmp_path / "kept.db")
        assert (len(kept["pools"]), len(kept["pool_days"])) == (1, 0)
        with reading(server) as now:
            assert now.scalar(select(func.count()).select_from(pools)) == 2


def test_numbers_go_on_where_they_were(tmp_path: Path) -> None:
    full(tmp_path / "a.db")
    with reading(tmp_path / "a.db") as source, filling(tmp_path / "b.db") as target:
        copy(source, target)
    with filling(tmp_path / "b.db") as target:
        table = metadata.tables["leases"]
        row = {name: value for name, value in _row(table, 1).items() if name != "id"}
        assert target.execute(insert(table).values(row | {"number": 99})).inserted_primary_key == (ROWS + 1,)


@pytest.mark.parametrize("spoils", ["UPDATE turns SET answer = answer || '!'", "DELETE FROM turns WHERE rowid = 2"])
def test_a_copy_that_differs_is_no_copy(tmp_path: Path, spoils: str) -> None:
    """The control of the comparison: the target's own rules change what arrives."""
    full(tmp_path / "a.db")
    migrate(tmp_path / "b.db")
    with closing(sqlite3.connect(tmp_path / "b.db")) as db:
        db.execute(f"CREATE TRIGGER spoils AFTER INSERT ON turns WHEN NEW.rowid = 5 BEGIN {spoils}; END")
    with (
        pytest.raises(StorageError, match="turns differs"),
        reading(tmp_path / "a.db") as source,
        filling(tmp_path / "b.db") as target,
    ):
        copy(source, target)
    assert not any(rows_of(tmp_path / "b.db").values()), "nothing of it stays"


def test_a_backup_is_of_one_moment_while_potluck_writes_on(tmp_path: Path) -> None:
    """A writer keeps two tables at the same length. A reader without a transaction, the control, sees them differ."""
    file = tmp_path / "potluck.db"
    migrate(file)
    with closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA journal_mode=WAL")
    stop, wrote = threading.Event(), threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(file, isolation_level=None, timeout=30)) as db:
            number = 0
            while not stop.is_set():
                number += 1
                db.execute("BEGIN IMMEDIATE")
                db.execute("INSERT INTO pools (id, started) VALUES (?, 0)", (str(number),))
                db.execute("INSERT INTO pool_days (pool, day, used) VALUES (?, 1, 0)", (str(number),))
                db.execute("COMMIT")
                if number == 200:
                    wrote.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert wrote.wait(60)
        for number in range(5):
            with reading(file) as source, new_file(tmp_path / f"{number}.db") as target:
                copy(source, target)
            with reading(tmp_path / f"{number}.db") as kept:
                assert kept.scalar(select(func.count()).select_from(pools)) == kept.scalar(
                    select(func.count()).select_from(pool_days)
                )
        with closing(sqlite3.connect(file, timeout=30)) as db:
            counts = ((_count(db, "pools"), _count(db, "pool_days")) for _ in range(100_000))
            assert any(one != other for one, other in counts), "the control saw no writer"
    finally:
        stop.set()
        writer.join()


def _count(db: sqlite3.Connection, table: str) -> int:
    count: int = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return count


def test_an_older_backup_is_brought_up_and_stays_as_it_is(tmp_path: Path) -> None:
    migrate(tmp_path / "old.db", to="0001")
    with closing(sqlite3.connect(tmp_path / "old.db")) as db, db:
        db.execute("INSERT INTO pools (id, started) VALUES ('p', 7)")
    before = (tmp_path / "old.db").read_bytes()
    with upgraded(tmp_path / "old.db") as source, filling(tmp_path / "new.db") as target:
        copy(source, target)
        assert target.execute(select(pools.c.id, pools.c.started)).all() == [("p", 7)]
    assert (tmp_path / "old.db").read_bytes() == before


def _missing(folder: Path) -> None:
    full(folder / "potluck.db").rename(folder / "kept.db")
    full(folder / "potluck.db")


def _text(folder: Path) -> None:
    (folder / "kept.db").write_text("no database")


def _foreign(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "kept.db")) as db, db:
        db.execute("CREATE TABLE notes (text)")


def _newer(folder: Path) -> None:
    full(folder / "kept.db")
    with closing(sqlite3.connect(folder / "kept.db")) as db, db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")


def _half(folder: Path) -> None:
    whole = full(folder / "kept.db").read_bytes()
    (folder / "kept.db").write_bytes(whole[: len(whole) // 2])


@pytest.mark.parametrize(
    ("lay_out", "says"),
    [
        (_missing, "is not empty"),
        (_text, "no database of Potluck's"),
        (_foreign, "no database of Potluck's"),
        (_newer, "newer Potluck"),
        (_half, "malformed"),
    ],
)
def test_what_cannot_be_restored_changes_nothing(tmp_path: Path, lay_out: Any, says: str) -> None:
    lay_out(tmp_path)
    before = rows_of(tmp_path / "potluck.db") if (tmp_path / "potluck.db").exists() else None
    came = potluck(tmp_path, "admin", "restore", "kept.db")
    assert came.exit_code == 1
    assert says in came.stderr
    assert len(came.stderr.splitlines()) == 1, "one sentence"
    if before is not None:
        assert rows_of(tmp_path / "potluck.db") == before


def test_a_backup_takes_no_other_files_place_and_leaves_no_half(tmp_path: Path) -> None:
    full(tmp_path / "potluck.db")
    (tmp_path / "kept.db").write_text("mine")
    came = potluck(tmp_path, "admin", "backup", "kept.db")
    assert (came.exit_code, (tmp_path / "kept.db").read_text()) == (1, "mine")
    with suppress(_PowerCutError), new_file(tmp_path / "other.db") as target:
        target.execute(insert(adapter_notes), [_row(adapter_notes, 1)])
        raise _PowerCutError
    assert sorted(one.name for one in tmp_path.iterdir() if one.name.startswith("other")) == []


def test_while_potluck_runs_nothing_is_restored_or_moved(tmp_path: Path) -> None:
    full(tmp_path / "potluck.db")
    with FileLock(tmp_path / "potluck.db.lock"):
        moved = potluck(tmp_path, "admin", "move-to", url(tmp_path / "new.db"))
        kept = potluck(tmp_path, "admin", "backup", "kept.db")
    assert (moved.exit_code, kept.exit_code) == (1, 0)
    assert "Another Potluck is using" in moved.stderr
    assert not (tmp_path / "new.db").exists()
