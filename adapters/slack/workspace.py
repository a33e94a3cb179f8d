"""The workspaces Potluck is in: by the one token in the settings, or by those that installations brought."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.calls import Refused, call
from adapters.slack.limits import Allowance, Now, Window
from adapters.slack.memory import Installations
from bot.messages import CommunityId

# What the SDK logs above errors holds whole payloads, and so what people write.
SDK_LOG = logging.getLogger("slack_sdk.potluck")
SDK_LOG.setLevel(logging.ERROR)
_TIMEOUT = 20
_REVOKED = frozenset({"token_revoked", "account_inactive", "invalid_auth", "not_authed", "token_expired"})


@dataclass(kw_only=True, eq=False)
class Workspace:
    """One installation: its client, its limits, and what it turned out not to do."""

    tenant: str
    """The organisation's id where it is one of Enterprise Grid, else the workspace's. Half of a member's key."""
    team: str
    enterprise: str
    name: str
    bot_user: str
    bot_id: str
    client: AsyncWebClient
    allowance: Allowance
    streams: bool = True
    """False: the streaming methods are unknown here."""
    sessions_again_at: float = 0.0
    """Before this moment the older status calls are used: the workspace knows no agent sessions."""
    deaf: set[str] = field(default_factory=set)
    """Channels where nothing can be streamed."""

    @property
    def community(self) -> CommunityId:
        return CommunityId(f"slack:{self.tenant}")

    @property
    def token(self) -> str:
        return self.client.token or ""


class Workspaces(Protocol):
    """Which workspace a request from Slack belongs to."""

    @property
    def name(self) -> str:
        """Which they are, in words."""
        ...

    async def find(self, *, team: str | None, enterprise: str | None) -> Workspace | None: ...

    async def forget(self, *, team: str | None, enterprise: str | None) -> None:
        """It was uninstalled, or its token revoked."""
        ...


ClientFor = Callable[[str], AsyncWebClient]


def clients(api_url: str, session: aiohttp.ClientSession) -> ClientFor:
    """Makes clients that share one session and retry nothing by themselves."""

    def make(token: str) -> AsyncWebClient:
        return AsyncWebClient(
            token=token, base_url=api_url, timeout=_TIMEOUT, session=session, retry_handlers=[], logger=SDK_LOG
        )

    return make


async def introduce(client: AsyncWebClient, now: Now) -> Workspace:
    """Ask Slack whose token it is.

    Raises:
        Refused: nobody's.
        Unsure: Slack cannot be reached.
    """
    told = await call(client.auth_test, Window(20, now), safe=True)
    team, enterprise = str(told["team_id"]), str(told.get("enterprise_id") or "")
    return Workspace(
        tenant=enterprise or team,
        team=team,
        enterprise=enterprise,
        name=str(told.get("team") or team),
        bot_user=str(told["user_id"]),
        bot_id=str(told.get("bot_id") or ""),
        client=client,
        allowance=Allowance(now),
    )


class OneWorkspace:
    """The workspace of the token in the settings."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace: Workspace | None = workspace
        self.name = f"the workspace {workspace.name}"

    async def find(self, *, team: str | None, enterprise: str | None) -> Workspace | None:
        # Whatever comes over this app's socket or is signed with its secret is for the one workspace it is in; in
        # Slack Connect the request may name the other organisation.
        return self._workspace

    async def forget(self, *, team: str | None, enterprise: str | None) -> None:
        self._workspace = None


class InstalledWorkspaces:
    """The workspaces whose tokens are kept."""

    def __init__(self, installations: Installations, client_for: ClientFor, now: Now) -> None:
        self._installations, self._client_for, self._now = installations, client_for, now
        self._known: dict[str, Workspace] = {}
        self.name = "every workspace that installed it"

    async def find(self, *, team: str | None, enterprise: str | None) -> Workspace | None:
        for id in (team, enterprise):
            if id and (workspace := await self._by(id)) is not None:
                return workspace
        return None

    async def _by(self, id: str) -> Workspace | None:
        if id in self._known:
            return self._known[id]
        token = await self._installations.get(id)
        if token is None:
            return None
        try:
            workspace = await introduce(self._client_for(token.get_secret_value()), self._now)
        except Refused as refused:
            if refused.error in _REVOKED:
                await self._installations.remove(id)
            return None
        return self._known.setdefault(id, workspace)

    def renew(self, tenant: str) -> None:
        """It was installed anew: there is another token."""
        self._known.pop(tenant, None)

    async def forget(self, *, team: str | None, enterprise: str | None) -> None:
        for id in (team, enterprise):
            if id:
                self._known.pop(id, None)
                if await self._installations.remove(id):
                    return  # the organisation's own stays when one workspace of it leaves
