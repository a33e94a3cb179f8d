"""Every shape through the whole service: one ending, what the ledger keeps, what its member pays, one request.

The client and its sockets, the conversation service, the scheduler and the database are the real ones. All shapes but
those that end a day meet one running service, a quarter of an hour apart: no pause for an unknown reason is longer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import select

from bot.clock import Clock, day_of, day_start
from bot.conversation.lessons import LONGEST_UNKNOWN
from bot.errors import FailureKind as K
from bot.errors import FailureReason
from bot.messages import CommunityId, ConversationId, Failed, Finished, IncomingMessage, Member, MessageId, Started
from bot.service import Service
from bot.storage.tables import leases, member_days
from tests.fakes.deployment import Heard, served
from tests.fakes.openrouter_shapes import SHAPES, Shape
from tests.fakes.upstream import Peer, Upstream, answers, whole
from tests.fakes.virtual import VirtualClock, VirtualLoop

pytestmark = pytest.mark.virtual

HOUR = 3600.0
APART = LONGEST_UNKNOWN + 60


class Meaning(NamedTuple):
    """What a kind comes to, where nothing was shown."""

    code: str
    reason: FailureReason | None = None
    charged: int = 0
    """Units the member has not got back."""


MEANINGS = {
    K.ACCOUNT_DAILY: Meaning("pool_spent"),
    K.ACCOUNT_MINUTE: Meaning("upstream_busy"),
    K.UPSTREAM_MODEL: Meaning("upstream_busy"),
    K.PLATFORM_UNKNOWN: Meaning("upstream_busy", "platform"),
    K.IN_FLIGHT_BUDGET: Meaning("upstream_busy", "in_flight"),
    K.NEGATIVE_BALANCE: Meaning("out_of_credit", "negative_balance"),
    K.KEY_LIMIT: Meaning("out_of_credit", "key_limit"),
    K.BAD_KEY: Meaning("bad_key"),
    K.MODERATION: Meaning("moderated", "moderation", charged=1),
    K.GUARDRAIL: Meaning("moderated", "guardrail", charged=1),
    K.CONTENT_FILTER: Meaning("moderated", "content_filter", charged=1),
    K.NO_ENDPOINTS: Meaning("no_route"),
    K.TOO_LARGE: Meaning("too_long", charged=1),
    K.BAD_REQUEST: Meaning("upstream_failed", "bad_request", charged=1),
    K.BAD_IMAGE: Meaning("upstream_failed", "bad_image", charged=1),
    K.TIMEOUT: Meaning("upstream_failed", "timeout"),
    K.PROVIDER_DOWN: Meaning("upstream_failed", "provider_down"),
    K.EDGE_HTML: Meaning("upstream_failed", "edge"),
    K.CUT_OFF: Meaning("upstream_failed", "cut_off"),
    K.ERROR_IN_STREAM: Meaning("upstream_failed", "error_in_stream"),
    K.EMPTY_ANSWER: Meaning("empty_answer"),
    K.REASONING_ONLY: Meaning("empty_answer", "reasoning_only"),
    K.LENGTH: Meaning("empty_answer", "length"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """What became of one question."""

    text: str
    code: str | None
    """None: it was answered."""
    reason: str | None = None
    partial: bool = False
    resets_in: int | None = None
    """Seconds from the question, about, until the member is told to come back."""
    rows: tuple[tuple[int, str, str], ...]
    """Of the ledger: each attempt, how it was settled, and the generation that can be asked what it cost."""
    charged: int
    """Units of the member's day, in the ledger; and as the member was told."""
    requests: int
    started: int = 1


def expected(shape: Shape, *, resets_in: int | None) -> Came:
    """What a shape has to come to."""
    if shape.kind is None:
        return Came(text=shape.text, code=None, rows=((1, "answered", shape.generation),), charged=1, requests=1)
    meaning, shown = MEANINGS[shape.kind], bool(shape.text)
    # `openrouter/free` is asked again at once whatever the hint: its next pick is another model.
    again = shape.kind is K.UPSTREAM_MODEL and not shown
    rows = tuple((attempt, "failed", shape.generation) for attempt in ((1, 2) if again else (1,)))
    reason = meaning.reason if shape.route in (None, "other") else shape.route
    return Came(
        text=shape.text,
        code=meaning.code,
        reason=reason,
        partial=shown,
        resets_in=resets_in,
        rows=rows,
        charged=1 if shown else meaning.charged,
        requests=len(rows),
    )


class World:
    """A service, and the server it takes for OpenRouter."""

    def __init__(self, running: Service, upstream: Upstream, clock: Clock) -> None:
        self.running, self.upstream, self.clock = running, upstream, clock

    @property
    def asked(self) -> int:
        return sum(request.method == "POST" for request in self.upstream.requests)

    async def ask(self, user: str) -> Came:
        member, before, at = Member("web", user), self.asked, self.clock.now()
        message = IncomingMessage(
            id=MessageId(f"web:{user}"),
            conversation=ConversationId(f"web/{user}"),
            community=CommunityId("web"),
            author=member,
            author_name=user,
            place="a test",
            text="hello",
            received_at=at,
        )
        heard = Heard()
        async with aclosing(self.running.conversations.reply(message)) as events:
            async for event in events:
                heard.events.append(event)
        rows, charged = await self.running.database.read(lambda connection: _kept(connection, member))
        ending = heard.ending
        assert isinstance(ending, Finished | Failed)
        assert ending.share.used == charged, "the member is told what the ledger says"
        error = ending.error if isinstance(ending, Failed) else None
        if isinstance(ending, Finished):
            assert ending.attempts == self.asked - before
        return Came(
            text=heard.text,
            code=None if error is None else error.code,
            reason=getattr(error, "reason", None),
            partial=isinstance(ending, Failed) and ending.partial,
            resets_in=None if error is None or error.resets_at is None else round(error.resets_at - at),
            rows=tuple((row.attempt, row.outcome, row.generation or "") for row in rows),
            charged=charged,
            requests=self.asked - before,
            started=sum(isinstance(event, Started) for event in heard.events),
        )


def _kept(connection: Any, member: Member) -> tuple[Any, int]:
    rows = connection.execute(select(leases).where(leases.c.member == member.key).order_by(leases.c.id)).all()
    taken = connection.execute(select(member_days.c.taken).where(member_days.c.member == member.key)).scalars()
    return rows, sum(taken)


ACCOUNT: dict[str, dict[str, Any]] = {
    "/api/v1/key": {"data": {"limit": None, "free_model_daily_requests": {"limit": 10_000, "used": 0}}},
    "/api/v1/credits": {"data": {"total_credits": 10, "total_usage": 1}},
    "/api/v1/models/user": {
        "data": [
            {
                "id": model,
                "context_length": 32768,
                "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]},
                "pricing": {"prompt": "0", "completion": "0"},
            }
            for model in ("openrouter/free", "acme/small:free")
        ]
    },
}
"""An account with which nothing is wrong, whatever the answers say."""


@asynccontextmanager
async def world(folder: Path, clock: VirtualClock, loop: VirtualLoop) -> AsyncIterator[tuple[World, list[Shape]]]:
    """A service whose every question is answered by the one shape in the list; by a whole answer without one."""
    shapes: list[Shape] = []

    async def script(peer: Peer) -> None:
        request = upstream.requests[-1]
        if request.method == "GET":
            await peer.send(whole(200, ACCOUNT[request.path]))
        else:
            await (shapes[0].script(clock.now()) if shapes else answers)(peer)

    async with Upstream(script) as upstream, served(folder, clock, upstream.base_url) as running:
        yield World(running, upstream, clock), shapes


async def test_every_shape_has_one_ending_and_its_rows_in_the_ledger(
    tmp_path: Path, clock: VirtualClock, loop: VirtualLoop
) -> None:
    came, due = {}, {}
    async with world(tmp_path, clock, loop) as (potluck, shapes):
        for number, shape in enumerate(shape for shape in SHAPES if shape.kind is not K.ACCOUNT_DAILY):
            shapes[:] = [shape]
            came[shape.name] = await potluck.ask(f"m{number}")
            told = shape.retry_after if shape.kind is not K.TOO_LARGE else None
            due[shape.name] = expected(shape, resets_in=None if told is None else round(told))
            await asyncio.sleep(APART)
        assert came == due
        asked = potluck.asked
        await asyncio.sleep(24 * HOUR)
        assert potluck.asked == asked, "nothing is ever tried again by itself"
        assert potluck.running.scheduler.shut_for is None, "no answer to a request shuts the pool without the account"
        shapes.clear()
        assert (await potluck.ask("last")).code is None


DAILY = [shape for shape in SHAPES if shape.kind is K.ACCOUNT_DAILY]


@pytest.mark.parametrize("shape", DAILY, ids=lambda shape: shape.name)
async def test_an_account_daily_ends_the_day(
    tmp_path: Path, clock: VirtualClock, loop: VirtualLoop, shape: Shape
) -> None:
    async with world(tmp_path, clock, loop) as (potluck, shapes):
        midnight = day_start(day_of(clock.now()) + 1)
        shapes[:] = [shape]
        assert await potluck.ask("ann") == expected(shape, resets_in=round(midnight - clock.now()))
        shapes.clear()
        await asyncio.sleep(APART)
        assert (await potluck.ask("ben")).code == "pool_spent"
        assert potluck.asked == 1, "nothing is sent after it"


async def test_the_day_that_was_ended_is_over_at_midnight(
    tmp_path: Path, clock: VirtualClock, loop: VirtualLoop
) -> None:
    async with world(tmp_path, clock, loop) as (potluck, shapes):
        midnight = day_start(day_of(clock.now()) + 1)
        shapes[:] = DAILY[:1]
        await potluck.ask("ann")
        shapes.clear()
        await asyncio.sleep(midnight - clock.now() - 1)
        assert (await potluck.ask("ben")).code == "pool_spent"
        assert potluck.asked == 1
        await asyncio.sleep(60)
        assert (await potluck.ask("cid")).code is None
