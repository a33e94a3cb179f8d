"""One message of Slack's that grows: started, appended to, stopped, and made good where that went wrong.

Slack ends a stream after five minutes, and at times sooner. An append that no answer came to may have arrived or not:
nothing more is appended to such a message, and it is written anew as a whole, so that no text is lost or doubled.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Literal, TypeAlias

from adapters.slack import look
from adapters.slack.calls import Refused, Unsure, call, outlasting
from adapters.slack.inbound import Spot
from adapters.slack.limits import Now
from adapters.slack.workspace import Workspace
from bot.telemetry.logs import logger

log = logger(__name__)

State: TypeAlias = Literal["growing", "dead", "doubtful", "stopped", "over"]
"""growing: it takes text. dead: it takes none, and shows what was acknowledged. doubtful: nobody knows what it shows.
stopped: somebody pressed Slack's Stop. over: it shows what it should, for good."""

_DELIVERED = frozenset({"user_not_found", "team_not_found"})
"""What stopping a stream for somebody of another organisation says, although all of it is there."""
_NO_STREAMS = frozenset({"unknown_method", "method_not_supported_for_channel_type", "feature_not_enabled"})
_NOT_HERE = frozenset({"channel_type_not_supported"})


class Live:
    """See the module. Its calls come one after another."""

    def __init__(self, workspace: Workspace, spot: Spot, ts: str, now: Now) -> None:
        self._workspace, self._spot, self.ts = workspace, spot, ts
        self._began_at, self._now = now(), now
        self.state: State = "growing"
        workspace.allowance.live += 1

    @property
    def age(self) -> float:
        """Seconds it has grown."""
        return self._now() - self._began_at

    async def append(self, text: str = "", tasks: Sequence[dict[str, Any]] = ()) -> bool:
        """Show more. True: it is shown; else `state` says what became of the message."""
        if self.state != "growing":
            return False
        chunks = [*tasks, *([{"type": "markdown_text", "text": text}] if text else [])]
        try:
            await call(
                self._workspace.client.chat_appendStream,
                self._workspace.allowance.appends,
                channel=self._spot.channel,
                ts=self.ts,
                chunks=chunks,
            )
        except Refused as refused:
            self._end("stopped" if refused.error == "stopped_by_user" else "dead", refused.error)
            return False
        except Unsure as unsure:
            self._end("doubtful", str(unsure))
            return False
        return True

    async def stop(
        self, rest: str, *, whole: str, blocks: Sequence[look.Block] = (), status: str | None = None
    ) -> bool:
        """End it. It shows `whole` then, of which `rest` has not been shown, and `blocks` below. True: the `status`
        of its thread's session was set with it.

        Raises:
            Refused: it cannot be changed any more, and what it shows is not `whole`.
            Unsure: Slack cannot be reached.
        """
        if self.state == "over":
            return False
        if self.state in ("growing", "stopped"):
            arguments: dict[str, Any] = {"session_status": status} if status else {}
            if rest and self.state == "growing":
                arguments["markdown_text"] = rest
            try:
                await self._stop(blocks=list(blocks) or None, **arguments)
                self._end("over")
                return True
            except Refused as refused:
                if refused.error in _DELIVERED or self.state == "stopped":
                    self._end("over")
                    return False
                self._end("dead", refused.error)
            except Unsure as unsure:
                self._end("doubtful", str(unsure))
        if self.state == "doubtful":
            with suppress(Refused, Unsure):  # it was stopped before, or will be by its age
                await self._stop()
        try:
            await outlasting(lambda: self._rewrite(whole, blocks))
        except Refused as refused:
            if refused.error != "streaming_state_conflict":
                raise
            with suppress(Refused):
                await self._stop()  # it was alive after all
            await outlasting(lambda: self._rewrite(whole, blocks))
        return False

    async def remove(self) -> None:
        """Take it away: nothing of it is needed."""
        try:
            if self.state == "growing":
                await self._stop()
            await call(
                self._workspace.client.chat_delete,
                self._workspace.allowance.deletes,
                safe=True,
                channel=self._spot.channel,
                ts=self.ts,
            )
        except (Refused, Unsure) as problem:
            log.info("a message stays", extra={"action": "slack", "error": str(problem)})
        self._end("over")

    async def _stop(self, **arguments: Any) -> None:
        await call(
            self._workspace.client.chat_stopStream,
            self._workspace.allowance.stops,
            channel=self._spot.channel,
            ts=self.ts,
            **arguments,
        )

    async def _rewrite(self, whole: str, blocks: Sequence[look.Block]) -> None:
        body = [look.markdown(whole)] if whole else []
        await call(
            self._workspace.client.chat_update,
            self._workspace.allowance.updates,
            safe=True,
            channel=self._spot.channel,
            ts=self.ts,
            text=look.notification(whole),
            blocks=[*body, *blocks],
        )
        self._end("over")

    def _end(self, state: State, why: str = "") -> None:
        if self.state == "growing":
            self._workspace.allowance.live -= 1
        if why:
            log.info("a stream ended early", extra={"action": "slack", "state": state, "error": why})
        self.state = state


async def start(
    workspace: Workspace,
    spot: Spot,
    now: Now,
    *,
    recipient: tuple[str, str] | None,
    tasks: Sequence[dict[str, Any]] = (),
) -> Live | None:
    """Begin a message that grows; None: not here, or not now. The place among the starts has been taken.

    `recipient` is the team and the user it is for; None in direct messages.
    """
    arguments: dict[str, Any] = {}
    if recipient is not None:
        arguments = {"recipient_team_id": recipient[0], "recipient_user_id": recipient[1]}
    if tasks:
        arguments["chunks"] = list(tasks)
    starts = workspace.allowance.starts
    try:
        answer = await call(
            workspace.client.chat_startStream,
            starts,
            taken=True,
            tries=1,
            channel=spot.channel,
            thread_ts=spot.root,
            **arguments,
        )
    except Refused as refused:
        if refused.error in _NO_STREAMS:
            workspace.streams = False
        elif refused.error in _NOT_HERE or refused.error.startswith("restricted_action"):
            workspace.deaf.add(spot.channel)
        log.info("no stream", extra={"action": "slack", "error": refused.error})
        return None
    except Unsure as unsure:  # if it did begin it is empty, and ends by its age
        log.info("no stream", extra={"action": "slack", "error": str(unsure)})
        return None
    return Live(workspace, spot, str(answer["ts"]), now)
