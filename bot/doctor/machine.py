"""The machine: who can read the secrets, whether the database can be used, and the room there is for it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import assert_never

from filelock import FileLock, Timeout
from pydantic import SecretStr
from pydantic_settings import DotEnvSettingsSource

from bot.doctor.finding import Finding, failure, ok, warning
from bot.settings import Settings
from bot.storage.inspection import inspect

SPACE_WANTED = 200 * 1024 * 1024
"""Bytes free beside the database. A tenth of it is too little to start with."""
_OWN_FILE = "Set DATABASE_URL to a file of Potluck's own."
_OWN_DATABASE = "Set DATABASE_URL to a database of Potluck's own."
_REACHED = "Start the server, or correct DATABASE_URL."
_WRITABLE_FILE = "Set DATABASE_URL to a file Potluck may write."


def kept_secrets(env_file: Path) -> Iterator[Finding]:
    """Whether others on this machine can read the secrets that stand in the file. Nothing, if none do."""
    if os.name == "nt" or not env_file.is_file():
        return
    try:
        written = DotEnvSettingsSource(Settings, env_file=env_file)()
    except (OSError, ValueError):  # the settings have said so
        return
    secrets = [name.upper() for name, value in sorted(written.items()) if value and _is_secret(name)]
    if secrets and env_file.stat().st_mode & 0o077:
        holds = f"others on this machine may read it, and it holds {', '.join(secrets)}"
        yield warning(env_file.name, holds, f"chmod 600 {env_file}")
    elif secrets:
        yield ok(env_file.name, "nobody else can read it")


def _is_secret(name: str) -> bool:
    field = Settings.model_fields.get(name)
    return field is not None and SecretStr.__name__ in str(field.annotation)


def in_use(file: Path) -> bool:
    """A Potluck runs on this database: it holds the lock beside it for as long as it does."""
    lock = Path(f"{file}.lock")
    if not lock.exists():
        return False
    try:
        with FileLock(lock, blocking=False):
            return False
    except Timeout:
        return True
    except OSError:  # not ours to lock, as the database itself will tell
        return False


def database(settings: Settings, *, in_use: bool) -> Finding:
    """Whether the database can be used as it is."""
    where, file = settings.database, settings.database_name
    seen = inspect(where)
    own, other = (_OWN_FILE, _WRITABLE_FILE) if isinstance(where, Path) else (_OWN_DATABASE, _REACHED)
    match seen.state:
        case "missing":
            found = f"{file} is made at the first start"
        case "new":
            found = f"{file} is empty; the first start fills it"
        case "older":
            found = f"{file}, version {seen.version}; the next start brings it up to date"
        case "current":
            found = f"{file}, version {seen.version}"
        case "newer":
            newer = f"{file} was written by a newer Potluck (version {seen.version})"
            return failure("database", newer, "Update Potluck, or restore an older file.")
        case "foreign":
            return failure("database", f"{file} belongs to another program", own)
        case "unreadable":
            return failure("database", f"{file}: {seen.reason}", f"{other[:-1]}, or restore this one.")
        case _:
            assert_never(seen.state)
    if not isinstance(where, Path):
        return ok("database", found)
    touched = _folder(where) if seen.state == "missing" else where
    if not (_folder(where).is_dir() and os.access(_folder(where), os.W_OK) and os.access(touched, os.W_OK)):
        return failure("database", f"{touched} cannot be written", _WRITABLE_FILE)
    return ok("database", f"{found}; a Potluck is running on it" if in_use else found)


def disk(file: Path, *, wanted: int) -> Finding:
    """Whether there is room for the database to grow."""
    free = shutil.disk_usage(_folder(file)).free
    found = f"{free / 2**30:,.1f} GiB free beside the database"
    if free >= wanted:
        return ok("disk", found)
    judged = warning if free >= wanted // 10 else failure
    return judged("disk", found, "Make room, or set DATABASE_URL to a file on another disk.")


def _folder(file: Path) -> Path:
    """The folder it lies in, or the nearest one that exists of those it will lie in."""
    return next(parent for parent in file.absolute().parents if parent.exists())
