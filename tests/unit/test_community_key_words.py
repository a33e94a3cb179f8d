"""Whatever linking a community's account comes to, it is said whole, and shows no more of the key than its end."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest

from adapters.rendering.community_keys import linked, removed
from bot.clock import Instant
from bot.ports import CommunityKey, WhoseAccount


@pytest.mark.parametrize(("account", "works"), list(product(get_args(WhoseAccount), (True, False))))
def test_every_account_has_words(account: WhoseAccount, works: bool) -> None:
    key = CommunityKey(last_four="90ab", linked_at=Instant(0), works=works, account=account)
    said = linked(key)
    assert "90ab" in said
    assert said.endswith(".")
    assert ("shut" in said) is not works
    unseen = CommunityKey(last_four="", linked_at=Instant(0), works=works, account=account)
    assert linked(unseen).startswith("The key is kept.")


def test_a_removal_has_words() -> None:
    assert removed(True) != removed(False)
