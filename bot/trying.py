"""Trying Potluck out with nobody in it: `potluck simulate` on days of traffic, `potluck sandbox` to test against."""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from bot.command_line import Finite, one_line_errors, run_async, usd_amount
from bot.settings import load_settings

if TYPE_CHECKING:
    from bot.quota.traffic import Request


@click.command()
@click.argument("trace", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--made", metavar="KIND", help="Made traffic in place of a file: poisson, heavytail, flooder and others.")
@click.option("--own", is_flag=True, help="This deployment's own past in place of a file.")
@click.option("--rpd", default=50, show_default=True, type=click.IntRange(1), help="Requests a UTC day.")
@click.option("--rpm", default=20, show_default=True, type=click.IntRange(1), help="Requests a minute.")
@click.option(
    "--policy", default="fair", show_default=True, type=click.Choice(["fair", "fcfs", "fixed", "pacing", "all"])
)
@click.option("--between", default="members", show_default=True, type=click.Choice(["members", "communities"]))
@click.option("--hold/--no-hold", default=True, show_default=True, help="What the share refuses waits for room.")
@click.option("--promise", default=0, show_default=True, type=click.IntRange(0), help="Units promised after an answer.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="For made traffic and failures.")
@click.option("--failures", default=0.0, show_default=True, type=Finite(0, 1), help="Part that fails.")
@click.option("--patience", default=120.0, show_default=True, type=Finite(0, 86_400), help="Most seconds in line.")
@click.option("--service-seconds", default=7.4, show_default=True, type=Finite(0, 86_400), help="For an answer.")
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), help="First day; earlier ones are history only.")
@click.option("--to", "last", type=click.DateTime(["%Y-%m-%d"]), help="Last day.")
@click.option("--events", type=click.File("w", lazy=False), help="Write every event to this file, one JSON a line.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Draw the days as a PNG file; if only one day is judged, that day from within.",
)
@one_line_errors
def simulate(
    trace: Path | None,
    made: str | None,
    own: bool,
    policy: str,
    between: str,
    promise: int,
    first: datetime | None,
    last: datetime | None,
    events: TextIO | None,
    as_json: bool,
    plot: Path | None,
    **conditions: Any,
) -> None:
    """Try the sharing on days of traffic: TRACE is a CSV file with the columns ts, community, user.

    It runs what runs in service, over virtual time, and compares each UTC day with what someone who had known
    every request would have done. The first 28 days are a warm-up and not judged, unless --from is given.
    """
    if (trace is not None) + (made is not None) + own != 1:
        raise click.UsageError("Name one kind of traffic: TRACE, --made KIND or --own.")
    if plot is not None and (plot.suffix.lower() != ".png" or not plot.parent.is_dir()):
        raise click.UsageError(f"--plot {plot}: name a .png file in a directory that exists.")
    from rich.console import Console

    from adapters.terminal import simulation as shown
    from bot.quota.simulated import POLICIES, Setting
    from bot.quota.traffic import TraceError
    from bot.quota.trial import Inside, Trial

    setting = Setting(between_communities=between == "communities", promise_units=promise, **conditions)
    try:
        requests = _traffic(trace, made, rpd=setting.rpd, seed=setting.seed)
        trial = Trial.of(requests, first=_day(first), last=_day(last))
    except TraceError as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    policies = [name for name in POLICIES if policy in (name, "all")]
    inside = Inside() if plot is not None and trial.one_day else None
    with shown.progress(trial.days) as day_over:
        found = list(trial.run(setting, policies, events=events, day_over=day_over, inside=inside))
    about = shown.about("own" if own else str(trace or made), trial, setting)
    if as_json:
        click.echo(shown.as_json(about, found))
    else:
        Console().print(shown.heading(about), "", shown.table(found), sep="\n")
    if plot is not None:
        from adapters.rendering import plots

        line = str(shown.heading(about))
        picture = (
            plots.picture_of_days(line, found)
            if inside is None
            else plots.picture_of_a_day(f"{line}, {policies[0]}", trial.first_judged, inside, setting.rpd)
        )
        plot.write_bytes(picture.png)
        click.echo(f"\n{plot}: {picture.alt}", err=as_json)


def _day(date: datetime | None) -> int | None:
    return None if date is None else (date - datetime(1970, 1, 1)).days  # noqa: DTZ001, both are UTC's


def _traffic(trace: Path | None, made: str | None, *, rpd: int, seed: int) -> list[Request]:
    from bot.quota.traffic import of_days, read_trace
    from bot.quota.workloads import KINDS, make

    if trace is not None:
        return read_trace(trace)
    if made is None:
        from bot.clock import SystemClock
        from bot.storage.past import own_past

        return of_days(asyncio.run(own_past(load_settings(), SystemClock())))
    for kind in KINDS:
        if kind == made:
            return of_days(make(kind, rpd=rpd, seed=seed))
    raise click.UsageError(f"--made {made}: there is no such kind. There are: {', '.join(KINDS)}.")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8090, show_default=True, help="0: any free one.")
@click.option("--rpm", default=20, show_default=True, help="Requests to free models a clock minute.")
@click.option("--rpd", default=50, show_default=True, help="Requests to free models a UTC day.")
@click.option("--credits", "bought", default="0", show_default=True, metavar="USD", help="Bought, all time.")
@click.option("--spent", default="0", show_default=True, metavar="USD", help="Used before; above --credits is a debt.")
@click.option("--key-limit", metavar="USD", help="What each key may spend.")
@click.option("--no-free-models", is_flag=True, help="The account's privacy settings shut free models out.")
@click.option("--withdrawn", multiple=True, metavar="MODEL", help="No longer offered. May be given again.")
@click.option("--key-stale", default=0.0, show_default=True, help="Seconds the day's count in /key may be old.")
@click.option("--generation-delay", default=60.0, show_default=True, help="Seconds until /generation knows an answer.")
@click.option("--doubt", multiple=True, metavar="NAME", help="Turn an uncertain reading round; docs/sandbox.md.")
@click.option("--first-token", default=0.6, show_default=True, help="Seconds before an answer begins.")
@click.option("--per-chunk", default=0.04, show_default=True, help="Seconds between its words.")
@click.option("--seed", default=0, show_default=True)
@click.option("--log", type=click.Path(dir_okay=False, path_type=Path), help="Note every request in this file.")
@click.option("--faults", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A script of faults.")
@click.option("--list-faults", is_flag=True, help="Name every fault by what it means, and stop.")
@one_line_errors
def sandbox(
    host: str,
    port: int,
    rpm: int,
    rpd: int,
    bought: str,
    spent: str,
    key_limit: str | None,
    no_free_models: bool,
    withdrawn: tuple[str, ...],
    key_stale: float,
    generation_delay: float,
    doubt: tuple[str, ...],
    first_token: float,
    per_chunk: float,
    seed: int,
    log: Path | None,
    faults: Path | None,
    list_faults: bool,
) -> None:
    """Run the OpenRouter sandbox alone, to try things against."""
    from bot.openrouter.sandbox import Beliefs, SandboxSettings, load_faults
    from bot.openrouter.sandbox.alone import listed, serve

    if list_faults:
        click.echo(listed())
        return
    try:
        beliefs = Beliefs().turned(doubt)
    except ValueError as error:
        raise click.UsageError(f"--doubt: {error}") from None
    try:
        script = load_faults(faults) if faults else None
    except ValueError as error:
        raise click.UsageError(f"--faults {faults}: {error}") from None
    settings = SandboxSettings(
        rpm=rpm,
        rpd=rpd,
        credits=usd_amount("--credits", bought),
        spent=usd_amount("--spent", spent),
        key_limit=usd_amount("--key-limit", key_limit) if key_limit is not None else None,
        free_models=not no_free_models,
        withdrawn=withdrawn,
        key_stale_seconds=key_stale,
        generation_delay_seconds=generation_delay,
        beliefs=beliefs,
        first_token_seconds=first_token,
        seconds_per_chunk=per_chunk,
        seed=seed,
        log_file=log,
        faults=script,
    )
    run_async(serve(settings, host=host, port=port, say=click.echo))
