"""What the Slack adapter keeps, in SQL: `adapters.slack.memory.Memory` and `Installations`."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import SecretStr
from sqlalchemy import Connection, delete, select, update

from bot.clock import Clock, Instant
from bot.messages import Member
from bot.storage.database import Database
from bot.storage.dialects import upsert
from bot.storage.moments import microseconds
from bot.storage.tables import slack_installations, slack_seen, slack_threads, slack_verdicts
from bot.vault import Vault


class SqlSlackMemory:
    """See the module."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def first(self, keys: Sequence[str]) -> bool:
        """None of these was seen before; all of them are from now on."""
        now = microseconds(self._clock.now())

        def unit(connection: Connection) -> bool:
            known = connection.execute(select(slack_seen.c.key).where(slack_seen.c.key.in_(keys))).first()
            rows = [{"key": key, "seen_at": now} for key in keys]
            connection.execute(upsert(slack_seen).on_conflict_do_nothing(), rows)
            return known is None

        return await self._database.write(unit)

    async def call_into(self, thread: str) -> None:
        """Potluck was called into a thread. One that was muted stays so."""
        now = microseconds(self._clock.now())
        row = upsert(slack_threads).values(thread=thread, muted=False, used_at=now)
        change = row.on_conflict_do_update(index_elements=["thread"], set_={"used_at": now})
        await self._database.write(lambda connection: connection.execute(change) and None)

    async def mute(self, thread: str, muted: bool) -> None:
        change = update(slack_threads).where(slack_threads.c.thread == thread).values(muted=muted)
        await self._database.write(lambda connection: connection.execute(change) and None)

    async def thread(self, thread: str) -> bool | None:
        """Whether a thread is muted; None: Potluck was never called into it."""
        wanted = select(slack_threads.c.muted).where(slack_threads.c.thread == thread)
        return await self._database.read(lambda connection: connection.scalar(wanted))

    async def judge(self, answer: str, member: Member, good: bool) -> None:
        """What a member thinks of an answer. The last word counts."""
        values = {"good": good, "given_at": microseconds(self._clock.now())}
        row = upsert(slack_verdicts).values(answer=answer, member=member.key, **values)
        change = row.on_conflict_do_update(index_elements=["answer", "member"], set_=values)
        await self._database.write(lambda connection: connection.execute(change) and None)

    async def prune(self, *, seen_before: Instant, before: Instant) -> None:
        """Forget what is too old to come again, and threads and verdicts that are older than what is kept."""
        old = microseconds(before)

        def unit(connection: Connection) -> None:
            connection.execute(delete(slack_seen).where(slack_seen.c.seen_at < microseconds(seen_before)))
            connection.execute(delete(slack_threads).where(slack_threads.c.used_at < old))
            connection.execute(delete(slack_verdicts).where(slack_verdicts.c.given_at < old))

        await self._database.write(unit)


class SqlInstallations:
    """The workspaces that installed Potluck, their tokens sealed."""

    def __init__(self, database: Database, clock: Clock, vault: Vault) -> None:
        self._database, self._clock, self._vault = database, clock, vault

    async def put(self, tenant: str, token: SecretStr) -> None:
        values = {
            "sealed": self._vault.seal(_owner(tenant), token),
            "installed_at": microseconds(self._clock.now()),
        }
        row = upsert(slack_installations).values(tenant=tenant, **values)
        change = row.on_conflict_do_update(index_elements=["tenant"], set_=values)
        await self._database.write(lambda connection: connection.execute(change) and None)

    async def get(self, tenant: str) -> SecretStr | None:
        """The token; None: it is not installed there.

        Raises:
            VaultError: it does not open.
        """
        wanted = select(slack_installations.c.sealed).where(slack_installations.c.tenant == tenant)
        sealed = await self._database.read(lambda connection: connection.scalar(wanted))
        return None if sealed is None else self._vault.open(_owner(tenant), sealed)

    async def remove(self, tenant: str) -> bool:
        """It was uninstalled, or its token revoked. False: there was none."""
        change = (
            delete(slack_installations)
            .where(slack_installations.c.tenant == tenant)
            .returning(slack_installations.c.tenant)
        )
        return await self._database.write(lambda connection: connection.execute(change).first() is not None)


def _owner(tenant: str) -> str:
    return f"slack {tenant}"
