"""Who may spend and how much, read from a database file without changing it, for whoever is not the service."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from bot.clock import Instant
from bot.errors import StorageError
from bot.quota.ledger import PoolId
from bot.routing.access import Rule
from bot.routing.budget import Budget, Pico
from bot.storage import access, money
from bot.storage.inspection import read_only


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """The rules of one account, and its budgets with what is left of each; of `each` member's, whole."""

    rules: Sequence[Rule]
    budgets: Sequence[tuple[Budget, Pico]]


def rights(file: Path, account: PoolId, now: Instant) -> Rights | None:
    """What stands there. None: there is no book to tell, or none that can be read."""
    if not file.exists():
        return None
    engine = create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(read_only(file), uri=True), poolclass=StaticPool
    )
    try:
        with engine.connect() as connection:
            return Rights(
                rules=access.rules(connection, account),
                budgets=[(one, money.left_of(connection, one, now)) for one in money.budgets_of(connection, account)],
            )
    except (SQLAlchemyError, sqlite3.Error, StorageError):
        return None
    finally:
        engine.dispose()
