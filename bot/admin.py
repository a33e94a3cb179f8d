"""`potluck admin …`: the commands of admins from the shell, built from what they are everywhere else."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bot.admin_copies import backup, move_to, restore
from bot.command_line import one_line_errors, run_async, settings_and_logs

if TYPE_CHECKING:
    from bot.commands.answer import Answer
    from bot.commands.command import Command, Parameter

_GROUPS = {
    "quota": "Who counts how much, who has units besides, who is kept out.",
    "pool": "The pool's state, pausing it, its limits, units held back for an event.",
    "paid": "Who may use models that cost, and how much may be spent. Until this says so, nobody and nothing.",
    "key": "A community's own OpenRouter account, which makes it a pool of its own.",
    "models": "Which free models a community's questions go to.",
    "persona": "What models are told to be in a channel.",
    "channels": "Where questions are answered.",
    "admins": "Who was named to manage a community's part.",
    "audit": "Who changed what, and taking it back.",
    "owner": "All communities.",
}


class _Commands(click.Group):
    """Reads the commands when they are asked for: they take a while to import."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_tree()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, cmd_name) or _tree().get(cmd_name)


@click.group(cls=_Commands)
def admin() -> None:
    """Look after a Potluck from the shell, also while it runs: what is changed here holds there within a second.

    Without --community a command is about all communities.
    """


@admin.command("rotate-secrets")
@one_line_errors
def rotate_secrets() -> None:
    """Encrypt the keys that are kept with the first key of SECRET_KEY.

    Put a new key in front of SECRET_KEY and restart Potluck first; when this is done the old ones are needed for
    nothing but pseudonyms, which are made with the last.
    """
    from bot.clock import SystemClock
    from bot.secrets import load_secret
    from bot.storage.database import Database
    from bot.storage.keys import SqlKeys
    from bot.storage.migration import migrate as to_head

    settings = settings_and_logs()
    to_head(settings.database)
    clock = SystemClock()

    async def rotate() -> None:
        database = Database(settings.database, clock)
        await database.open()
        try:
            count = await SqlKeys(database, clock, load_secret(settings).vault()).rotate()
        finally:
            await database.close()
        click.echo(f"{count} {'key is' if count == 1 else 'keys are'} encrypted with the first key of SECRET_KEY.")

    run_async(rotate())


for _command in (backup, restore, move_to):
    admin.add_command(_command)


def _tree() -> dict[str, click.Command]:
    """The commands of admins by their second word, those with a third in a group."""
    from bot.commands.all import ALL

    found: dict[str, click.Command] = {}
    for command in ALL:
        if command.path[0] != "admin":
            continue
        name, rest = command.path[1], command.path[2:]
        if not rest:
            found[name] = _click(command)
            continue
        group = found.setdefault(name, click.Group(name, help=_GROUPS.get(name)))
        assert isinstance(group, click.Group)
        group.add_command(_click(command), rest[0])
    return found


def _click(command: Command) -> click.Command:
    @one_line_errors
    def run(**values: Any) -> None:
        _run(command, values)

    return click.Command(
        command.path[-1],
        callback=run,
        params=[
            *(_parameter(one) for one in command.takes if one.kind != "secret"),
            click.Option(["--json", "as_json"], is_flag=True, help="Print the answer as JSON."),
        ],
        help=f"{command.about.text}.",
        # What begins with a dash may be a negative number, which is refused in a sentence as everywhere else.
        context_settings={"ignore_unknown_options": True},
    )


def _parameter(one: Parameter) -> click.Parameter:
    shown = "|".join(one.choices) or one.kind.upper()
    if one.required:
        return click.Argument([one.name], metavar=one.name.upper())
    option = f"--{one.name.replace('_', '-')}"
    if one.kind == "flag":
        return click.Option([option, one.name], is_flag=True, help=f"{one.about.text}.")
    return click.Option([option, one.name], metavar=shown, help=f"{one.about.text}.")


def _typed_unseen() -> str:
    """A secret is asked for, or read from standard input: a list of processes or a shell's history would show an
    argument to others."""
    asked: str = click.prompt("Key", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline()
    return asked


def _run(command: Command, values: dict[str, Any]) -> None:
    """Do it and print the answer. Exit code 2 where it was not done."""
    from rich.console import Console

    from adapters.rendering.languages import locale_here
    from adapters.rendering.saying import Speech
    from adapters.terminal.answers import shown, write_files
    from adapters.terminal.answers_json import as_json
    from adapters.terminal.screen import local_zone
    from bot.clock import SystemClock
    from bot.shell import caller, shell

    # Who runs this inside a program of theirs may bring a clock; the shell has the machine's.
    settings, clock = settings_and_logs(), click.get_current_context().obj or SystemClock()
    as_text = not values.pop("as_json")
    given = {name: value for name, value in values.items() if value is not None and value is not False}
    given |= {one.name: _typed_unseen() for one in command.parameters if one.kind == "secret"}
    # The community is the caller's own here: who names none speaks of all of them.
    who = caller(given.pop("community", None))
    answers: list[Answer] = []

    async def run() -> None:
        async with shell(settings, clock) as registry:
            answers.append(await registry.run(command.path, given, who))

    run_async(run())
    # Programs read names in it: JSON is the same wherever it is asked for.
    locale = locale_here() if as_text else "en"
    answer, speech = answers[0], Speech(locale=locale, clock=clock, zone=local_zone(clock.now()))
    if as_text:
        Console(stderr=not answer.ok, highlight=False).print(shown(answer, speech))
    else:
        click.echo(as_json(answer, speech))
    if faults := write_files(answer, Path.cwd(), speech):
        raise click.ClickException("\n".join(faults))
    if not answer.ok:
        sys.exit(2)
