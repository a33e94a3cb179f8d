"""Which user groups somebody is in: what admins lay down for a group holds for whom Slack counts among it now."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping

from adapters.slack.calls import Refused, Unsure, call
from adapters.slack.limits import Now
from adapters.slack.workspace import Workspace
from bot.telemetry.logs import logger

log = logger(__name__)

KEPT_SECONDS = 600.0
"""How long what Slack said is believed."""
NONE: frozenset[str] = frozenset()


class Groups:
    """See the module. Where Slack does not tell, nobody is in any: a right is never given on a guess."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self._known: dict[str, tuple[float, Mapping[str, frozenset[str]]]] = {}
        self._asking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def of(self, workspace: Workspace, user: str) -> frozenset[str]:
        """The ids of the groups a user is in."""
        async with self._asking[workspace.team]:
            until, members = self._known.get(workspace.team, (0.0, {}))
            if until <= self._now():
                members = await self._ask(workspace)
                self._known[workspace.team] = (self._now() + KEPT_SECONDS, members)
        return members.get(user, NONE)

    async def _ask(self, workspace: Workspace) -> Mapping[str, frozenset[str]]:
        try:
            told = await call(
                workspace.client.usergroups_list, workspace.allowance.groups, safe=True, tries=2, include_users=True
            )
        except (Refused, Unsure) as problem:  # an older manifest, a plan without groups, or Slack is away
            log.info("no user groups", extra={"action": "slack", "error": str(problem)})
            return {}
        members: defaultdict[str, set[str]] = defaultdict(set)
        for group in told.get("usergroups") or []:
            for user in group.get("users") or []:
                members[str(user)].add(str(group.get("id")))
        return {user: frozenset(groups) for user, groups in members.items()}
