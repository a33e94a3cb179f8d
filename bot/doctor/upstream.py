"""OpenRouter: whether it is there, accepts the key and has what the settings count on; and whose clock is wrong."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from decimal import Decimal
from urllib.parse import urlsplit

from bot.clock import Clock, day_of
from bot.doctor.finding import Finding, failure, ok, warning
from bot.doctor.models import Wanted, models
from bot.errors import FailureKind, UpstreamFailure
from bot.openrouter.client import Deadlines, OpenRouter
from bot.openrouter.wire import KeyInfo
from bot.routing.byok import month
from bot.settings import Settings
from bot.storage.inspection import used_on

FREE_RPM = 20
"""Free requests a minute, whatever was bought: https://openrouter.ai/docs/api/reference/limits"""
CLOCK_WARNING, CLOCK_FAILURE = 2.0, 30.0
"""Seconds. The minute's window keeps two to spare; half a minute puts a day's last units on the wrong day."""
_DEADLINES = Deadlines(connect=5, idle=10)
_NETWORK = "Check the network and OPENROUTER_BASE_URL."


async def account(settings: Settings, clock: Clock, wanted: Wanted) -> AsyncGenerator[Finding]:
    """All there is to ask. Costs no request of the allowance."""
    key = settings.openrouter_api_key
    if key is None:
        found = "no key, so the built-in sandbox stands in for it, which is fine for a try"
        yield ok("OpenRouter", found, "Set OPENROUTER_API_KEY for real models.")
        return
    url, info = settings.openrouter_base_url, None
    client = OpenRouter(base_url=url, api_key=key.get_secret_value(), clock=clock, deadlines=_DEADLINES)
    try:
        try:
            info = await client.key()
        except UpstreamFailure as error:
            first = _no_account(error.kind, url)
        else:
            first = _account(info)
        yield first
        for finding in () if first.level == "failure" else limits(settings, info):
            yield finding
        if client.ahead is not None:
            yield _clock(client.ahead)
        if info is not None:
            for finding in drift(info, used_on(settings.database, "default", day_of(clock.now()))):
                yield finding
            yield await _balance(client)
            for finding in provider_keys(info, settings):
                yield finding
            for finding in await models(client, clock, settings, wanted, whose=info.account):
                yield finding
    finally:
        await client.close()


def _no_account(kind: FailureKind, url: str) -> Finding:
    match kind:
        case FailureKind.BAD_KEY:
            fix = "Set OPENROUTER_API_KEY to one from openrouter.ai/settings/keys."
            return failure("OpenRouter", "it does not accept the key", fix)
        case FailureKind.UNREACHABLE:
            return failure("OpenRouter", f"{url} cannot be reached", _NETWORK)
        case FailureKind.TIMEOUT:
            return failure("OpenRouter", f"{url} does not answer", _NETWORK)
        case FailureKind.NEGATIVE_BALANCE:
            return failure("OpenRouter", "the account owes money, so not even free models answer", "Add credit to it.")
        case _:
            found = f"it answers, but says nothing of the account ({kind.value})"
            return warning("OpenRouter", found, "Look again later; if it stays, check OPENROUTER_BASE_URL.")


def _account(info: KeyInfo) -> Finding:
    said = ["the key is valid"]
    if info.is_free_tier is not None:
        said.append("the account never bought credits" if info.is_free_tier else "the account has bought credits")
    if info.limit_remaining_usd is not None:
        said.append(f"the key may spend {info.limit_remaining_usd:,.2f} USD more")
    if info.free_used is not None and info.free_limit is not None:
        said.append(f"{info.free_used:,} of today's {info.free_limit:,} free requests are used")
        left = max(0, info.free_limit - info.free_used)
        said.append(f"{left:,} are left")
    if info.free_remaining == 0:
        return warning("OpenRouter", "; ".join(said), "Free models answer again from 00:00 UTC.")
    return ok("OpenRouter", "; ".join(said))


def limits(settings: Settings, info: KeyInfo | None) -> Iterator[Finding]:
    """Whether the pool is as large as the account's allowance. What is sent beyond that is refused and counts."""
    there = None if info is None else info.free_limit
    if settings.pool_rpd is None and there is not None:
        yield ok("POOL_RPD", f"{there:,} a day, learnt from the account")
    elif settings.pool_rpd is None:
        yield warning("POOL_RPD", "unset, and the account does not tell: 50 a day are taken", "Set what it has.")
    elif there is not None and settings.pool_rpd > there:
        found = f"{settings.pool_rpd:,} a day is more than the account's {there:,}"
        yield warning("POOL_RPD", found, f"Unset it to have it learnt, or set {there} or less.")
    real = urlsplit(settings.openrouter_base_url).hostname == "openrouter.ai"
    if real and settings.pool_rpm > FREE_RPM:
        found = f"{settings.pool_rpm:,} a minute is more than OpenRouter's {FREE_RPM}"
        yield warning("POOL_RPM", found, f"Unset it, or set {FREE_RPM} or less.")


def _clock(ahead: float) -> Finding:
    off = abs(ahead)
    if off <= CLOCK_WARNING:
        return ok("clock", "agrees with OpenRouter's")
    found = f"{off:,.0f} seconds {'ahead of' if ahead > 0 else 'behind'} OpenRouter's, by which minutes and days count"
    judged = failure if off > CLOCK_FAILURE else warning
    return judged("clock", found, "Have the machine keep its time by NTP.")


def drift(info: KeyInfo, here: int | None) -> Iterator[Finding]:
    """Use by other programs, which is everybody's allowance, too. `here`: what our own book says of today."""
    if here is None or info.free_used is None:
        return
    elsewhere = info.free_used - here
    if elsewhere > 0:
        found = f"{elsewhere:,} of today's {info.free_used:,} free requests came from other programs"
        yield warning("shared use", found, "Give this account to Potluck alone; what others take, its members lack.")
    else:
        yield ok("shared use", "no other program has used the account today, as far as it tells")


def provider_keys(info: KeyInfo, settings: Settings) -> Iterator[Finding]:
    """What went by providers' own keys this month, and what OpenRouter takes for it. Nothing, where none did."""
    if not info.byok_month_usd:
        return
    rule = settings.byok_rule
    so_far = month(info.byok_month_usd, rule)
    of = f"OpenRouter's rule of {rule.of}" if rule.of else "BYOK_FREE_USD and BYOK_FEE_PERCENT"
    found = (
        f"{so_far.served:,.2f} USD of list price went by providers' keys this month, for this key of the account; "
        f"{so_far.left:,.2f} of {rule.free_usd:,.0f} are left without a fee, and the fee so far is about "
        f"{so_far.fee:,.2f} USD, an estimate by {of}"
    )
    yield ok("provider keys", found, "Compare with openrouter.ai/activity.")


async def _balance(client: OpenRouter) -> Finding:
    try:
        left = await client.balance()
    except UpstreamFailure:
        return ok("balance", "the key may not ask for it; free models need none, as long as it is not negative")
    if left < 0:
        found = f"{left:,.2f} USD: below zero OpenRouter refuses free models, too"
        return failure("balance", found, "Add credit at openrouter.ai/settings/credits.")
    return ok("balance", f"{left if left else Decimal(0):,.2f} USD; free models take nothing from it")
