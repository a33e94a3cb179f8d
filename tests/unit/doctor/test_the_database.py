"""The doctor reads a database of any state by real causes, and touches none."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from bot.doctor.finding import stops
from bot.storage.migration import migrate
from tests.unit.doctor.patient import Patient


async def test_a_database_of_ours_is_read_and_not_touched(patient: Patient) -> None:
    migrate(patient.database)
    with closing(sqlite3.connect(patient.database)) as db:
        db.execute("PRAGMA journal_mode=WAL")  # as a service leaves it
    before = patient.files()
    await patient.look()
    assert patient.level("database") == "ok"
    assert "version" in patient["database"].found
    assert patient.files() == before


async def test_what_a_crash_left_in_the_journal_is_read_and_not_touched(patient: Patient, tmp_path: Path) -> None:
    living = tmp_path / "living" / "potluck.db"
    migrate(living)
    with closing(sqlite3.connect(living, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("UPDATE alembic_version SET version_num = '9999'")
        for name in ("potluck.db", "potluck.db-wal"):
            shutil.copy(living.with_name(name), patient.folder / name)
    shutil.rmtree(living.parent)
    before = patient.files()
    await patient.look()
    assert "newer" in patient["database"].found
    assert {name: data for name, data in patient.files().items() if name in before} == before


async def _altered(patient: Patient, *statements: str) -> str:
    """What is found of a database after some SQL. Asserts that it is a failure."""
    with closing(sqlite3.connect(patient.database, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)
    await patient.look()
    assert patient.level("database") == "failure"
    assert stops(patient.findings)
    return patient["database"].found


async def test_a_database_of_a_newer_potluck(patient: Patient) -> None:
    migrate(patient.database)
    assert "newer" in await _altered(patient, "UPDATE alembic_version SET version_num = '9999'")


async def test_a_database_of_another_program(patient: Patient) -> None:
    assert "another program" in await _altered(patient, "CREATE TABLE notes (text)")
    statements = ("CREATE TABLE alembic_version (version_num)", "INSERT INTO alembic_version VALUES ('abc')")
    assert "another program" in await _altered(patient, *statements)


async def test_a_file_that_is_no_database(patient: Patient) -> None:
    patient.database.write_bytes(b"all sorts of things" * 100)
    assert "not a database" in await _altered(patient)
    patient.database.unlink()
    patient.database.mkdir()
    await patient.look()
    assert patient.level("database") == "failure"


async def test_an_empty_file_and_an_older_database_will_do(patient: Patient) -> None:
    patient.database.touch()
    await patient.look()
    assert patient.level("database") == "ok"
    migrate(patient.database)
    with closing(sqlite3.connect(patient.database)) as db, db:
        db.execute("DELETE FROM alembic_version")
    await patient.look()
    assert "brings it up to date" in patient["database"].found


async def test_a_database_in_a_folder_that_is_a_file(patient: Patient) -> None:
    (patient.folder / "data").touch()
    await patient.look(DATABASE_URL=f"sqlite+aiosqlite:///{patient.folder}/data/potluck.db")
    assert patient.level("database") == "failure"


async def test_room_on_the_disk(patient: Patient) -> None:
    free = shutil.disk_usage(patient.folder).free
    for wanted, level in ((free // 2, "ok"), (free * 2, "warning"), (free * 20, "failure")):
        await patient.look(space_wanted=wanted)
        assert patient.level("disk") == level
