"""Links that wait for their code: who has asked for one, and the key that comes of it.

A link is open in memory only: its verifier is sealed, is looked at once, and is gone after ten minutes or a restart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import SecretStr

from bot.clock import Clock, Instant
from bot.errors import LinkError, UpstreamFailure
from bot.openrouter import linking
from bot.openrouter.client import OpenRouter
from bot.ports import LinkOpened
from bot.vault import Vault

LINKS_MAX = 1000
"""Links open at once, over all owners: the oldest gives way."""
_NOT_THE_CODE = frozenset({400, 401, 403, 404, 410, 422})
"""Answers that say the code was wrong, used or too old, whatever else they say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    sealed: str
    until: float
    """By the monotonic clock."""


class OpenLinks:
    """See the module. Owners are names that are told apart: of members, or of communities.

    Args:
        client: any; its key is not sent.
        page: where somebody says yes.
        entropy: that many random bytes.
    """

    def __init__(
        self, *, vault: Vault, client: OpenRouter, page: str, clock: Clock, entropy: Callable[[int], bytes]
    ) -> None:
        self._vault, self._client, self._page = vault, client, page
        self._clock, self._entropy = clock, entropy
        self._links: dict[str, _Open] = {}

    def start(self, owner: str) -> LinkOpened:
        """A new link, in place of the one that was open."""
        now = self._clock.monotonic()
        self._links.pop(owner, None)
        self._links = {one: link for one, link in self._links.items() if link.until > now}
        while len(self._links) >= LINKS_MAX:
            del self._links[next(iter(self._links))]
        verifier = linking.verifier(self._entropy(32))
        sealed = self._vault.seal(_link_of(owner), SecretStr(verifier))
        self._links[owner] = _Open(sealed=sealed, until=now + linking.LINK_SECONDS)
        return LinkOpened(
            link=linking.link(verifier, page=self._page),
            expires_at=Instant(self._clock.now() + linking.LINK_SECONDS),
        )

    def take(self, owner: str, pasted: str) -> tuple[str, SecretStr]:
        """The pasted code, and the verifier that belongs to it. A link serves for one code.

        Raises:
            LinkError: `not_a_code`, `no_link`.
        """
        code = linking.code(pasted)
        if code is None:
            raise LinkError("not_a_code")
        link = self._links.pop(owner, None)  # good once, whatever comes of it
        if link is None or link.until <= self._clock.monotonic():
            raise LinkError("no_link")
        return code, self._vault.open(_link_of(owner), link.sealed)

    async def exchange(self, code: str, verifier: SecretStr) -> SecretStr:
        """The key of the account whose owner said yes.

        Raises:
            LinkError: `wrong_code`, `unreachable`.
        """
        try:
            return await self._client.exchange_code(code, verifier.get_secret_value())
        except UpstreamFailure as failure:
            raise LinkError("wrong_code" if failure.status in _NOT_THE_CODE else "unreachable") from None

    def drop(self, owner: str) -> None:
        """No code is waited for any more."""
        self._links.pop(owner, None)


def _link_of(owner: str) -> str:
    return f"link {owner}"
