"""Members' own OpenRouter accounts: linked, used, and forgotten at once.

A link is open in memory only: its verifier is sealed, is looked at once, and is gone after ten minutes or a restart.
A key is asked about at OpenRouter before it is kept. Nothing here logs, and no error holds what was brought.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from pydantic import SecretStr

from bot.clock import Clock, Instant
from bot.errors import FailureKind, LinkError, UpstreamFailure
from bot.messages import Member
from bot.openrouter import linking
from bot.openrouter.client import OpenRouter
from bot.pasted_keys import is_key
from bot.ports import KeyShown, LinkOpened
from bot.storage.keys import SqlKeys
from bot.vault import Vault

LINKS_MAX = 1000
"""Links open at once, over all members: the oldest gives way."""
_NOT_THE_CODE = frozenset({400, 401, 403, 404, 410, 422})
"""Answers that say the code was wrong, used or too old, whatever else they say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    sealed: str
    until: float
    """By the monotonic clock."""


class OwnKeys:
    """`bot.ports.KeyLinks`, and where the lane of own keys gets its client. `open` before use.

    Args:
        client: the pool's; its key is never sent for a member.
        page: where a member says yes.
        entropy: that many random bytes.
    """

    def __init__(
        self,
        *,
        kept: SqlKeys,
        vault: Vault,
        client: OpenRouter,
        page: str,
        clock: Clock,
        entropy: Callable[[int], bytes],
    ) -> None:
        self._kept, self._vault, self._client, self._page = kept, vault, client, page
        self._clock, self._entropy = clock, entropy
        self._links: dict[Member, _Open] = {}
        self._linking: dict[Member, object] = {}
        """The newest attempt of each member's: what was begun before it, or before a removal, keeps nothing."""
        self._members: set[Member] = set()
        self._refused: set[Member] = set()

    async def open(self) -> None:
        """Read who has a key."""
        self._members = await self._kept.members()

    # --- linking -----------------------------------------------------------------------------------------

    async def start(self, member: Member) -> LinkOpened:
        now = self._clock.monotonic()
        self._links.pop(member, None)
        self._links = {one: link for one, link in self._links.items() if link.until > now}
        while len(self._links) >= LINKS_MAX:
            del self._links[next(iter(self._links))]
        verifier = linking.verifier(self._entropy(32))
        sealed = self._vault.seal(_link_of(member), SecretStr(verifier))
        self._links[member] = _Open(sealed=sealed, until=now + linking.LINK_SECONDS)
        return LinkOpened(
            link=linking.link(verifier, page=self._page),
            expires_at=Instant(self._clock.now() + linking.LINK_SECONDS),
        )

    async def finish(self, member: Member, pasted: str) -> KeyShown:
        code = linking.code(pasted)
        if code is None:
            raise LinkError("not_a_code")
        link = self._links.pop(member, None)  # good once, whatever comes of it
        if link is None or link.until <= self._clock.monotonic():
            raise LinkError("no_link")
        verifier = self._vault.open(_link_of(member), link.sealed)
        attempt = self._linking[member] = object()
        try:
            key = await self._client.exchange_code(code, verifier.get_secret_value())
        except UpstreamFailure as failure:
            raise LinkError("wrong_code" if failure.status in _NOT_THE_CODE else "unreachable") from None
        return await self._keep(member, key, attempt)

    async def paste(self, member: Member, pasted: SecretStr) -> KeyShown:
        key = SecretStr(pasted.get_secret_value().strip().strip("`"))
        if not is_key(key.get_secret_value()):
            raise LinkError("not_a_key")
        attempt = self._linking[member] = object()
        return await self._keep(member, key, attempt)

    async def _keep(self, member: Member, key: SecretStr, attempt: object) -> KeyShown:
        try:
            await self._client.with_key(key).key()
        except UpstreamFailure as failure:
            raise LinkError("key_refused" if failure.kind is FailureKind.BAD_KEY else "unreachable") from None
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
        self._links.pop(member, None)
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


def _link_of(member: Member) -> str:
    return f"link {member.key}"
