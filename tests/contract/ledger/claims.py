"""Claims on a pool, and the ledgers that are asked to keep them."""

from __future__ import annotations

from bot.clock import Instant
from bot.messages import CommunityId, ConversationId, Member, MessageId, ModelId
from bot.quota.ledger import Caps, Claim, Lease, Outcome, PoolId, Question
from bot.quota.memory import MemoryLedger
from bot.storage.ledger import SqlLedger

POOL = PoolId("default")
ANN, BEN = Member("web", "ann"), Member("slack", "U1", "T1")
WIDE = Caps(rpm=1000, rpd=1000)
FAILED = Outcome(result="failed")

AnyLedger = SqlLedger | MemoryLedger
_numbers = iter(range(1_000_000))


def claim(member: Member = ANN, *messages: str, pool: PoolId = POOL) -> Claim:
    return Claim(
        pool=pool,
        member=member,
        lane="free",
        model=ModelId("openrouter/free"),
        question=Question(
            messages=[MessageId(message) for message in messages or (f"m{next(_numbers)}",)],
            conversation=ConversationId("c"),
            community=CommunityId("web"),
            author_name="someone",
            text="hello",
            asked_at=Instant(0),
        ),
    )


async def lease(ledger: AnyLedger, member: Member = ANN, caps: Caps = WIDE) -> Lease:
    reserved = await ledger.reserve(claim(member), caps)
    assert isinstance(reserved, Lease), reserved
    return reserved
