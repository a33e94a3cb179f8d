"""`potluck admin …`: what an operator looks after from the shell."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import click

from bot.command_line import one_line_errors, run_async, settings_and_logs, usd_amount

if TYPE_CHECKING:
    from bot.messages import Member
    from bot.storage.access import SqlAccess
    from bot.storage.money import SqlMoney


@click.group()
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
@click.option("--of", "community", help="Of the account that this community has linked; else of the one for all.")
@click.pass_context
def paid(context: click.Context, community: str | None) -> None:
    """Who may use models that cost, and how much may be spent. Nobody may, and nothing, until this says so.

    Budgets hold at once. Grants and denials hold from the next start of Potluck on.
    """
    context.obj = community


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
        rates = Rates.per_million(usd_amount("--ceiling", prompt), usd_amount("--ceiling", completion))
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

    amount = usd_amount("USD", usd)
    if amount > 1_000_000:
        raise click.UsageError(f"USD {usd}: expected at most 1000000")
    whose: Member | Literal["each"] | None = "each" if member == "each" else None if member is None else _member(member)

    async def change(access: SqlAccess, money: SqlMoney) -> None:
        where = None if community is None else CommunityId(community)
        await money.set_budget(
            Budget(account=access.account, member=whose, community=where, period=per, limit=pico(amount))
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
    from bot.messages import CommunityId
    from bot.storage.access import SqlAccess
    from bot.storage.database import Database
    from bot.storage.keys import linked_by
    from bot.storage.migration import migrate as to_head
    from bot.storage.money import SqlMoney

    settings = settings_and_logs()
    to_head(settings.database_file)
    clock = SystemClock()
    community: str | None = click.get_current_context().obj

    async def opened() -> None:
        database = Database(settings.database_file, clock)
        await database.open()
        try:
            account = pool_of(settings)
            if community is not None:
                linked = await linked_by(database, CommunityId(community))
                if linked is None:
                    raise click.UsageError(f"--of {community}: it has linked no account")
                account = linked.pool
            access = SqlAccess(database, account)
            await access.load()
            await work(access, SqlMoney(database, clock))
        finally:
            await database.close()

    run_async(opened())
