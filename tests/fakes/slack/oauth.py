"""Installing an app into a workspace: the code that comes back from the page where somebody said yes."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.fakes.slack.web_api import ApiError, Call, Method, need
from tests.fakes.slack.world import Json, Team, World

CLIENT_ID, CLIENT_SECRET = "11.22", "client-secret"


@dataclass
class OAuth:
    """See the module."""

    world: World
    codes: dict[str, Team] = field(default_factory=dict)

    def methods(self) -> dict[str, Method]:
        return {"oauth.v2.access": self.access}

    def says_yes(self, team: Team) -> str:
        """Somebody allowed the app into a workspace: the code their browser brings back."""
        code = f"code-{self.world.number()}"
        self.codes[code] = team
        return code

    def access(self, call: Call) -> Json:
        id, secret, code = need(call, "client_id", "client_secret", "code")
        if (id, secret) != (CLIENT_ID, CLIENT_SECRET):
            raise ApiError("bad_client_secret")
        team = self.codes.pop(code, None)
        if team is None:
            raise ApiError("invalid_code")
        return {
            "app_id": self.world.app_id,
            "token_type": "bot",
            "access_token": team.bot_token,
            "scope": "chat:write,im:history",
            "bot_user_id": team.bot_user,
            "is_enterprise_install": team.by_organisation,
            "team": None if team.by_organisation else {"id": team.id, "name": team.name},
            "enterprise": {"id": team.enterprise, "name": "Org"} if team.enterprise else None,
            "authed_user": {"id": "UINSTALLER"},
        }
