"""Which user groups somebody is in: what admins lay down for a group holds for whom Slack counts among it now."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from adapters.slack.calls import Refused, Unsure, call
from adapters.slack.limits import Now
from adapters.slack.workspace import Workspace
from bot.telemetry.logs import logger

log = logger(__name__)

KEPT_SECONDS = 600.0
"""How long what Slack said is believed."""
AWAY_SECONDS, ASK_AGAIN_SECONDS = 3600.0, 60.0
"""… and how long while it cannot be asked, which is tried again that often."""
NONE: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Told:
    at: float
    """When Slack said so."""
    until: float
    members: Mapping[str, frozenset[str]]


class Groups:
    """See the module. Where Slack does not tell, nobody is in any: a right is never given on a guess."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self._told: dict[str, _Told] = {}
        self._asking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def of(self, workspace: Workspace, user: str) -> frozenset[str]:
        """The ids of the groups a user is in."""
        async with self._asking[workspace.team]:
            told = self._told.get(workspace.team)
            if told is None or told.until <= self._now():
                told = self._told[workspace.team] = await self._look(workspace, told)
        return told.members.get(user, NONE)

    async def _look(self, workspace: Workspace, before: _Told | None) -> _Told:
        try:
            members = await _ask(workspace)
        except Refused as refused:  # an older manifest, or a plan without groups
            log.info("no user groups", extra={"action": "slack", "error": refused.error})
            members = {}
        except Unsure as unsure:
            log.info("no user groups now", extra={"action": "slack", "error": str(unsure)})
            again = self._now() + ASK_AGAIN_SECONDS
            if before is not None and before.at > self._now() - AWAY_SECONDS:
                return _Told(before.at, again, before.members)
            return _Told(self._now(), again, {})
        return _Told(self._now(), self._now() + KEPT_SECONDS, members)


async def _ask(workspace: Workspace) -> Mapping[str, frozenset[str]]:
    told = await call(
        workspace.client.usergroups_list, workspace.allowance.groups, safe=True, tries=2, include_users=True
    )
    members: defaultdict[str, set[str]] = defaultdict(set)
    for group in told.get("usergroups") or []:
        for user in group.get("users") or []:
            members[str(user)].add(str(group.get("id")))
    return {user: frozenset(groups) for user, groups in members.items()}
