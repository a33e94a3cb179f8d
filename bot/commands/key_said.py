"""What is said of linking an OpenRouter account, whoever's it is: the link to open, why it did not work, the key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import assert_never

from pydantic import SecretStr

from bot.commands.answer import Line, Link, Next, Part
from bot.commands.command import Parameter, Path
from bot.commands.saying import At, Code, Say, Value, say
from bot.errors import LinkFault
from bot.pasted_keys import holds_key
from bot.ports import LinkOpened

PASTED = "pasted"
PASTE: Path = ("key", "paste")
"""What takes the code or the key of an account of one's own."""
CODE_OR_KEY = Parameter(
    name=PASTED, kind="secret", about=say("The code that OpenRouter showed, or a key that you have made there")
)
"""What an account is linked by. Either is good: nobody has to tell them apart."""


def is_key(pasted: SecretStr) -> bool:
    """It is meant for a key, and not for a code."""
    text = pasted.get_secret_value()
    return holds_key(text) or text.strip().startswith("sk-")


def shown(path: Path) -> Code:
    """A command as it is typed."""
    return Code("/" + " ".join(path))


def opened(link: LinkOpened, then: Say, paste: Path, values: Mapping[str, str]) -> Sequence[Part]:
    """Where to say yes, and what to do with the code.

    Args:
        then: what holds once it is linked.
        paste: the command that takes the code, with these values.
    """
    return (
        Link(url=link.link, said=say("Open OpenRouter, say yes there, and copy the code it shows.")),
        Line(
            say(
                "Then {command} takes the code, until {at}. The code is of no use to anybody else.",
                command=shown(paste),
                at=At(link.expires_at),
            )
        ),
        Line(then),
        Next(path=paste, values=values, said=say("Paste the code")),
    )


def ends(last_four: str) -> Value:
    """All that is ever shown of a key."""
    return Code(f"…{last_four}") if last_four else say("not shown")


def why_not(fault: LinkFault, add: Path) -> Say:
    """Why nothing was linked. `add`: the command that opens a new link."""
    match fault:
        case "no_link":
            return say("There is no link open for this code, or it is too old. {add} opens one.", add=shown(add))
        case "wrong_code":
            return say(
                "OpenRouter does not take this code: it was used, is too old, or is not yours. {add} opens a new link.",
                add=shown(add),
            )
        case "not_a_code":
            return say("That is no code and no key. Copy the code the OpenRouter page shows, and nothing else.")
        case "not_a_key":
            return say("That is not an OpenRouter key. It begins with sk-or- and is one long word.")
        case "key_refused":
            return say("OpenRouter does not accept this key. Make a new one in your key settings there.")
        case "unreachable":
            return say("OpenRouter could not be asked just now, so nothing was kept. Try again in a minute.")
        case _:
            assert_never(fault)
