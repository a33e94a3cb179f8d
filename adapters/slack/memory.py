"""What must outlive a restart, as ports: `bot.storage.slack` has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pydantic import SecretStr

from bot.clock import Instant
from bot.messages import Member


class Memory(Protocol):
    """See the module."""

    async def first(self, keys: Sequence[str]) -> bool:
        """None of these was seen before; all of them are from now on."""
        ...

    async def call_into(self, thread: str) -> None:
        """Potluck was called into a thread. One that was muted stays so."""
        ...

    async def mute(self, thread: str, muted: bool) -> None: ...

    async def thread(self, thread: str) -> bool | None:
        """Whether a thread is muted; None: Potluck was never called into it."""
        ...

    async def judge(self, answer: str, member: Member, good: bool) -> None:
        """What a member thinks of an answer. The last word counts."""
        ...

    async def prune(self, *, seen_before: Instant, before: Instant) -> None: ...


class Installations(Protocol):
    """The tokens of workspaces that installed Potluck, kept sealed."""

    async def put(self, tenant: str, token: SecretStr) -> None: ...

    async def get(self, tenant: str) -> SecretStr | None: ...

    async def remove(self, tenant: str) -> bool: ...
