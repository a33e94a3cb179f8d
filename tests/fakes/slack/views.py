"""Modals and Home tabs."""

from __future__ import annotations

from tests.fakes.slack.blocks import fault_in
from tests.fakes.slack.web_api import ApiError, Call, Method, need
from tests.fakes.slack.world import Json, World

TRIGGER_SECONDS = 3.0


class Views:
    """See the module."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._triggers: dict[str, float] = {}
        self.homes: dict[str, list[Json]] = {}
        """Every Home tab a user was shown."""
        self.modals: dict[str, Json] = {}
        self.home_tab = True
        """False: the app has its Home tab switched off."""

    def methods(self) -> dict[str, Method]:
        return {"views.open": self.open, "views.update": self.update, "views.publish": self.publish}

    def trigger(self) -> str:
        """A new trigger: good for one modal, for three seconds."""
        id = f"{self._world.number()}.trigger"
        self._triggers[id] = self._world.clock.monotonic()
        return id

    @property
    def modal(self) -> Json:
        """The modal that was opened or changed last."""
        return list(self.modals.values())[-1]

    def open(self, call: Call) -> Json:
        trigger, view = need(call, "trigger_id", "view")
        made = self._triggers.pop(trigger, None)
        if made is None:
            raise ApiError("invalid_trigger_id")
        if self._world.clock.monotonic() - made > TRIGGER_SECONDS:
            raise ApiError("expired_trigger_id")
        kept = self._checked(view) | {"id": f"V{self._world.number()}"}
        self.modals[kept["id"]] = kept
        return {"view": kept}

    def update(self, call: Call) -> Json:
        id, view = need(call, "view_id", "view")
        if id not in self.modals:
            raise ApiError("not_found")
        del self.modals[id]
        self.modals[id] = self._checked(view) | {"id": id}
        return {"view": self.modals[id]}

    def publish(self, call: Call) -> Json:
        user, view = need(call, "user_id", "view")
        if not self.home_tab:
            raise ApiError("not_enabled")
        homes = self.homes.setdefault(user, [])
        if call.args.get("hash") not in (None, f"{len(homes)}"):
            raise ApiError("hash_conflict")
        homes.append(self._checked(view) | {"hash": f"{len(homes) + 1}"})
        return {"view": homes[-1]}

    def _checked(self, view: Json) -> Json:
        if view["type"] == "modal" and not 0 < len(view["title"]["text"]) <= 24:
            raise ApiError("invalid_arguments")
        if fault := fault_in(view["blocks"], self._world, view=True):
            raise ApiError(fault)
        if len(view.get("private_metadata", "")) > 3000:
            raise ApiError("invalid_arguments")
        return view
