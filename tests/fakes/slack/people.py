"""`auth.test`, `users.info`, and the opening of sockets."""

from __future__ import annotations

from collections.abc import Callable

from tests.fakes.slack.web_api import ApiError, Call, Method, need
from tests.fakes.slack.world import Json, World


class People:
    """See the module."""

    def __init__(self, world: World, new_socket: Callable[[], str]) -> None:
        self._world, self._new_socket = world, new_socket

    def methods(self) -> dict[str, Method]:
        return {
            "auth.test": self.auth_test,
            "users.info": self.info,
            "usergroups.list": self.groups,
            "apps.connections.open": self.connect,
        }

    def groups(self, call: Call) -> Json:
        told: list[Json] = [{"id": id, "handle": id.lower()} for id in self._world.groups]
        if call.args.get("include_users") in ("1", "true", True, 1):
            for group in told:
                group["users"] = sorted(self._world.groups[group["id"]])
        return {"usergroups": told}

    def auth_test(self, call: Call) -> Json:
        team = call.team
        told: Json = {
            "url": f"https://{team.name.lower()}.slack.com/",
            "team": team.name,
            "user": "potluck",
            "team_id": team.id,
            "user_id": team.bot_user,
            "bot_id": team.bot_id,
            "is_enterprise_install": team.by_organisation,
        }
        return told | ({"enterprise_id": team.enterprise} if team.enterprise else {})

    def info(self, call: Call) -> Json:
        (id,) = need(call, "user")
        if id not in self._world.users:
            raise ApiError("user_not_found")
        return {"user": self._world.users[id].seen_from(call.team)}

    def connect(self, call: Call) -> Json:
        return {"url": self._new_socket()}
