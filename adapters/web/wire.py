"""Values of the core as the JSON of the HTTP contract. A changed name here is a breaking change."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import assert_never

from adapters.rendering import words
from bot.clock import Instant
from bot.messages import Failed, Finished, Held, Notice, Queued, ReplyEvent, Share, Started, TextDelta
from bot.ports import PoolView, Turn


def event(event: ReplyEvent, *, now: Instant, zone: tzinfo = UTC) -> bytes:
    """A reply event as one server-sent event; `zone` is for the times within sentences."""
    name, data = _event(event, now, zone)
    return server_sent(name, data)


def server_sent(name: str, data: Mapping[str, object]) -> bytes:
    """One server-sent event. Half a surrogate pair, which a model may write, becomes a question mark."""
    body = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return f"event: {name}\ndata: {body}\n\n".encode(errors="replace")


def share(share: Share) -> dict[str, object]:
    return {
        "used": share.used,
        "level": round(share.level, 2),
        "left_now": share.left_now,
        "left_sure": share.left_sure,
        "resets_at": iso(share.resets_at),
    }


def pool(pool: PoolView) -> dict[str, object]:
    return {
        "sandbox": pool.sandbox,
        "rpm": pool.rpm,
        "rpd": pool.rpd,
        "used": pool.used,
        "minute_used": pool.minute_used,
        "waiting": pool.waiting,
        "answering": pool.answering,
        "resets_at": iso(pool.resets_at),
        "paused_until": iso(pool.paused_until),
    }


def turn(turn: Turn) -> dict[str, object]:
    return {
        "question": turn.question,
        "answer": turn.answer,
        "whole": turn.whole,
        "ended": turn.ended,
        "model": turn.model,
        "asked_at": iso(turn.asked_at),
    }


def iso(moment: Instant | None) -> str | None:
    """ISO 8601 UTC, rounded up to the second so that nobody who waits for it comes too early."""
    return None if moment is None else f"{datetime.fromtimestamp(math.ceil(moment), UTC):%Y-%m-%dT%H:%M:%SZ}"


def _event(event: ReplyEvent, now: Instant, zone: tzinfo) -> tuple[str, dict[str, object]]:
    match event:
        case TextDelta(text=text):
            return "delta", {"text": text}
        case Queued(place=place, estimate=estimate):
            return "queued", {"place": place, "estimate_s": None if estimate is None else round(estimate, 1)}
        case Started(model=model, lane=lane):
            return "started", {"model": model, "lane": lane}
        case Notice(kind=kind, count=count):
            return "notice", {"kind": kind, "message": words.notice(kind, count)}
        case Finished():
            return "finished", {
                "model": event.model,
                "lane": event.lane,
                "cost_usd": f"{event.usage.cost_usd:f}",
                "attempts": event.attempts,
                "share": share(event.share),
            }
        case Failed():
            return "failed", _failed(event, now, zone)
        case Held(ticket=ticket, estimate_at=estimate_at):
            return "held", {"ticket": ticket, "estimate_at": iso(estimate_at)}
    assert_never(event)


def _failed(failed: Failed, now: Instant, zone: tzinfo) -> dict[str, object]:
    error = failed.error
    explained = words.explain(
        error.code,
        again=None if error.resets_at is None else words.at(error.resets_at, now, zone),
        limit=error.limit,
        partial=failed.partial,
        may_hold=failed.may_hold,
    )
    return {
        "error": error.code,
        "message": str(explained),
        "resets_at": iso(error.resets_at),
        "share": share(failed.share),
        "partial": failed.partial,
        "may_hold": failed.may_hold,
    }
