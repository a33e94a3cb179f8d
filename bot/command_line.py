"""What the commands of `potluck` share: errors as one line, settings, amounts of money, numbers that are numbers."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Callable, Coroutine
from decimal import Decimal, InvalidOperation
from functools import wraps
from typing import Any, ParamSpec

import click

from bot.errors import PotluckError, SettingsError
from bot.settings import Settings, load_settings

P = ParamSpec("P")


class Finite(click.FloatRange):
    """A range that has no place for "nan", which no comparison keeps out."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


def one_line_errors(command: Callable[P, None]) -> Callable[P, None]:
    """What Potluck raises on purpose becomes one line and an exit code, never a traceback."""

    @wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except SettingsError as error:
            click.echo(str(error), err=True)
            sys.exit(2)
        except PotluckError as error:
            click.echo(str(error), err=True)
            sys.exit(1)
        except KeyboardInterrupt:
            sys.exit(130)

    return guarded


def settings_and_logs() -> Settings:
    """The settings, with the logs set up as they say."""
    from bot.telemetry import logs

    settings = load_settings()
    logs.set_up(level=settings.log_level, form=settings.log_format)
    return settings


def run_async(work: Coroutine[None, None, None]) -> None:
    """Run to the end."""
    asyncio.run(work)


def usd_amount(option: str, written: str) -> Decimal:
    """Raises: click.UsageError: no amount of money."""
    try:
        amount = Decimal(written)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        raise click.UsageError(f"{option} {written}: expected an amount in USD, such as 10 or 0.25")
    return amount
