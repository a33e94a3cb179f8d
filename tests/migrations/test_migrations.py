"""Migrations: they end at the tables the program knows, keep what was there, and happen whole or not at all."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, MetaData, Text, create_engine, text

from bot.errors import StorageError
from bot.storage.migration import migrate
from bot.storage.tables import metadata
from tests.fakes.databases import PostgresServer

FIRST = "0001"
FIRST_TABLES = ("conversations", "handled_messages", "leases", "member_days", "pool_days", "pools", "turns")

INTERRUPTED = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import Engine, event
from bot.storage.migration import migrate

left = int(sys.argv[2])

@event.listens_for(Engine, "after_cursor_execute")
def strike(connection, cursor, statement, *rest):
    global left
    left -= statement.lstrip().startswith(("CREATE", "INSERT INTO alembic_version"))
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

migrate(Path(sys.argv[1]))
"""
"""Migrates, and is killed after so many statements that change something."""


def differences(file: Path, tables: MetaData = metadata) -> list[Any]:
    """What Alembic would change in the file to make these tables of it."""
    engine = create_engine(f"sqlite:///{file}")
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(
                connection, opts={"compare_type": True, "compare_server_default": True}
            )
            return list(compare_metadata(context, tables))
    finally:
        engine.dispose()


def shape(file: Path) -> dict[str, Any]:
    """Every table's columns, keys and indexes as SQLite has them, partial ones with their condition."""
    found: dict[str, Any] = {}
    with closing(sqlite3.connect(file)) as db:
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            indexes = {
                name: (unique, origin, partial, db.execute(f"PRAGMA index_xinfo({name})").fetchall())
                for _, name, unique, origin, partial in db.execute(f"PRAGMA index_list({table})")
            }
            found[table] = (sorted(db.execute(f"PRAGMA table_info({table})")), indexes)
    found.pop("alembic_version", None)
    return found


def rows(file: Path) -> dict[str, list[Any]]:
    """Everything in the file."""
    with closing(sqlite3.connect(file)) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {table: db.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in sorted(tables)}


def fill(file: Path, tables: tuple[str, ...]) -> None:
    """Two rows in every table, by what its columns are in the file."""
    with closing(sqlite3.connect(file)) as db, db:
        for table in tables:
            columns = db.execute(f"PRAGMA table_info({table})").fetchall()
            for row in (1, 2):
                values = [
                    row if "INT" in kind or kind == "BOOLEAN" else f"{name} {row}" for _, name, kind, *_ in columns
                ]
                db.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(values))})", values)


def foreign(file: Path, *, journal: str = "delete", version: str | None = None) -> None:
    """A database of another program; with a version, one that uses Alembic too."""
    with closing(sqlite3.connect(file)) as db, db:
        db.execute(f"PRAGMA journal_mode={journal}")
        db.execute("CREATE TABLE songs (title TEXT)")
        db.execute("INSERT INTO songs VALUES ('Pot Luck')")
        if version is not None:
            db.execute("CREATE TABLE alembic_version (version_num TEXT)")
            db.execute("INSERT INTO alembic_version VALUES (?)", [version])


def test_a_new_database_has_the_tables_the_program_knows(tmp_path: Path) -> None:
    file, made = tmp_path / "potluck.db", tmp_path / "made.db"
    done = migrate(file)
    assert done.before is None
    assert differences(file) == []
    engine = create_engine(f"sqlite:///{made}")
    metadata.create_all(engine)
    engine.dispose()
    assert shape(file) == shape(made)


def test_control_a_column_or_an_index_more_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "potluck.db"
    migrate(file)
    other = MetaData(naming_convention=metadata.naming_convention)
    for table in metadata.tables.values():
        table.to_metadata(other)
    other.tables["pools"].append_column(Column("name", Text))
    assert [change[0] for change in differences(file, other)] == ["add_column"]
    before = shape(file)
    with closing(sqlite3.connect(file)) as db:
        db.execute("DROP INDEX ix_leases_open")
        db.execute("CREATE INDEX ix_leases_open ON leases (id)")
    assert shape(file) != before


def test_upgrading_again_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "potluck.db"
    first = migrate(file)
    fill(file, tuple(metadata.tables))
    before = rows(file)
    again = migrate(file)
    assert (again.before, again.after) == (first.after, first.after)
    assert rows(file) == before


def test_every_row_of_the_first_version_lives_on(tmp_path: Path) -> None:
    file = tmp_path / "potluck.db"
    assert migrate(file, to=FIRST).after == FIRST
    fill(file, FIRST_TABLES)
    before = rows(file)
    assert migrate(file).before == FIRST
    after = rows(file)
    for table in FIRST_TABLES:
        assert len(before[table]) == 2
        assert [row[: len(before[table][0])] for row in after[table]] == before[table]
    assert differences(file) == []


def test_a_migration_that_fails_leaves_everything_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "potluck.db"
    # A view is in the way of the last table: all that was made before it must go again.
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("CREATE VIEW turns AS SELECT 7")
    before = file.read_bytes()
    with pytest.raises(StorageError, match="turns"):
        migrate(file)
    assert file.read_bytes() == before


def test_a_model_chosen_for_a_community_becomes_what_admins_laid_down(tmp_path: Path) -> None:
    file = tmp_path / "potluck.db"
    migrate(file, to="0014")
    with closing(sqlite3.connect(file)) as db, db:
        for kind, key in (("community", "web"), ("community", "slack:T1"), ("member", "web:ann")):
            db.execute("INSERT INTO model_choices VALUES (?, ?, 'm/x:free', 'web:ann', 0)", [kind, key])
        db.execute("""INSERT INTO laid_down VALUES ('models', 'slack:T1', 'models', '{"hidden":["m/y:free"]}')""")
    migrate(file)
    after = rows(file)
    assert [row[:2] for row in after["model_choices"]] == [("member", "web:ann")]
    assert sorted(after["laid_down"]) == [
        ("models", "slack:T1", "models", '{"hidden":["m/y:free"]}'),
        ("models", "web", "models", '{"default":"m/x:free"}'),
    ]


@pytest.mark.parametrize("statements", [1, 8, 16])
def test_a_migration_that_is_killed_leaves_everything_as_it_was(tmp_path: Path, statements: int) -> None:
    file = tmp_path / "potluck.db"
    ended = subprocess.run([sys.executable, "-c", INTERRUPTED, file, str(statements)], timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert rows(file) == {}
    assert migrate(file).before is None
    assert differences(file) == []


@pytest.mark.parametrize("journal", ["delete", "wal"])
@pytest.mark.parametrize("version", [None, "9999", FIRST])
def test_another_programs_database_is_refused_and_untouched(tmp_path: Path, journal: str, version: str | None) -> None:
    file = tmp_path / "songs.db"
    foreign(file, journal=journal, version=version)
    before = file.read_bytes()
    with pytest.raises(StorageError, match="another program") as caught:
        migrate(file)
    assert str(caught.value).isprintable()
    assert file.read_bytes() == before


def test_a_newer_potlucks_database_is_refused_and_untouched(tmp_path: Path) -> None:
    file = tmp_path / "potluck.db"
    migrate(file)
    fill(file, tuple(metadata.tables))
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
    before = file.read_bytes()
    with pytest.raises(StorageError, match="newer Potluck"):
        migrate(file)
    assert file.read_bytes() == before


@pytest.mark.parametrize("content", [b"just some notes\n" * 100, b"SQLite format 3\0" + b"\xff" * 2000])
def test_what_is_no_database_is_refused_and_untouched(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "notes.txt"
    file.write_bytes(content)
    with pytest.raises(StorageError) as caught:
        migrate(file)
    assert str(caught.value).isprintable()
    assert file.read_bytes() == content


def test_a_folder_and_what_lies_below_a_file_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("here")
    for impossible in (tmp_path, file / "potluck.db"):
        with pytest.raises(StorageError) as caught:
            migrate(impossible)
        assert str(caught.value).isprintable()


def test_an_empty_file_is_a_new_database(tmp_path: Path) -> None:
    file = tmp_path / "potluck.db"
    file.touch()
    assert migrate(file).before is None


# --- the same on a server ----------------------------------------------------------------------------------


def server_differences(address: str) -> list[Any]:
    """What Alembic would change on the server to make the program's tables of it."""
    engine = create_engine(address)
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(
                connection, opts={"compare_type": True, "compare_server_default": True}
            )
            return list(compare_metadata(context, metadata))
    finally:
        engine.dispose()


def on_server(address: str, *statements: str) -> list[Any]:
    """What the last of the statements gives."""
    engine = create_engine(address)
    try:
        with engine.begin() as connection:
            for statement in statements:
                result = connection.execute(text(statement))
            return list(result) if result.returns_rows else []
    finally:
        engine.dispose()


def test_a_servers_database_has_the_same_tables_and_what_was_in_it_lives_on(postgres: PostgresServer) -> None:
    with postgres.bare() as address:
        assert migrate(address, to=FIRST).before is None
        on_server(address, "INSERT INTO pools VALUES ('default', 7)", "INSERT INTO pool_days VALUES ('default', 1, 2)")
        assert migrate(address).before == FIRST
        assert migrate(address).before == migrate(address).after
        assert server_differences(address) == []
        assert on_server(address, "SELECT id, started FROM pools") == [("default", 7)]
        assert on_server(address, "SELECT used, elsewhere FROM pool_days") == [(2, 0)]
        on_server(address, "DROP INDEX ix_leases_pool_number")
        assert server_differences(address) != [], "the control"


def test_what_is_not_potlucks_on_a_server_is_refused_and_untouched(postgres: PostgresServer) -> None:
    with postgres.bare() as address:
        on_server(address, "CREATE TABLE songs (title text)")
        with pytest.raises(StorageError, match="another program"):
            migrate(address)
        on_server(address, "DROP TABLE songs", "CREATE VIEW turns AS SELECT 7 AS seven")
        with pytest.raises(StorageError, match="turns"):
            migrate(address)
        found = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
        assert on_server(address, found) == [(1,)], "the view alone"
        on_server(address, "DROP VIEW turns")
        migrate(address)
        on_server(address, "UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(StorageError, match="newer Potluck"):
            migrate(address)


def test_processes_that_start_at_once_migrate_once(postgres: PostgresServer) -> None:
    with postgres.bare() as address, ThreadPoolExecutor(3) as threads:
        done = list(threads.map(lambda _: migrate(address), range(3)))
        assert sorted(one.before is None for one in done) == [False, False, True]
