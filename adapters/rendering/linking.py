"""The sentences for linking an OpenRouter account: why it did not work, and what to do now."""

from __future__ import annotations

from collections.abc import Mapping

from bot.commands.saying import Say, say
from bot.errors import LinkFault

FAULTS: Mapping[LinkFault, Say] = {
    "no_link": say("There is no open link for you: it was used, or is older than ten minutes. Start again."),
    "wrong_code": say("OpenRouter does not take this code: it was used, is too old, or is not yours. Start again."),
    "not_a_code": say("That is not a code. Copy the one the OpenRouter page shows, and nothing else."),
    "not_a_key": say("That is not an OpenRouter key. It begins with sk-or- and is one long word."),
    "key_refused": say("OpenRouter does not accept this key. Make a new one in your key settings there."),
    "unreachable": say("OpenRouter could not be asked just now, so nothing was kept. Start again in a minute."),
}
"""Why an account was not linked."""
