"""Keys that people bring are kept for their owner alone, and nowhere in clear."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from click.testing import CliRunner
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import select, update

from bot.__main__ import main
from bot.clock import SystemClock
from bot.messages import CommunityId, Member
from bot.pasted_keys import holds_key
from bot.storage.database import Database
from bot.storage.keys import SqlKeys
from bot.storage.tables import own_keys
from bot.storage.units import Where
from bot.vault import Vault, VaultError
from tests.fakes.databases import opened

T = TypeVar("T")

KEY = SecretStr("sk-or-v1-" + "0123456789abcdef" * 4)
OTHER = SecretStr("sk-or-v1-" + "fedcba9876543210" * 4)
ANN, BEN = Member("web", "ann"), Member("web", "ben")
OLD, NEW = Fernet.generate_key(), Fernet.generate_key()


@pytest.fixture
async def database(where: Where) -> AsyncIterator[Database]:
    async with opened(where, SystemClock()) as database:
        yield database


def keys(database: Database, *masters: bytes) -> SqlKeys:
    return SqlKeys(database, SystemClock(), Vault(masters or (OLD,)))


async def contents(database: Database) -> bytes:
    """All that is kept, as it is kept."""
    if isinstance(database.where, Path):
        return b"".join(file.read_bytes() for file in database.where.parent.iterdir())
    return await database.read(lambda connection: repr(connection.execute(select(own_keys)).mappings().all()).encode())


async def test_a_key_is_its_owners_and_goes_at_once(database: Database) -> None:
    kept = keys(database)
    await kept.put(ANN, OTHER)
    await kept.put(ANN, KEY)
    await kept.put(CommunityId("web:ann"), OTHER)
    assert await kept.get(ANN) == KEY
    assert await kept.get(CommunityId("web:ann")) == OTHER
    assert await kept.get(BEN) is None
    shown = await kept.show(ANN)
    assert shown is not None
    assert shown.last_four == "cdef"
    everything = await contents(database)
    assert b"web:ann" in everything
    for secret in (KEY, OTHER):
        assert secret.get_secret_value().encode() not in everything
        assert secret.get_secret_value()[9:] not in f"{kept!r}{shown!r}{secret!r}{Vault([OLD])!r}"
    assert await kept.remove(ANN)
    assert not await kept.remove(ANN)
    assert await kept.get(ANN) is None


async def test_a_row_that_was_given_to_somebody_else_does_not_open(database: Database) -> None:
    kept = keys(database)
    await kept.put(ANN, KEY)
    change = update(own_keys).values(owner="member web:ben")
    await database.write(lambda connection: connection.execute(change) and None)
    with pytest.raises(VaultError, match="somebody else") as caught:
        await kept.get(BEN)
    assert KEY.get_secret_value()[9:] not in repr(caught.value)


async def test_rotation_leaves_the_old_master_key_unneeded(database: Database) -> None:
    await keys(database, OLD).put(ANN, KEY)
    with pytest.raises(VaultError, match="SECRET_KEY"):
        await keys(database, NEW).get(ANN)
    assert await keys(database, NEW, OLD).get(ANN) == KEY
    assert await keys(database, NEW, OLD).rotate() == 1
    assert await keys(database, NEW).get(ANN) == KEY
    with pytest.raises(VaultError, match="SECRET_KEY"):
        await keys(database, OLD).get(ANN)


async def test_a_rotation_that_cannot_open_one_changes_none(database: Database) -> None:
    await keys(database, OLD).put(ANN, KEY)
    await keys(database, Fernet.generate_key()).put(BEN, OTHER)
    with pytest.raises(VaultError):
        await keys(database, NEW, OLD).rotate()
    assert await keys(database, OLD).get(ANN) == KEY


@pytest.mark.parametrize("wrapped", ["{}", "my key is `{}`.", "||{}||", "KEY={}\n", "<{}>"])
def test_a_key_in_a_message_is_seen(wrapped: str) -> None:
    plain = KEY.get_secret_value()
    for written in (plain, plain.upper(), plain.replace("-", "‑"), plain.replace("or", "o\u200br")):
        assert holds_key(wrapped.format(written))


@pytest.mark.parametrize("text", ["", "sk-or-v1-au7...890", "sk-or-v1-your-api-key-here-please", "ask-or-answer"])
def test_what_is_no_key_is_left_alone(text: str) -> None:
    assert not holds_key(text)


def test_the_command_seals_again_with_the_first_key_and_tells_none(
    where: Where, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def with_keys(work: Callable[[Database], Awaitable[T]]) -> T:
        database = Database(where, SystemClock())
        await database.open()
        try:
            return await work(database)
        finally:
            await database.close()

    asyncio.run(with_keys(lambda database: keys(database, OLD).put(ANN, KEY)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", f"sqlite+aiosqlite:///{where}" if isinstance(where, Path) else where)
    for masters, code in ((NEW, 1), (NEW + b"," + OLD, 0), (NEW, 0)):
        monkeypatch.setenv("SECRET_KEY", masters.decode())
        done = CliRunner().invoke(main, ["admin", "rotate-secrets"])
        assert done.exit_code == code, done.output
        assert not any(secret.decode() in done.output for secret in (OLD, NEW))
        assert KEY.get_secret_value()[9:] not in done.output
    assert asyncio.run(with_keys(lambda database: keys(database, NEW).get(ANN))) == KEY
