"""Communities' own keys: whether they can be read, and whether OpenRouter takes them. None of it stops the others."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from pydantic import SecretStr

from bot.clock import Clock
from bot.doctor.finding import Finding, ok, shown, warning
from bot.errors import FailureKind, UpstreamFailure
from bot.messages import CommunityId
from bot.openrouter.client import Deadlines, OpenRouter
from bot.settings import Settings, secret_keys
from bot.storage.inspection import KeptKey, community_keys
from bot.vault import Vault, VaultError

_ASKED = 20
"""Keys that OpenRouter is asked about; the rest are counted."""
_NAMED = 5
_DEADLINES = Deadlines(connect=5, idle=10)


async def keys(settings: Settings, clock: Clock) -> Finding | None:
    """All there is to say of them. None: no community has linked one."""
    sealed = community_keys(settings.database)
    if not sealed:
        return None
    keys = {community: opened(settings, community, kept) for community, kept in sealed.items()}
    closed = [community for community, key in keys.items() if key is None]
    asked = [(community, key) for community, key in keys.items() if key is not None][:_ASKED]
    refused = [community for community, key in asked if await _refused(settings, clock, key)]
    if closed:
        found = f"{len(closed):,} of {len(sealed):,} cannot be read: {_named(closed)}; their pools are shut"
        return warning("community keys", found, "Put the key they were sealed with back into SECRET_KEY, at its end.")
    if refused:
        found = f"{len(refused):,} of {len(asked):,} are not accepted: {_named(refused)}; their pools are shut"
        return warning("community keys", found, "Have them replaced or removed: potluck admin key.")
    return ok("community keys", f"{len(sealed):,} linked, {len(asked):,} of them asked about and accepted")


def opened(settings: Settings, community: CommunityId, kept: KeptKey) -> SecretStr | None:
    """A community's key; None: it does not open."""
    vault = _vault(settings)
    try:
        return None if vault is None else vault.open(kept.owner, kept.sealed)
    except VaultError:
        return None


def _vault(settings: Settings) -> Vault | None:
    """As `bot.secrets` has it, but that none is made."""
    if given := secret_keys(settings.secret_key):
        return Vault(given)
    if settings.server:
        return None
    try:
        kept = settings.database_file.with_suffix(".key").read_bytes().strip()
        return Vault([kept]) if len(base64.urlsafe_b64decode(kept)) == 32 else None
    except (OSError, ValueError):
        return None


async def _refused(settings: Settings, clock: Clock, key: SecretStr) -> bool:
    client = OpenRouter(
        base_url=settings.openrouter_base_url, api_key=key.get_secret_value(), clock=clock, deadlines=_DEADLINES
    )
    try:
        await client.key()
    except UpstreamFailure as failure:
        return failure.kind is FailureKind.BAD_KEY
    finally:
        await client.close()
    return False


def _named(communities: Sequence[CommunityId]) -> str:
    more = f" and {len(communities) - _NAMED:,} more" if len(communities) > _NAMED else ""
    return ", ".join(shown(one) for one in communities[:_NAMED]) + more
