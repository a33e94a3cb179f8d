"""`potluck admin backup`, `restore` and `move-to`: the whole database, from the shell."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.command_line import one_line_errors, settings_and_logs

if TYPE_CHECKING:
    from bot.settings import Settings
    from bot.storage.copying import Copied
    from bot.storage.ends import End
    from bot.storage.units import Where

_json = click.option("--json", "as_json", is_flag=True, help="Print what was copied as JSON.")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_json
@one_line_errors
def backup(file: Path, as_json: bool) -> None:
    """Write everything that is kept to FILE, as it is at this moment, also while Potluck runs.

    FILE is an SQLite database, whatever DATABASE_URL is. Keys in it stay encrypted with SECRET_KEY, which is not in
    it: keep that, or the .key file beside the database, in another place.
    """
    from bot.storage.ends import new_file

    settings = settings_and_logs()
    with _here(settings) as source, new_file(file) as target:
        copied = _copy(source, target, quiet=as_json)
    _say(copied, as_json, f"{file} holds everything, and was compared with it row by row.")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@_json
@one_line_errors
def restore(file: Path, as_json: bool) -> None:
    """Fill the empty database of DATABASE_URL with what FILE, a backup, holds. Potluck must not run.

    A backup of an older Potluck is brought up to this version on the way; FILE itself stays as it is.
    """
    from bot.storage.ends import upgraded

    settings = settings_and_logs()
    with _alone(settings), upgraded(file) as source, _to_fill(settings.database) as target:
        copied = _copy(source, target, quiet=as_json)
        shut = _unopened(target, settings)
    _say(copied, as_json, "Restored, and compared with the backup row by row.")
    if shut:
        click.echo(
            f"SECRET_KEY does not open {shut} of the keys and tokens that are kept. Put back the SECRET_KEY, or the "
            ".key file beside the database, that was there when they were linked.",
            err=True,
        )


@click.command("move-to")
@click.argument("url")
@_json
@one_line_errors
def move_to(url: str, as_json: bool) -> None:
    """Copy everything to the empty database at URL and compare it row by row. Potluck must not run.

    The old database stays as it is. Afterwards set DATABASE_URL to URL and start Potluck again.
    """
    from bot.settings import checked_database_url, database_at

    settings = settings_and_logs()
    try:
        new = checked_database_url(url)
    except ValueError as error:
        raise click.UsageError(f"URL {error}.") from None
    if new == settings.database_url:
        raise click.UsageError("URL is the database of DATABASE_URL itself.")
    with _alone(settings), _here(settings) as source, _to_fill(database_at(new)) as target:
        copied = _copy(source, target, quiet=as_json)
    _say(copied, as_json, "Moved, and compared row by row. Set DATABASE_URL to it and start Potluck again.")


def _here(settings: Settings) -> AbstractContextManager[End]:
    from bot.storage.ends import reading

    return reading(settings.database)


def _to_fill(where: Where) -> AbstractContextManager[End]:
    from bot.storage.ends import filling

    return filling(where)


def _alone(settings: Settings) -> AbstractContextManager[object]:
    from bot.alone import StartError, alone_with
    from bot.storage.ends import in_use

    if isinstance(where := settings.database, Path):
        return alone_with(settings)
    if in_use(where):
        raise StartError(f"Another Potluck is using {settings.database_name}. Stop it first.")
    return nullcontext()


def _copy(source: End, target: End, *, quiet: bool) -> Sequence[Copied]:
    """Copy, naming each table that has rows as it is done."""
    from rich.console import Console

    from bot.storage.copying import copy

    screen = Console(stderr=True, quiet=quiet, highlight=False)
    with screen.status("copying"):
        return copy(source, target, lambda one: screen.print(f"{one.rows:>10,}  {one.table}") if one.rows else None)


def _say(copied: Sequence[Copied], as_json: bool, done: str) -> None:
    rows = sum(one.rows for one in copied)
    if as_json:
        click.echo(json.dumps({"rows": rows, "tables": {one.table: one.rows for one in copied}}))
    else:
        click.echo(f"{rows:,} {'row' if rows == 1 else 'rows'}. {done}")


def _unopened(filled: End, settings: Settings) -> int:
    """How many of the keys and tokens in a database this SECRET_KEY does not open."""
    from bot.secrets import load_secret
    from bot.storage.copying import sealed
    from bot.vault import VaultError

    vault, shut = load_secret(settings).vault(), 0
    for text in sealed(filled):
        try:
            vault.test(text)
        except VaultError:
            shut += 1
    return shut
