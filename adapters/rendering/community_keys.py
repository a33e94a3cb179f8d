"""The sentences for a community's own OpenRouter account: what linking it has come to."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.rendering.saying import ENGLISH, Tongue
from bot.commands.saying import Say, say
from bot.ports import CommunityKey, WhoseAccount

_WHOSE: Mapping[WhoseAccount, Say] = {
    "own": say("The community is a pool of its own now, with its account's requests a day."),
    "everybodys": say("It is a key of the account that everybody shares here, so the community stays in that pool."),
    "another_communitys": say("Another community has linked the same account, so both are one pool."),
    "untold": say(
        "The community is a pool of its own now. OpenRouter does not say whose key it is: if others here use the "
        "same account, each counts for itself, and what the other takes is noticed some minutes late."
    ),
}
_NO_MORE = say("OpenRouter does not accept it, so the pool is shut until another is linked or this one removed.")


def linked(key: CommunityKey, *, tongue: Tongue = ENGLISH) -> str:
    """A key that is kept."""
    kept = say("The key that ends in {ends} is kept.", ends=key.last_four) if key.last_four else say("The key is kept.")
    return f"{tongue.say(kept)} {tongue.say(_WHOSE[key.account] if key.works else _NO_MORE)}"


def removed(was_there: bool, *, tongue: Tongue = ENGLISH) -> str:
    """A key that was to be removed."""
    if not was_there:
        return tongue.say(say("There was no key."))
    return tongue.say(
        say(
            "The key is removed, and the community draws on the pool that everybody shares. The key itself still "
            "exists: delete it at OpenRouter if nobody needs it."
        )
    )
