"""The Slack adapter: put together, run, and ended in order."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine, Iterable
from typing import Any

import aiohttp
from aiohttp import web

from adapters.slack.answers import NEXT
from adapters.slack.asking import Asking
from adapters.slack.calls import Refused, Unsure
from adapters.slack.commands import Commands
from adapters.slack.files import Files, files_origin
from adapters.slack.forms import ABOUT, ANYTHING, ASK_ABOUT, ASK_ANYTHING, COMMAND
from adapters.slack.home import Home
from adapters.slack.http import PATH, Http
from adapters.slack.inbound import Spot
from adapters.slack.install import Install
from adapters.slack.listeners import Json, Listening, Work, listen
from adapters.slack.manifest import SCOPES
from adapters.slack.memory import Installations, Memory
from adapters.slack.once import Once
from adapters.slack.people import People
from adapters.slack.presses import Presses
from adapters.slack.replies import Replies
from adapters.slack.settings import SlackError, SlackSettings
from adapters.slack.showing import PICTURE, Showing
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
from bot.chores import Chores
from bot.clock import DAY, Clock, Instant
from bot.commands.registry import Registry
from bot.ports import Conversations, Turns
from bot.posts import Posts
from bot.telemetry.logs import logger

log = logger(__name__)

_PRUNE_EVERY = 3600.0
_SEEN_SECONDS = 2 * DAY
"""How long it is remembered what was seen. Slack sends nothing again after an hour; two days are for outages."""


class SlackAdapter:
    """Potluck in Slack. Satisfies `bot.ports.Platform`. `start` before `run`.

    Of several processes one is connected by Socket Mode at a time: Slack gives each event to one connection only, and
    what belongs together, a mention and its files, an answer and who stops it, would come to two of them. Requests by
    HTTP are answered by whoever gets them: there the proxy decides, and Slack does not send everything again.
    """

    name = "slack"

    def __init__(
        self,
        *,
        settings: SlackSettings,
        conversations: Conversations,
        memory: Memory,
        posts: Posts,
        registry: Registry | None = None,
        installations: Installations,
        clock: Clock,
        retain_days: int = 30,
        turns: Turns | None = None,
    ) -> None:
        self._settings, self._conversations, self._memory = settings, conversations, memory
        self._posts, self._registry = posts, registry
        self._installations, self._clock, self._retain_days = installations, clock, retain_days
        self._now, self._turns = clock.monotonic, turns
        self.state = "connecting"
        self._session: aiohttp.ClientSession | None = None
        self._transport: Transport | None = None
        self._http: Http | None = None
        self._install: Install | None = None
        self._replies = Replies(conversations=conversations, posts=posts, clock=clock)
        self._people = People(self._now)

    # --- beginning and end -------------------------------------------------------------------------------

    async def start(self) -> None:
        """Find out whose token it is, and be ready for what Slack tells.

        Raises:
            SlackError: the token is not accepted, or Slack cannot be reached.
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
        showing = Showing(session=session, clock=self._clock)
        asking = Asking(talk=self._talk, people=self._people, memory=self._memory, showing=showing)
        self._commands = None
        if self._registry is not None:
            self._commands = Commands(
                registry=self._registry,
                people=self._people,
                replies=self._replies,
                asking=asking,
                showing=showing,
                clock=self._clock,
            )
        home = Home(
            registry=self._registry,
            commands=self._commands,
            showing=showing,
            conversations=self._conversations,
            people=self._people,
        )
        self.listening = self._listening(home, asking)
        app = listen(self.listening, workspaces=self._workspaces, client_for=client_for, begin=self._begin)
        if settings.app_token:
            self._transport = Socket(app, client=client_for(""), app_token=settings.app_token, now=self._now)
        else:
            self._transport = self._http = Http(app, signing_secret=settings.signing_secret, clock=self._clock)

    async def connect(self) -> None:
        """Let Slack reach Potluck.

        Raises:
            SlackError: the app token is not accepted, or Slack cannot be reached.
        """
        assert self._transport is not None
        try:
            await self._transport.open()
        except (Refused, Unsure) as fault:
            await self.close()
            if isinstance(fault, Refused):
                raise SlackError(f"SLACK_APP_TOKEN: Slack does not accept it ({fault.error}).") from None
            raise SlackError(f"Slack cannot be reached at {self._settings.api_url} ({fault}).") from None
        self.state = "ok"

    async def take_up(self) -> None:
        """Go on with what the last run left."""
        await self._unfinished.take_up(self._talk.ask)

    def _installed(self, client_for: ClientFor) -> InstalledWorkspaces:
        settings = self._settings
        workspaces = InstalledWorkspaces(self._installations, client_for, self._now)
        if settings.client_id:
            self._install = Install(
                client=client_for(""),
                client_id=settings.client_id,
                client_secret=settings.client_secret,
                scopes=SCOPES,
                installations=self._installations,
                installed=workspaces.renew,
                now=self._now,
            )
        return workspaces

    @property
    def where(self) -> str:
        """Where it is and how Slack reaches it, in words."""
        how = "Socket Mode" if self._http is None else f"HTTP at {PATH}"
        who = self._workspaces.name
        return f"{who}, by {how}"

    async def _find_workspaces(self, client_for: ClientFor) -> Workspaces:
        if not self._settings.bot_token:
            return self._installed(client_for)
        try:
            return OneWorkspace(await introduce(client_for(self._settings.bot_token), self._now))
        except Refused as refused:
            raise SlackError(f"SLACK_BOT_TOKEN: Slack does not accept it ({refused.error}).") from None
        except Unsure as unsure:
            raise SlackError(f"Slack cannot be reached at {self._settings.api_url} ({unsure}).") from None

    def routes(self) -> Iterable[web.RouteDef]:
        """What the web page's server takes for Slack."""
        http = () if self._http is None else self._http.routes()
        return (*http, *(() if self._install is None else self._install.routes()))

    async def run(self) -> None:
        """Until cancelled.

        Raises:
            SlackError: as `start` and `connect`.
        """
        if self._transport is None:
            await self.start()
        assert self._transport is not None
        chores = Chores()
        chores.every(_PRUNE_EVERY, "Slack's pruning", self._prune)
        try:
            if self.state != "ok":
                chores.once("Slack's unfinished answers", self._go_on)
                await self._let_in()
            await self._transport.run()
        finally:
            await chores.close()
            await self.close()

    async def _let_in(self) -> None:
        if self._turns is not None and self._http is None:
            self.state = "waits for another process to hear no more"
            await self._turns.to_hear()
        await self.connect()

    async def _go_on(self) -> None:
        """When nobody else does, and there is a way to be told of what people do about it."""
        if self._turns is not None:
            await self._turns.to_go_on()
        await self.take_up()

    async def pause(self) -> None:
        """Take nothing more: what comes now Slack sends again after the restart. What then ends before it was sent
        upstream is asked again after it, too."""
        self._replies.pause()
        if self._transport is not None:
            await self._transport.close()
        if self._turns is not None and self.state != "stopping":
            await self._turns.hand_over()
        self.state = "stopping"

    async def close(self) -> None:
        """Let what is under way show its last word, and let go of Slack."""
        await self.pause()
        await self._replies.close()
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _prune(self) -> None:
        now = self._clock.now()
        await self._memory.prune(
            seen_before=Instant(now - _SEEN_SECONDS), before=Instant(now - max(1, self._retain_days) * DAY)
        )

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._replies.watch(asyncio.create_task(work))

    # --- what Slack tells --------------------------------------------------------------------------------

    def _listening(self, home: Home, asking: Asking) -> Listening:
        """Everything Slack may tell. Without commands those are acknowledged and no more."""
        events: dict[str, Work] = {
            "message": self._on_message,
            "app_mention": self._on_message,
            "agent_session_stopped": self._on_stop,
            "app_home_opened": home.open,
        }
        actions: dict[str | re.Pattern[str], Work] = dict(self._presses.actions.items())
        actions |= home.actions
        views: dict[str, Work] = {ABOUT: asking.about, ANYTHING: asking.sent_in}
        if self._commands is not None:
            actions[re.compile(rf"^{NEXT}\d+$")] = _then(self._commands.press, home.afterwards)
            actions[PICTURE] = self._commands.picture
            views[COMMAND] = _then(self._commands.send_in, home.afterwards)
        return Listening(
            events=events,
            commands={} if self._commands is None else self._commands.listened,
            actions=actions,
            views=views,
            shortcuts={ASK_ABOUT: asking.about_this, ASK_ANYTHING: asking.anything},
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
        log.warning("a workspace left: its token is no longer good", extra={"action": "slack", "team": team})


def _then(first: Work, second: Work) -> Work:
    async def both(workspace: Workspace, body: Json) -> None:
        await first(workspace, body)
        await second(workspace, body)

    return both
