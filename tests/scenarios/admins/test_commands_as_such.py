"""What cannot be is one sentence and changes nothing; and commands work while nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.commands.command import Given
from tests.fakes.deployment import deployment
from tests.fakes.virtual import VirtualClock
from tests.scenarios.admins.admins import BEN, ENV, SANDBOX, admin, lines_of_the_audit, owner

pytestmark = pytest.mark.virtual


def bad(words: str, **given: Given) -> tuple[str, dict[str, Given]]:
    return words, given


BAD: list[tuple[str, dict[str, Given]]] = [
    *[bad("admin quota grant", who="ben", units=units) for units in ("-3", "0", "1e9", "nan", "3.5", "many", "")],
    ("admin quota grant", {"who": "nobody", "units": "3"}),
    ("admin quota grant", {"who": "ben", "units": "3", "when": "yesterday"}),
    ("admin quota grant", {"who": "ben", "units": "3", "colour": "red"}),
    ("admin quota grant", {"units": "3"}),
    *[bad("admin quota grant", who="ben", units=units) for units in ("18", "21", "100000")],
    ("admin quota grant", {"who": "ben", "units": "18", "when": "every day"}),
    ("admin quota grant", {"who": "everyone", "units": "21"}),
    ("admin quota set", {"who": "ben", "every_day": "21"}),
    *[bad("admin quota weight", who="ben", times=times) for times in ("0", "-1", "nan", "inf", "1e9", "heavy")],
    ("admin quota set", {"who": "ben"}),
    ("admin quota block", {"member": "nobody"}),
    ("admin quota block", {"member": "ben", "until": "2020-01-01"}),
    ("admin quota block", {"member": "ben", "until": "soon"}),
    ("admin quota block", {"member": "role:7"}),
    *[bad("admin pool limits", rpm="20", rpd=rpd) for rpd in ("0", "-1", "1e9", "nan", "99999999")],
    ("admin pool limits", {"rpm": "1000000", "rpd": "30"}),
    ("admin pool limits", {}),
    ("admin pool limits", {"rpm": "3", "lift": "yes"}),
    ("admin pool reserve", {"units": "5"}),
    ("admin pool reserve", {"units": "5", "until": "2020-01-01"}),
    ("admin pool reserve", {"units": "5000", "until": "6h"}),
    ("admin pool reserve", {"units": "-5", "until": "6h"}),
    *[bad("admin paid budget", usd=usd) for usd in ("-1", "nan", "1e9", "2000000", "lots")],
    ("admin paid budget", {"usd": "1", "of": "nobody"}),
    ("admin paid budget", {"usd": "1", "per": "week"}),
    ("admin paid allow", {"who": "ben", "models": "maker/none-such"}),
    ("admin paid allow", {"who": "ben", "prompt_price": "1"}),
    ("admin paid allow", {"who": "ben", "until": "2020-01-01"}),
    ("admin paid forget", {"rule": "7"}),
    ("admin models default", {"model": "maker/none-such:free"}),
    ("admin models default", {"model": "sandbox/summit-120b"}),
    ("admin models hide", {"model": "maker/none-such"}),
    ("admin models hide", {"model": "openrouter/free"}),
    ("admin persona set", {"text": " "}),
    ("admin persona set", {"text": "x" * 2001}),
    ("admin persona set", {"text": "be sk-or-v1-" + "a1" * 32}),
    ("admin channels deny", {}),
    ("admin admins add", {"member": "nobody"}),
    ("admin admins remove", {"member": "ben"}),
    ("admin audit undo", {"number": "999"}),
    ("admin audit undo", {"number": "-1"}),
    ("admin owner weight", {"times": "nan"}),
    ("admin nonsense", {}),
]


async def test_what_cannot_be_is_one_sentence_and_changes_nothing(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=SANDBOX, env=ENV) as potluck:
        olga = owner(potluck)
        await potluck.ask("ben")
        await olga.does("admin quota grant", who="ben", units="3")
        before, stood = await lines_of_the_audit(potluck), dict(potluck.running.office.laid_down)
        caps = potluck.running.scheduler.caps
        for words, given in BAD:
            said = await olga.fails(words, **given)
            assert said.endswith("."), (words, given, said)
            assert "\n" not in said
            assert "inside Potluck" not in said, (words, given)
        assert (await lines_of_the_audit(potluck), dict(potluck.running.office.laid_down)) == (before, stood)
        assert potluck.running.scheduler.caps == caps
        assert len(potluck.sandbox.log) == 1
        assert "grant 17 more at most" in await olga.fails("admin quota grant", who="ben", units="18")
        await olga.does("admin quota grant", who="ben", units="17")


async def test_commands_work_while_nothing_else_does_and_take_no_unit(tmp_path: Path, clock: VirtualClock) -> None:
    env = {**ENV, "fair_policy": "fcfs", "pool_rpd": "2"}
    async with deployment(tmp_path, clock, sandbox=SANDBOX, env=env) as potluck:
        ada, olga = admin(potluck), owner(potluck)
        await potluck.ask("ben")
        await potluck.ask("ben")
        assert (await potluck.ask("ben")).error == "pool_spent"
        sent, used = len(potluck.sandbox.log), potluck.running.scheduler.used

        async def all_work() -> None:
            for words in ("pool status", "quota show", "models list", "paid list", "audit list", "admins list"):
                await ada.does(f"admin {words}")
            made = await ada.does("admin quota grant", who=BEN, units="2")
            assert made.change is not None
            await ada.does("admin audit undo", number=made.change)

        await all_work()
        await olga.does("admin pool pause")
        await all_work()
        assert "paused by an admin" in ada.read(await ada.does("admin pool status"))
        await potluck.sandbox.close()
        await all_work()
        assert (len(potluck.sandbox.log), potluck.running.scheduler.used) == (sent, used)
