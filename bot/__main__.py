"""The `potluck` command. Exit codes: 0, 1 when something went wrong at run time, 2 for usage or settings."""

from __future__ import annotations

import asyncio
import math
import os
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TextIO

import click

from bot.errors import PotluckError, SettingsError
from bot.settings import Settings, load_settings

if TYPE_CHECKING:
    from bot.messages import Member
    from bot.quota.traffic import Request
    from bot.storage.access import SqlAccess
    from bot.storage.money import SqlMoney

P = ParamSpec("P")

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


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


@click.group(context_settings=CONTEXT)
@click.version_option(package_name="potluck", prog_name="potluck")
def main() -> None:
    """Potluck shares one OpenRouter account's free allowance fairly among everyone who chats with it.

    It reads its settings from the environment and from a .env file; .env.example explains each.
    With none at all, `potluck run` works with a built-in stand-in for OpenRouter.
    """
    # The level's sums are small: numpy's threads would only get in each other's way. Read when numpy is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@main.command()
@click.option("--only", default="web", show_default=True, help="Adapters to start, separated by commas.")
@one_line_errors
def run(only: str) -> None:
    """Start the service: the web page, and OpenRouter or its sandbox behind it."""
    unknown = {name.strip() for name in only.split(",")} - {"web"}
    if unknown:
        raise click.UsageError(f"--only {', '.join(sorted(unknown))}: there is no such adapter. There is: web.")
    settings = settings_and_logs()
    from bot import running

    run_async(running.run(settings, say=click.echo))


@main.command()
@click.option("--member", "name", help="Whose share it takes. Your user name on this machine, if unset.")
@one_line_errors
def chat(name: str | None) -> None:
    """Chat in this terminal, or answer one question from a pipe: echo hi | potluck chat

    It takes part in the same pool as everyone else. Ctrl-C stops an answer, and leaves at the prompt; Ctrl-D leaves.
    Lines you write are remembered for the arrow keys until you leave, and in no file.
    """
    from adapters.terminal.chat import member, own_name
    from adapters.terminal.session import talk
    from bot.telemetry import logs

    try:
        me = member(name or own_name())
    except ValueError as error:
        raise click.UsageError(f"--member: {error}.") from None
    settings = load_settings()
    # What a person needs to know is said in words here; LOG_LEVEL asks for more.
    level = settings.log_level if "log_level" in settings.model_fields_set else "ERROR"
    logs.set_up(level=level, form=settings.log_format)
    from bot import app
    from bot.clock import SystemClock

    clock = SystemClock()
    try:
        sys.exit(talk(app.service(settings, clock), member=me, clock=clock))
    except app.StartError as error:
        page = f" at http://{settings.web_host}:{settings.web_port}" if settings.web_port else ""
        raise app.StartError(f"{error} Or chat on the web page of the one that runs{page}.") from None


@main.command()
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
    from bot.quota.simulation import POLICIES, Setting
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


@main.command()
@click.argument("model", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@one_line_errors
def doctor(model: str | None, as_json: bool) -> None:
    """Look for what would keep Potluck from running: settings, database, key, limits, port, clock.

    It changes nothing and asks no model. With MODEL it looks that one up in OpenRouter's catalogue, too.
    The exit code is 1 if Potluck could not run.
    """
    from rich.console import Console

    from adapters.terminal import findings as shown
    from bot.clock import SystemClock
    from bot.doctor.examine import examine
    from bot.doctor.finding import Finding, stops
    from bot.messages import ModelId

    async def look() -> list[Finding]:
        wanted = ModelId(model) if model else None
        return [one async for one in examine(env_file=Path(".env"), clock=SystemClock(), model=wanted)]

    with Console(stderr=True).status("Looking"):
        found = asyncio.run(look())
    if as_json:
        click.echo(shown.as_json(found))
    else:
        Console().print(shown.table(found), "", shown.verdict(found), sep="\n")
    sys.exit(stops(found))


@main.command()
@one_line_errors
def migrate() -> None:
    """Create the database, or bring it to this version. `run` does it too."""
    from bot.storage.migration import migrate as to_head

    settings = settings_and_logs()
    done = to_head(settings.database_file)
    if done.before == done.after:
        click.echo(f"{settings.database_file} is at version {done.after} already.")
    else:
        click.echo(f"{settings.database_file} is now at version {done.after} (was {done.before or 'new'}).")


@main.command()
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
        credits=_usd("--credits", bought),
        spent=_usd("--spent", spent),
        key_limit=_usd("--key-limit", key_limit) if key_limit is not None else None,
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


def _usd(option: str, written: str) -> Decimal:
    """Raises: click.UsageError: no amount of money."""
    try:
        amount = Decimal(written)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        raise click.UsageError(f"{option} {written}: expected an amount in USD, such as 10 or 0.25")
    return amount


@main.group()
def admin() -> None:
    """Look after a Potluck from the shell."""


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
    to_head(settings.database_file)
    clock = SystemClock()

    async def rotate() -> None:
        database = Database(settings.database_file, clock)
        await database.open()
        try:
            count = await SqlKeys(database, clock, load_secret(settings).vault()).rotate()
        finally:
            await database.close()
        click.echo(f"{count} {'key is' if count == 1 else 'keys are'} encrypted with the first key of SECRET_KEY.")

    run_async(rotate())


@admin.group()
def paid() -> None:
    """Who may use models that cost, and how much may be spent. Nobody may, and nothing, until this says so.

    Budgets hold at once. Grants and denials hold from the next start of Potluck on.
    """


def _rule(command: Callable[..., None]) -> Callable[..., None]:
    """The arguments that `allow` and `deny` have in common."""
    options = (
        click.argument("whom"),
        click.option("--model", "models", multiple=True, help="This model only; may be given several times."),
        click.option("--ceiling", metavar="PROMPT/COMPLETION", help="Prices in USD per million tokens, such as 1/5."),
        click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="The first day on which it no longer holds."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@paid.command()
@_rule
@one_line_errors
def allow(whom: str, models: tuple[str, ...], ceiling: str | None, until: datetime | None) -> None:
    """Let WHOM spend: a member such as discord:123 or web:ann, or all full members of community:NAME."""
    _add_rule(True, whom, models, ceiling, until)


@paid.command()
@_rule
@one_line_errors
def deny(whom: str, models: tuple[str, ...], ceiling: str | None, until: datetime | None) -> None:
    """Keep WHOM from it, whatever else allows it. With --ceiling: from what is dearer than that."""
    _add_rule(False, whom, models, ceiling, until)


def _add_rule(allows: bool, whom: str, models: tuple[str, ...], ceiling: str | None, until: datetime | None) -> None:
    from bot.clock import Instant
    from bot.messages import CommunityId, ModelId
    from bot.routing.access import Grantee, Reach, ToCommunity, ToMember
    from bot.routing.prices import Rates

    community = whom.removeprefix("community:")
    to: Grantee = ToCommunity(CommunityId(community)) if whom != community else ToMember(_member(whom))
    rates = None
    if ceiling is not None:
        prompt, _, completion = ceiling.partition("/")
        rates = Rates.per_million(_usd("--ceiling", prompt), _usd("--ceiling", completion))
    reach = Reach(models=frozenset(map(ModelId, models)) if models else None, ceiling=rates)
    ends_at = None if until is None else Instant(until.replace(tzinfo=UTC).timestamp())

    async def add(access: SqlAccess, money: SqlMoney) -> None:
        rule = await access.add(allows=allows, to=to, reach=reach, ends_at=ends_at)
        click.echo(f"Rule {rule.id} is kept. It holds from the next start of Potluck on.")

    _with_books(add)


@paid.command("list")
@one_line_errors
def list_paid() -> None:
    """Show the rules and the budgets."""
    from bot.messages import Member
    from bot.routing.access import ToCommunity, ToGroup, ToMember, ToRole
    from bot.routing.budget import usd
    from bot.routing.prices import shown

    async def show(access: SqlAccess, money: SqlMoney) -> None:
        for rule in access.rules:
            match rule.to:
                case ToMember(member=member, community=community):
                    whom = member.key if community is None else f"{member.key} in {community}"
                case ToRole(community=place, role=role):
                    whom = f"role {role} of {place}"
                case ToGroup(community=place, group=group):
                    whom = f"group {group} of {place}"
                case ToCommunity(community=place):
                    whom = f"community:{place}"
            models = "every model" if rule.reach.models is None else ", ".join(sorted(rule.reach.models))
            ceiling = rule.reach.ceiling
            beside = "" if ceiling is None else f" with {shown(ceiling.prompt)}/{shown(ceiling.completion)} as ceiling"
            end = "" if rule.ends_at is None else f" until {datetime.fromtimestamp(rule.ends_at, UTC):%Y-%m-%d}"
            click.echo(f"{rule.id}: {'allow' if rule.allows else 'deny'} {whom} {models}{beside}{end}")
        for budget in await money.budgets(access.account):
            whose = budget.member.key if isinstance(budget.member, Member) else budget.member or "all together"
            where = f" in {budget.community}" if budget.community else ""
            click.echo(f"budget: {usd(budget.limit):f} USD {budget.period} {whose}{where}")

    _with_books(show)


@paid.command()
@click.argument("rule", type=int)
@one_line_errors
def forget(rule: int) -> None:
    """Take back the RULE of this number."""
    from bot.routing.access import RuleId

    async def remove(access: SqlAccess, money: SqlMoney) -> None:
        if not await access.remove(RuleId(rule)):
            raise click.UsageError(f"there is no rule {rule}")
        click.echo(f"Rule {rule} is taken back. It no longer holds from the next start of Potluck on.")

    _with_books(remove)


@paid.command()
@click.argument("usd")
@click.option("--per", type=click.Choice(["day", "month", "ever"]), default="month", show_default=True)
@click.option("--member", help="Of this member, or of `each`; else of all together.")
@click.option("--community", help="In this community; else anywhere.")
@one_line_errors
def budget(usd: str, per: Literal["day", "month", "ever"], member: str | None, community: str | None) -> None:
    """Let USD be spent, in place of the budget there is; 0 stops it."""
    from bot.messages import CommunityId
    from bot.routing.budget import Budget, pico

    amount = _usd("USD", usd)
    if amount > 1_000_000:
        raise click.UsageError(f"USD {usd}: expected at most 1000000")
    whose = "each" if member == "each" else None if member is None else _member(member)

    async def change(access: SqlAccess, money: SqlMoney) -> None:
        where = None if community is None else CommunityId(community)
        await money.set_budget(
            Budget(account=access.account, member=whose, community=where, period=per, limit=pico(amount))  # type: ignore[arg-type]
        )
        click.echo("The budget is set and holds at once.")

    _with_books(change)


def _member(key: str) -> Member:
    """Raises: click.UsageError: it names nobody."""
    from bot.messages import Member

    try:
        return Member.parse(key)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _with_books(work: Callable[[SqlAccess, SqlMoney], Coroutine[None, None, None]]) -> None:
    """Do something with the rules and the budgets of the account in use."""
    from bot.app import pool_of
    from bot.clock import SystemClock
    from bot.storage.access import SqlAccess
    from bot.storage.database import Database
    from bot.storage.migration import migrate as to_head
    from bot.storage.money import SqlMoney

    settings = settings_and_logs()
    to_head(settings.database_file)
    clock = SystemClock()

    async def opened() -> None:
        database = Database(settings.database_file, clock)
        await database.open()
        try:
            access = SqlAccess(database, pool_of(settings))
            await access.load()
            await work(access, SqlMoney(database, clock))
        finally:
            await database.close()

    run_async(opened())


if __name__ == "__main__":
    main()
