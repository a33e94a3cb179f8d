"""Members' own OpenRouter accounts: linked, used, and forgotten at once.

A key is asked about at OpenRouter before it is kept. Nothing here logs, and no error holds what was brought.
"""

from __future__ import annotations

from dataclasses import replace

from pydantic import SecretStr

from bot.errors import FailureKind, LinkError, UpstreamFailure
from bot.messages import Member
from bot.open_links import OpenLinks
from bot.openrouter.client import OpenRouter
from bot.openrouter.wire import KeyInfo
from bot.pasted_keys import is_key
from bot.ports import KeyShown, LinkOpened
from bot.storage.keys import SqlKeys


class OwnKeys:
    """`bot.ports.KeyLinks`, and where the lane of own keys gets its client. `open` before use.

    Args:
        client: the pool's; its key is never sent for a member.
    """

    def __init__(self, *, kept: SqlKeys, links: OpenLinks, client: OpenRouter) -> None:
        self._kept, self._links, self._client = kept, links, client
        self._linking: dict[Member, object] = {}
        """The newest attempt of each member's: what was begun before it, or before a removal, keeps nothing."""
        self._members: set[Member] = set()
        self._refused: set[Member] = set()

    async def open(self) -> None:
        """Read who has a key."""
        self._members = await self._kept.members()

    # --- linking -----------------------------------------------------------------------------------------

    async def start(self, member: Member) -> LinkOpened:
        return self._links.start(member.key)

    async def finish(self, member: Member, pasted: str) -> KeyShown:
        code, verifier = self._links.take(member.key, pasted)
        attempt = self._linking[member] = object()
        return await self._keep(member, await self._links.exchange(code, verifier), attempt)

    async def paste(self, member: Member, pasted: SecretStr) -> KeyShown:
        key = key_in(pasted)
        attempt = self._linking[member] = object()
        return await self._keep(member, key, attempt)

    async def _keep(self, member: Member, key: SecretStr, attempt: object) -> KeyShown:
        await checked(self._client, key)
        if self._linking.get(member) is not attempt:
            raise LinkError("no_link")
        del self._linking[member]
        self._members.add(member)
        self._refused.discard(member)
        await self._kept.put(member, key)
        shown = await self.shown(member)
        if shown is None:  # removed in the same moment
            raise LinkError("no_link")
        return shown

    async def shown(self, member: Member) -> KeyShown | None:
        shown = await self._kept.show(member)
        return replace(shown, works=False) if shown is not None and member in self._refused else shown

    async def remove(self, member: Member) -> bool:
        self._links.drop(member.key)
        self._linking.pop(member, None)
        self._members.discard(member)
        self._refused.discard(member)
        return await self._kept.remove(member)

    # --- use ---------------------------------------------------------------------------------------------

    def has(self, member: Member) -> bool:
        """The member has linked an account, working or not: it draws on the pool no more."""
        return member in self._members

    async def client(self, member: Member) -> OpenRouter | None:
        """OpenRouter by the member's key; None: there is none any more.

        Raises:
            VaultError: the key does not open.
        """
        key = await self._kept.get(member)
        return None if key is None else self._client.with_key(key)

    def refused(self, member: Member) -> None:
        """OpenRouter did not accept the member's key."""
        if member in self._members:
            self._refused.add(member)

    def worked(self, member: Member) -> None:
        """It did, after all."""
        self._refused.discard(member)


def key_in(pasted: SecretStr) -> SecretStr:
    """The key in what somebody pasted.

    Raises:
        LinkError: `not_a_key`.
    """
    key = SecretStr(pasted.get_secret_value().strip().strip("`"))
    if not is_key(key.get_secret_value()):
        raise LinkError("not_a_key")
    return key


async def checked(client: OpenRouter, key: SecretStr) -> KeyInfo:
    """What OpenRouter says of a key before it is kept.

    Raises:
        LinkError: `key_refused`, `unreachable`.
    """
    try:
        return await client.with_key(key).key()
    except UpstreamFailure as failure:
        raise LinkError("key_refused" if failure.kind is FailureKind.BAD_KEY else "unreachable") from None
