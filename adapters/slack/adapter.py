"""The Slack adapter: put together, run, and ended in order."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from adapters.slack.calls import Refused, Unsure
from adapters.slack.files import Files, files_origin
from adapters.slack.http import PATH, Http
from adapters.slack.inbound import Spot
from adapters.slack.listeners import Json, Listening, listen
from adapters.slack.memory import Installations, Memory
from adapters.slack.once import Once
from adapters.slack.people import People
from adapters.slack.presses import Presses
from adapters.slack.replies import Replies
from adapters.slack.socket import Socket, Transport
from adapters.slack.talk import Talk
from adapters.slack.unfinished import Unfinished
from adapters.slack.workspace import (
    ClientFor,
    InstalledWorkspaces,
    OneWorkspace,
    Workspace,
    Workspaces,
    clients,
    introduce,
)
from bot.clock import DAY, Clock, Instant
from bot.errors import PotluckError
from bot.ports import Conversations
from bot.posts import Posts
from bot.telemetry.logs import logger

log = logger(__name__)

_PRUNE_EVERY = 3600.0
_SEEN_SECONDS = 2 * DAY
"""How long it is remembered what was seen. Slack sends nothing again after an hour; two days are for outages."""


class SlackError(PotluckError):
    """Slack cannot be used as it is set up; its text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackSettings:
    """How to reach Slack. Either an app token (Socket Mode) or a signing secret (HTTP)."""

    api_url: str
    bot_token: str = ""
    """Of one workspace; empty: of many, by installations."""
    app_token: str = ""
    signing_secret: str = ""
    client_id: str = ""
    client_secret: str = ""
    """Of the app, for installations."""


class SlackAdapter:
    """Potluck in Slack. Satisfies `bot.ports.Adapter`. `start` before `run`."""

    name = "slack"

    def __init__(
        self,
        *,
        settings: SlackSettings,
        conversations: Conversations,
        memory: Memory,
        posts: Posts,
        installations: Installations,
        clock: Clock,
        retain_days: int = 30,
    ) -> None:
        self._settings, self._conversations, self._memory = settings, conversations, memory
        self._posts = posts
        self._installations, self._clock, self._retain_days = installations, clock, retain_days
        self._now = clock.monotonic
        self._session: aiohttp.ClientSession | None = None
        self._transport: Transport | None = None
        self._http: Http | None = None
        self._replies = Replies(conversations=conversations, posts=posts, clock=clock)
        self._people = People(self._now)

    # --- beginning and end -------------------------------------------------------------------------------

    async def start(self) -> None:
        """Find out whose token it is, and let Slack reach Potluck.

        Raises:
            SlackError: a token is not accepted, or Slack cannot be reached.
        """
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        try:
            await self._start(self._session)
        except BaseException:
            await self.close()
            raise

    async def _start(self, session: aiohttp.ClientSession) -> None:
        settings = self._settings
        client_for = clients(settings.api_url, session)
        self._workspaces = await self._find_workspaces(client_for)
        self._unfinished = Unfinished(
            conversations=self._conversations,
            posts=self._posts,
            workspaces=self._workspaces,
            people=self._people,
            replies=self._replies,
        )
        self._talk = Talk(
            conversations=self._conversations,
            people=self._people,
            memory=self._memory,
            once=Once(self._memory),
            replies=self._replies,
            unfinished=self._unfinished,
            posts=self._posts,
            files=Files(session, origin=files_origin(settings.api_url)),
            clock=self._clock,
        )
        self._presses = Presses(
            talk=self._talk, unfinished=self._unfinished, people=self._people, memory=self._memory, session=session
        )
        app = listen(self._listening(), workspaces=self._workspaces, client_for=client_for, begin=self._begin)
        if settings.app_token:
            self._transport = Socket(app, client=client_for(""), app_token=settings.app_token, now=self._now)
        else:
            self._transport = self._http = Http(app, signing_secret=settings.signing_secret, clock=self._clock)
        try:
            await self._transport.open()
        except Refused as refused:
            raise SlackError(f"SLACK_APP_TOKEN: Slack does not accept it ({refused.error}).") from None
        except Unsure as unsure:
            raise SlackError(f"Slack cannot be reached at {settings.api_url} ({unsure}).") from None
        await self._unfinished.take_up(self._talk.ask)

    @property
    def where(self) -> str:
        """Where it is and how Slack reaches it, in words."""
        how = "Socket Mode" if self._http is None else f"HTTP at {PATH}"
        who = self._workspaces.name
        return f"{who}, by {how}"

    async def _find_workspaces(self, client_for: ClientFor) -> Workspaces:
        if not self._settings.bot_token:
            return InstalledWorkspaces(self._installations, client_for, self._now)
        try:
            return OneWorkspace(await introduce(client_for(self._settings.bot_token), self._now))
        except Refused as refused:
            raise SlackError(f"SLACK_BOT_TOKEN: Slack does not accept it ({refused.error}).") from None
        except Unsure as unsure:
            raise SlackError(f"Slack cannot be reached at {self._settings.api_url} ({unsure}).") from None

    def routes(self) -> Iterable[web.RouteDef]:
        """What the web page's server takes for Slack."""
        return () if self._http is None else self._http.routes()

    async def run(self) -> None:
        """Until cancelled."""
        if self._transport is None:
            await self.start()
        assert self._transport is not None
        pruning = asyncio.create_task(self._prune())
        try:
            await self._transport.run()
        finally:
            pruning.cancel()
            await self.close()

    async def pause(self) -> None:
        """Take nothing more: what comes now Slack sends again after the restart. What then ends before it was sent
        upstream is asked again after it, too."""
        self._replies.pause()
        if self._transport is not None:
            await self._transport.close()

    async def close(self) -> None:
        """Let what is under way show its last word, and let go of Slack."""
        await self.pause()
        await self._replies.close()
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _prune(self) -> None:
        while True:
            now = self._clock.now()
            await self._memory.prune(
                seen_before=Instant(now - _SEEN_SECONDS), before=Instant(now - max(1, self._retain_days) * DAY)
            )
            await asyncio.sleep(_PRUNE_EVERY)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._replies.watch(asyncio.create_task(work))

    # --- what Slack tells --------------------------------------------------------------------------------

    def _listening(self) -> Listening:
        return Listening(
            events={
                "message": self._on_message,
                "app_mention": self._on_message,
                "agent_session_stopped": self._on_stop,
            },
            commands={},
            actions=self._presses.actions,
            views={},
            shortcuts={},
            gone=self._on_gone,
        )

    async def _on_message(self, workspace: Workspace, body: Json) -> None:
        await self._talk.hear(workspace, body["event"], str(body.get("event_id", "")))

    async def _on_stop(self, workspace: Workspace, body: Json) -> None:
        event = body["event"]
        spot = Spot(team=workspace.team, channel=str(event["channel"]), root=str(event["thread_ts"]))
        streams = [str(one) for one in event.get("streaming_message_ts") or []]
        self._replies.stop(spot, user=str(event.get("user", "")), streams=streams)

    async def _on_gone(self, body: Json) -> None:
        event, authorized = body["event"], (body.get("authorizations") or [{}])[0]
        if event["type"] == "tokens_revoked" and not (event.get("tokens") or {}).get("bot"):
            return
        team = body.get("team_id") or authorized.get("team_id")
        await self._workspaces.forget(team=team, enterprise=body.get("enterprise_id"))
        log.info("a workspace left", extra={"action": "slack", "team": team})
