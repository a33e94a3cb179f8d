"""`python -m benchmarks.discord`: messages, edits and 429s of an answer, and what they do to the reading of it."""

from __future__ import annotations

import asyncio
import json
import logging
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from benchmarks.discord.parties import PARTIES, Party, run
from benchmarks.discord.streams import LOADS, Load, streams
from tests.fakes.discord.house import house
from tests.fakes.virtual import VirtualClock, VirtualLoop


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """For each answer, but for the two times."""

    party: str
    load: str
    messages: float
    edits: float
    broken: float
    """Messages with a block of code that is open at an end."""
    too_many: float
    """Requests that were answered 429."""
    read_late: float
    """Seconds that the slowest chunk waited to be read."""
    shown_late: float
    """Seconds from the last chunk of all to the last change in the channel."""


async def _measure(name: str, party: Party, load: Load, loop: VirtualLoop, folder: Path) -> Figures:
    clock = VirtualClock(loop)
    async with house(folder, clock, loop) as home:
        answers = streams(load)
        await run(party, home, answers)
        written = [one for one in home.discord.requests if "/messages" in one[1]]
        last = max(answer.last_at for answer in answers)
        done = max(one.at for one in home.discord.world.sent) - clock.start
        return Figures(
            party=name,
            load=load.name,
            messages=sum(method == "POST" and status < 300 for method, _, status in written) / load.answers,
            edits=sum(method == "PATCH" and status < 300 for method, _, status in written) / load.answers,
            broken=sum(text.count("```") % 2 for text in home.reads()) / load.answers,
            too_many=len(home.discord.buckets.limited) / load.answers,
            read_late=max(lag for answer in answers for lag in answer.lags),
            shown_late=done - last,
        )


def _run(name: str, load: Load) -> Figures:
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        return runner.run(_measure(name, PARTIES[name], load, loop, Path(folder)))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--json", "json_", is_flag=True, help="The figures as JSON.")
def main(json_: bool) -> None:
    """Both answer the same questions with the same streams on the same stand-in for Discord, in virtual time.

    It lets five messages and five edits through in five seconds for each channel, as Discord is known to.
    """
    logging.getLogger("discord").setLevel(logging.CRITICAL)
    found = [_run(name, load) for load in LOADS for name in PARTIES]
    if json_:
        click.echo(json.dumps([asdict(one) for one in found]))
        return
    table = Table(title="For each answer on Discord")
    for title in ("load", "strategy"):
        table.add_column(title)
    for title in ("messages", "edits", "broken", "429s", "read late, s", "shown late, s"):
        table.add_column(title, justify="right")
    for one in found:
        table.add_row(
            one.load,
            one.party,
            f"{one.messages:.1f}",
            f"{one.edits:.1f}",
            f"{one.broken:.1f}",
            f"{one.too_many:.1f}",
            f"{one.read_late:.1f}",
            f"{one.shown_late:.1f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
