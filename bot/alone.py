"""One process per SQLite database, by a lock beside the file; and what keeps the service from starting at all."""

from __future__ import annotations

from filelock import FileLock, Timeout

from bot.errors import PotluckError, StorageError
from bot.settings import Settings


class StartError(PotluckError):
    """The service cannot start; its text is one line that says what to do."""


def alone_with(settings: Settings) -> FileLock:
    """One process per SQLite database: a second one would take the first one's open leases for a crash's."""
    lock = FileLock(f"{settings.database_file}.lock", blocking=False)
    try:
        settings.database_file.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise StartError(
            f"Another Potluck is using {settings.database_file}. Stop it, or set DATABASE_URL to another file."
        ) from None
    except OSError as error:
        raise StorageError(
            f"{settings.database_file} cannot be used: {error.strerror}. Set DATABASE_URL to a file Potluck may write."
        ) from None
    return lock
