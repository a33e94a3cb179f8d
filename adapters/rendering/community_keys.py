"""English for a community's own OpenRouter account: what linking it has come to."""

from __future__ import annotations

from collections.abc import Mapping

from bot.ports import CommunityKey, WhoseAccount

_WHOSE: Mapping[WhoseAccount, str] = {
    "own": "The community is a pool of its own now, with its account's requests a day.",
    "everybodys": "It is a key of the account that everybody shares here, so the community stays in that pool.",
    "another_communitys": "Another community has linked the same account, so both are one pool.",
    "untold": "The community is a pool of its own now. OpenRouter does not say whose key it is: if others here use the "
    "same account, each counts for itself, and what the other takes is noticed some minutes late.",
}
_NO_MORE = "OpenRouter does not accept it, so the pool is shut until another is linked or this one removed."


def linked(key: CommunityKey) -> str:
    """A key that is kept."""
    ends = f" that ends in {key.last_four}" if key.last_four else ""
    return f"The key{ends} is kept. {_WHOSE[key.account] if key.works else _NO_MORE}"


def removed(was_there: bool) -> str:
    """A key that was to be removed."""
    if not was_there:
        return "There was no key."
    return (
        "The key is removed, and the community draws on the pool that everybody shares. The key itself still exists: "
        "delete it at OpenRouter if nobody needs it."
    )
