"""Values of the core as the JSON of the HTTP contract. A changed name here is a breaking change."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import assert_never

from adapters.rendering import words
from adapters.rendering.saying import ENGLISH, Tongue
from adapters.rendering.why import why
from bot.clock import Instant
from bot.errors import AttachmentRefused, Refused
from bot.messages import Explanation, Failed, Finished, Held, Notice, Queued, ReplyEvent, Share, Started, TextDelta
from bot.ports import PoolView, Turn


def event(event: ReplyEvent, *, now: Instant, zone: tzinfo = UTC, tongue: Tongue = ENGLISH) -> bytes:
    """A reply event as one server-sent event; `zone` and `tongue` are for the sentences within."""
    name, data = _event(event, now, zone, tongue)
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


def pool(pool: PoolView, *, again: Callable[[Instant], str], tongue: Tongue) -> dict[str, object]:
    """`again` names the moment a pause ends."""
    return {
        "sandbox": pool.sandbox,
        "own": pool.own,
        "rpm": pool.rpm,
        "rpd": pool.rpd,
        "used": pool.used,
        "minute_used": pool.minute_used,
        "waiting": pool.waiting,
        "answering": pool.answering,
        "resets_at": iso(pool.resets_at),
        "paused_until": iso(pool.paused_until),
        "shut_for": pool.shut_for,
        "message": words.pool_state(
            pool.shut_for, None if pool.paused_until is None else again(pool.paused_until), tongue=tongue
        ),
    }


def explanation(
    explanation: Explanation | None, pool: PoolView, *, now: Instant, zone: tzinfo = UTC, tongue: Tongue
) -> dict[str, object]:
    """Why the member's next question may go or not: in words for people, and as data where there is any."""
    said = why(
        explanation,
        resets_at=pool.resets_at,
        at=lambda moment: words.at(moment, now, zone, tongue=tongue),
        shut=words.pool_state(pool.shut_for, None, tongue=tongue),
        tongue=tongue,
    )
    return {
        "message": said.headline,
        "points": [{"about": point.about, "message": point.said} for point in said.points],
        "decision": None if explanation is None else _decision(explanation),
    }


def _decision(explanation: Explanation) -> dict[str, object]:
    return {
        "verdict": explanation.verdict,
        "level": _finite(explanation.level),
        "taken": explanation.taken,
        "left": explanation.left,
        "held_back_for_others": explanation.held_back_for_others,
        "probably": explanation.probably,
        "resets_at": iso(explanation.resets_at),
        "room_at": iso(explanation.room_at),
        "may_hold": explanation.may_hold,
        "days": [
            {
                "day": f"{datetime.fromtimestamp(day.began, UTC):%Y-%m-%d}",
                "weight": round(day.weight, 4),
                "level": _finite(day.level),
            }
            for day in explanation.days
        ],
    }


def _finite(level: float) -> float | None:
    """JSON has no infinity: null where there is no limit."""
    return None if math.isinf(level) else round(level, 2)


def turn(turn: Turn) -> dict[str, object]:
    return {
        "question": turn.question,
        "files": [{"name": file.name, "kind": file.kind, "size": file.size} for file in turn.files],
        "answer": turn.answer,
        "whole": turn.whole,
        "ended": turn.ended,
        "model": turn.model,
        "asked_at": iso(turn.asked_at),
    }


def iso(moment: Instant | None) -> str | None:
    """ISO 8601 UTC, rounded up to the second so that nobody who waits for it comes too early."""
    return None if moment is None else f"{datetime.fromtimestamp(math.ceil(moment), UTC):%Y-%m-%dT%H:%M:%SZ}"


def _event(event: ReplyEvent, now: Instant, zone: tzinfo, tongue: Tongue) -> tuple[str, dict[str, object]]:
    match event:
        case TextDelta(text=text):
            return "delta", {"text": text}
        case Queued(place=place, estimate=estimate):
            return "queued", {"place": place, "estimate_s": None if estimate is None else round(estimate, 1)}
        case Started(model=model, lane=lane):
            return "started", {"model": model, "lane": lane}
        case Notice(kind=kind, count=count):
            return "notice", {"kind": kind, "message": words.notice(kind, count, tongue=tongue)}
        case Finished():
            told: dict[str, object] = {
                "model": event.model,
                "lane": event.lane,
                "cost_usd": f"{event.usage.cost_usd:f}",
                "attempts": event.attempts,
                "share": share(event.share),
            }
            if event.usage.upstream_usd is not None:  # by a provider's own key
                told["upstream_usd"] = f"{event.usage.upstream_usd:f}"
            return "finished", told
        case Failed():
            return "failed", _failed(event, now, zone, tongue)
        case Held(ticket=ticket, estimate_at=estimate_at):
            return "held", {"ticket": ticket, "estimate_at": iso(estimate_at)}
    assert_never(event)


def _failed(failed: Failed, now: Instant, zone: tzinfo, tongue: Tongue) -> dict[str, object]:
    error = failed.error
    why_not, offer = (error.why, error.offer) if isinstance(error, Refused) else (None, None)
    explained = words.explain(
        error.code,
        again=None if error.resets_at is None else words.at(error.resets_at, now, zone, tongue=tongue),
        limit=error.limit,
        partial=failed.partial,
        may_hold=failed.may_hold,
        reason=error.reason,
        shut_for=failed.shut_for,
        why_not=why_not,
        offer=offer,
        file_fault=error.fault if isinstance(error, AttachmentRefused) else None,
        file_name=error.name if isinstance(error, AttachmentRefused) else "",
        tongue=tongue,
    )
    told: dict[str, object] = {
        "error": error.code,
        "message": str(explained),
        "resets_at": iso(error.resets_at),
        "share": share(failed.share),
        "partial": failed.partial,
        "may_hold": failed.may_hold,
    }
    if why_not is not None:
        told["why"] = why_not
    if isinstance(error, AttachmentRefused):
        told["why"] = error.fault
    if offer is not None:
        told["offer"] = {
            "model": offer.model,
            "most_usd": f"{offer.most:f}",
            "label": words.dollars(offer.most, tongue=tongue),
        }
    return told
