"""One account of the sandbox: what its minute, its day and its money hold."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.clock import DAY, Instant, day_start
from bot.openrouter.sandbox import AccountSettings, Beliefs
from bot.openrouter.sandbox.limits import Account, Limit
from bot.openrouter.sandbox.settings import Period

MIDNIGHT = day_start(20_000)
"""Of Friday, 2024-10-04."""
THREE = AccountSettings(rpm=3, rpd=50)


def taken(
    moments: list[float], limits: AccountSettings = THREE, beliefs: Beliefs | None = None
) -> tuple[list[Limit | None], Account]:
    """Which limit each of these requests goes over, in seconds of the day."""
    account = Account()
    return [account.take(Instant(MIDNIGHT + at), limits, beliefs or Beliefs()) for at in moments], account


@pytest.mark.parametrize(("rolling", "after_the_minute"), [(False, None), (True, "minute")])
def test_a_minute_is_the_clocks_or_any_sixty_seconds(rolling: bool, after_the_minute: Limit | None) -> None:
    beliefs = Beliefs(rolling_minute=rolling)
    over, _ = taken([50, 51, 52, 53, 60], beliefs=beliefs)
    assert over == [None, None, None, "minute", after_the_minute]
    assert taken([50, 51, 52, 111], beliefs=beliefs)[0] == [None] * 4, "a minute later there is room in either"


@pytest.mark.parametrize(("count", "used"), [(True, 4), (False, 3)])
def test_what_the_minute_refuses_is_taken_from_the_day_as_believed(count: bool, used: int) -> None:
    over, account = taken([1, 2, 3, 4], beliefs=Beliefs(minute_refusals_count=count))
    assert over[-1] == "minute"
    assert account.used(Instant(MIDNIGHT + 5)) == used


def test_the_day_comes_before_the_minute_passes_its_limit_and_ends_at_midnight() -> None:
    over, account = taken([1, 2, 3], AccountSettings(rpm=1, rpd=1))
    assert over == [None, "day", "day"]
    assert account.used(Instant(MIDNIGHT + DAY - 1)) == 3
    assert account.used(Instant(MIDNIGHT + DAY)) == 0


def test_a_reported_count_is_old_but_never_of_another_day() -> None:
    account, late = Account(), Instant(MIDNIGHT + DAY - 30)
    assert account.reported(late, stale_seconds=60) == 0
    account.take(late, THREE, Beliefs())
    assert account.reported(Instant(late + 29), stale_seconds=60) == 0, "still as it was read"
    account.take(Instant(late + 31), THREE, Beliefs())
    assert account.reported(Instant(late + 31), stale_seconds=60) == 1, "a new day is read anew"


def test_what_is_given_back_is_of_today_or_nothing() -> None:
    _, account = taken([1, 2])
    account.give_back(Instant(MIDNIGHT + 1), 1)
    assert account.used(Instant(MIDNIGHT + 3)) == 1
    account.take(Instant(MIDNIGHT + DAY), THREE, Beliefs())
    account.give_back(Instant(MIDNIGHT + 2), 1)
    assert account.used(Instant(MIDNIGHT + DAY + 1)) == 1


def test_a_keys_usage_is_of_its_day_its_week_from_monday_and_its_month() -> None:
    account = Account()
    for day, amount in ((-30, "8"), (-4, "4"), (-1, "2"), (0, "1")):
        account.charge("k", Decimal(amount), Instant(MIDNIGHT + day * DAY))
    account.charge("other", Decimal(100), MIDNIGHT)
    account.charge("k", Decimal(1000), MIDNIGHT, byok=True)
    now = Instant(MIDNIGHT + 60)
    # The week began on the last day of September, four days before; the month the day after that.
    spent: dict[Period | None, int] = {
        "daily": 1,
        "weekly": 7,
        "monthly": 3,
        None: 15,
    }
    assert {period: account.usage("k", now, period) for period in spent} == spent
    assert account.usage("k", now, None, byok=True) == 1000
    assert account.billed() == 115
    limited = AccountSettings(key_limit=Decimal(5), key_limit_reset="daily", credits=Decimal(120), spent=Decimal(10))
    assert account.key_left("k", now, limited) == 4
    assert account.balance(limited) == -5
