"""OpenRouter by the key of an account: everybody's, or one that communities have linked."""

from __future__ import annotations

from pydantic import SecretStr

from bot.openrouter.client import OpenRouter
from bot.quota.ledger import PoolId
from bot.storage.keys import SqlKeys
from bot.vault import VaultError

_NO_KEY = SecretStr("bad")
"""No key of OpenRouter's has this shape."""


class AccountClients:
    """See the module. All clients share the connections of the first, and end with it."""

    def __init__(self, *, default: PoolId, client: OpenRouter, keys: SqlKeys) -> None:
        self._default, self._client, self._keys = default, client, keys

    async def of(self, account: PoolId) -> OpenRouter | None:
        """By the newest key of the account's that opens; None: nobody has linked one, or not any more.

        Raises:
            VaultError: there are some, and none opens.
        """
        if account == self._default:
            return self._client
        key = await self._keys.of_pool(account)
        return None if key is None else self._client.with_key(key)

    async def change_key(self, client: OpenRouter, account: PoolId) -> bool:
        """Have a client of this account's go on by the newest key of it. False: there is none that opens."""
        try:
            key = await self._keys.of_pool(account)
        except VaultError:
            return False
        if key is not None:
            client.use_key(key)
        return key is not None

    def without_key(self) -> OpenRouter:
        """A client for an account whose key does not open: OpenRouter refuses whatever it sends."""
        return self._client.with_key(_NO_KEY)
