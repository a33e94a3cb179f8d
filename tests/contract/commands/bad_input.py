"""What cannot be: on every platform one sentence says what would do, and nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bot.commands.all import ALL
from bot.commands.command import Command, Rank
from tests.contract.commands.bindings.binding import Binding
from tests.contract.commands.stage import Someone, Stage, Written, differing

BEN = Someone("ben")
PAST = "2020-01-01"
NOT_THERE = "maker/none-such"


@dataclass(frozen=True, kw_only=True)
class Bad:
    """A use that must be refused."""

    words: str
    given: Mapping[str, Written]
    says: str
    """A piece of the sentence: what would do."""
    by: Rank = "owner"
    not_in: Sequence[str] = field(default=())
    """Platforms that take no command of theirs for it, and say so in a way of their own."""

    @property
    def command(self) -> Command | None:
        return next((one for one in ALL if one.name == self.words), None)


def each(words: str, name: str, values: Sequence[str | int | float], says: str, **given: Written) -> list[Bad]:
    """One of each of these values."""
    return [Bad(words=words, given={**given, name: value}, says=says) for value in values]


BAD: Sequence[Bad] = (
    *each("admin quota grant", "units", ("-3", "0"), "units is 1 or more", who=BEN),
    *each("admin quota grant", "units", ("1000000000",), "grant that many at most", who=BEN),
    *each("admin quota grant", "units", ("1e9", "NaN", "3.5", "many"), "units is a whole number, such as 3", who=BEN),
    Bad(words="admin quota grant", given={"who": "nobody", "units": 3}, says="Nobody known here is called nobody"),
    Bad(words="admin quota grant", given={"who": "UNKNOWN", "units": 3}, says="Nobody known here is called UNKNOWN"),
    Bad(words="admin paid allow", given={"who": "nobody"}, says="Nobody known here is called nobody"),
    Bad(words="admin quota grant", given={"who": BEN}, says="needs units", not_in=("slack", "shell", "discord")),
    Bad(words="admin quota grant", given={"who": BEN, "units": 3, "when": "then"}, says="when is one of today, every",
        not_in=("discord",)),
    *each("admin quota weight", "times", ("-1", "0", "1e9"), "times is from", who=BEN),
    *each("admin quota weight", "times", ("NaN", "inf", "heavy"), "times is a number, such as 3", who=BEN),
    Bad(words="admin quota set", given={"who": BEN}, says="Name a weight"),
    Bad(words="admin quota block", given={"member": BEN, "until": PAST}, says="until is in the past"),
    Bad(words="admin quota block", given={"member": BEN, "until": "soon"}, says="until is a time such as 6h"),
    Bad(words="admin quota block", given={"member": "nobody"}, says="Nobody known here is called nobody"),
    Bad(words="admin admins add", given={"member": "nobody"}, says="Nobody known here is called nobody"),
    *each("admin pool limits", "rpd", ("-1", "0"), "rpd is from 1 to"),
    *each("admin pool limits", "rpd", ("1e9", "NaN"), "rpd is a whole number"),
    Bad(words="admin pool limits", given={}, says="Name rpm, rpd"),
    Bad(words="admin pool reserve", given={"units": 5, "until": PAST}, says="until is in the past"),
    Bad(words="admin pool reserve", given={"units": 5000, "until": "6h"}, says="The pool has"),
    *each("admin paid budget", "usd", ("-1", "2000000"), "usd is from 0 to"),
    *each("admin paid budget", "usd", ("NaN", "1e9", "lots"), "usd is an amount in US dollars, such as 2.50"),
    Bad(words="admin paid budget", given={"usd": "1", "of": "nobody"}, says="Nobody known here is called nobody"),
    Bad(words="admin paid allow", given={"who": BEN, "models": NOT_THERE}, says=f"no model {NOT_THERE}"),
    Bad(words="admin paid allow", given={"who": BEN, "prompt_price": "1"}, says="A highest price is two"),
    Bad(words="admin paid allow", given={"who": BEN, "until": PAST}, says="until is in the past"),
    Bad(words="admin paid forget", given={"rule": 999}, says="There is no rule 999 here"),
    Bad(words="admin models default", given={"model": NOT_THERE}, says=f"no free model {NOT_THERE}"),
    Bad(words="admin models hide", given={"model": NOT_THERE}, says=f"no model {NOT_THERE}"),
    Bad(words="admin persona set", given={"text": "x" * 2001, "channel": "room"}, says="text has at most 2,000",
        not_in=("discord",)),
    Bad(words="admin admins remove", given={"member": BEN}, says="was not named here"),
    Bad(words="admin audit undo", given={"number": 999_999}, says="There is no change 999,999 here"),
    Bad(words="admin audit undo", given={"number": "-1"}, says="number is 1 or more"),
    Bad(words="admin top", given={"days": 367}, says="days is from 1 to 366"),
    Bad(words="admin key paste", given={"pasted": "not a key"}, says="no code and no key",
        not_in=("shell",)),
    Bad(words="admin owner weight", given={"times": "NaN"}, says="times is a number"),
    Bad(words="model set", given={"model": NOT_THERE}, by="anyone", says=f"There is no model {NOT_THERE}"),
    Bad(words="link", given={"code": "WRONG"}, by="anyone", says="That code is wrong, used or too old"),
    Bad(words="unlink", given={"account": "nobody"}, by="anyone", says="is not one of your accounts"),
    Bad(words="key paste", given={"pasted": "not a key"}, by="anyone", says="no code and no key"),
    Bad(words="help", given={"command": "nonsense"}, by="anyone", says="There is no /nonsense for you here"),
    Bad(words="privacy delete", given={"sure": "perhaps"}, by="anyone", says="sure is"),
    Bad(words="admin nonsense", given={}, says="There is no /admin nonsense", not_in=("shell", "discord")),
)  # fmt: skip


async def refused_in_a_sentence(binding: Binding) -> int:
    """Use all that can be given on a platform: how many that are.

    Raises:
        AssertionError: one is done, or is not refused in one sentence with the fix; or something has changed.
    """
    stage = await Stage.of(binding)
    wanted = [
        bad
        for bad in BAD
        if binding.name not in bad.not_in
        and (bad.command is None or binding.has(bad.command))
        and stage.rank(bad.by) in binding.ranks
        and binding.takes(bad.words, bad.given)
    ]
    callers = {rank: await stage.caller(rank) for rank in ("anyone", "owner") if stage.rank(rank) in binding.ranks}
    given = [await stage.given(bad.given) for bad in wanted]
    before, wrong = await stage.dump(), []
    for bad, values in zip(wanted, given, strict=True):
        reply = await binding.use(stage.place, callers[bad.by], bad.words, values)
        text = reply.text.strip()
        if reply.refused is False or bad.says not in text or len(text.splitlines()) != 1 or not text.endswith("."):
            wrong.append((bad.words, dict(bad.given), text))
    changed = differing(before, await stage.dump())
    await stage.tidy()
    assert wrong == []
    assert changed == {}
    return len(wanted)
