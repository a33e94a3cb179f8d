"""What Slack tells Potluck, and who takes it. Everything is acknowledged at once; tasks of their own do the work.

Bolt answers 404 to what nobody listens to, and Slack sends that again and counts it as a failure: the last listener of
each kind takes the rest.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.context.async_context import AsyncBoltContext

from adapters.slack.workspace import SDK_LOG, ClientFor, Workspace, Workspaces

Json: TypeAlias = dict[str, Any]
Work: TypeAlias = Callable[[Workspace, Json], Coroutine[Any, Any, None]]
"""Does what a request asks for. Gets the whole body of the request."""

_WORKSPACE = "workspace"
_ANY = re.compile(".*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """What is listened to, by the names Slack knows it by."""

    events: Mapping[str, Work]
    commands: Mapping[str, Work]
    actions: Mapping[str | re.Pattern[str], Work]
    views: Mapping[str, Work]
    shortcuts: Mapping[str, Work]
    gone: Callable[[Json], Coroutine[Any, Any, None]]
    """Of `app_uninstalled` and `tokens_revoked`: no token is left to find a workspace by."""


GONE = ("app_uninstalled", "tokens_revoked")


def listen(
    listening: Listening,
    *,
    workspaces: Workspaces,
    client_for: ClientFor,
    begin: Callable[[Coroutine[Any, Any, None]], None],
) -> AsyncApp:
    """Bolt's app. `begin` runs work apart from the request that brought it.

    Signatures are checked before a request comes here (`http`), by Potluck's own clock.
    """

    async def authorize(
        context: AsyncBoltContext, enterprise_id: str | None, team_id: str | None
    ) -> AuthorizeResult | None:
        workspace = await workspaces.find(team=team_id, enterprise=enterprise_id)
        if workspace is None:
            return None
        context[_WORKSPACE] = workspace
        return AuthorizeResult(
            enterprise_id=workspace.enterprise or None,
            team_id=workspace.team,
            bot_token=workspace.token,
            bot_id=workspace.bot_id,
            bot_user_id=workspace.bot_user,
        )

    app = AsyncApp(
        client=client_for(""),
        signing_secret="-",  # noqa: S106 - none: see above
        authorize=authorize,  # type: ignore[arg-type]  # None means: not installed there
        request_verification_enabled=False,
        logger=SDK_LOG,
        name="potluck",
    )

    def taking(work: Work) -> Callable[..., Awaitable[None]]:
        async def take(ack: Any, body: Json, context: AsyncBoltContext) -> None:
            await ack()
            begin(work(context[_WORKSPACE], body))

        return take

    async def gone(ack: Any, body: Json) -> None:
        await ack()
        begin(listening.gone(body))

    async def rest(ack: Any) -> None:
        await ack()

    for name in GONE:
        app.event(name)(gone)
    registering: tuple[tuple[Any, Mapping[Any, Work]], ...] = (
        (app.event, listening.events),
        (app.command, listening.commands),
        (app.action, listening.actions),
        (app.view, listening.views),
        (app.shortcut, listening.shortcuts),
    )
    for register, works in registering:
        for name, work in works.items():
            register(name)(taking(work))
        register(_ANY)(rest)
    app.view_closed(_ANY)(rest)
    app.options(_ANY)(rest)
    return app
