"""Who writes: one person however many workspaces of theirs Potluck is in, and what Slack says of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from adapters.rendering.saying import Tongue, tongue
from adapters.slack.calls import Refused, Unsure, call
from adapters.slack.groups import Groups
from adapters.slack.limits import Now
from adapters.slack.workspace import Workspace
from bot.messages import Member, Standing

_KEPT_SECONDS = 600.0
"""How long what Slack said of somebody is believed: an admin who no longer is one stays one so long at most."""
_KEPT_MOST = 20_000
_SLACK_ITSELF = frozenset({"USLACKBOT", "USLACK"})
NAME_MAX = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody in Slack."""

    id: str
    member: Member
    name: str
    team: str
    """Their own workspace, which for a guest from elsewhere is not the one they write in."""
    standing: Standing
    human: bool = True
    """False: a bot, Slack itself, or an account that was switched off."""
    manages: bool = False
    groups: frozenset[str] = frozenset()
    """Ids of the user groups they are in."""
    locale: str = "en"
    told: bool = True
    """False: Slack says nothing of them."""

    @property
    def tongue(self) -> Tongue:
        """How to speak to them."""
        return tongue(self.locale)


class People:
    """See the module."""

    def __init__(self, now: Now) -> None:
        self._now, self._groups = now, Groups(now)
        self._known: dict[tuple[str, str], tuple[float, Person]] = {}
        self._asking: dict[tuple[str, str], asyncio.Task[Person]] = {}

    async def find(self, workspace: Workspace, user: str, *, team: str = "") -> Person:
        """`team` is the person's own, where the event says it. Who cannot be asked about is a stranger."""
        person = await self._person(workspace, user, team)
        return replace(person, groups=await self._groups.of(workspace, user))

    async def _person(self, workspace: Workspace, user: str, team: str) -> Person:
        key = (workspace.team, user)
        kept = self._known.get(key)
        if kept is not None and kept[0] > self._now():
            return kept[1]
        if key not in self._asking:
            task = self._asking[key] = asyncio.create_task(self._ask(workspace, user, team))
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(self._asking[key])

    async def _ask(self, workspace: Workspace, user: str, team: str) -> Person:
        try:
            told = await call(
                workspace.client.users_info, workspace.allowance.people, safe=True, user=user, include_locale=True
            )
        except (Refused, Unsure):
            # Not kept: it may be known in a moment.
            return unknown(workspace, user, team)
        person = known(workspace, told["user"], team)
        while len(self._known) >= _KEPT_MOST:
            del self._known[next(iter(self._known))]
        self._known[workspace.team, user] = (self._now() + _KEPT_SECONDS, person)
        return person


def unknown(workspace: Workspace, user: str, team: str = "") -> Person:
    """Somebody Slack does not tell about."""
    home = workspace.tenant if team in ("", workspace.team) else team
    member = Member(platform="slack", tenant=home, user=user)
    return Person(id=user, member=member, name=user, team=team or workspace.team, standing="stranger", told=False)


def known(workspace: Workspace, user: Mapping[str, Any], team: str = "") -> Person:
    """What `users.info` says of somebody. Pure."""
    id = str(user["id"])
    own_team = str(user.get("team_id") or team or workspace.team)
    enterprise = str((user.get("enterprise_user") or {}).get("enterprise_id") or "")
    at_home = own_team == workspace.team or (enterprise != "" and enterprise == workspace.enterprise)
    tenant = workspace.tenant if at_home else enterprise or own_team
    profile = user.get("profile") or {}
    name = profile.get("display_name") or user.get("real_name") or profile.get("real_name") or user.get("name") or id
    human = not (user.get("is_bot") or user.get("deleted") or id in _SLACK_ITSELF)
    standing: Standing = "full"
    if user.get("is_stranger") or not at_home:
        standing = "stranger"
    elif user.get("is_restricted") or user.get("is_ultra_restricted"):
        standing = "guest"
    return Person(
        id=id,
        member=Member(platform="slack", tenant=tenant, user=id),
        name=str(name)[:NAME_MAX],
        team=own_team,
        standing=standing,
        human=human,
        manages=human and standing == "full" and bool(user.get("is_admin") or user.get("is_owner")),
        locale=str(user.get("locale") or "en"),
    )
