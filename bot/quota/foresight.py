"""When each ticket in line should start: the line played forward, as fast as the minute and the answers allow. Pure.

It plays what `starts` does: the first in line whose member has nothing under way and does not have most of the window.
Who will come meanwhile nobody knows; whoever does and has had less goes first, and the others wait longer than that.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from bot.clock import Instant
from bot.messages import Member
from bot.quota.ledger import WINDOW


def foresee(
    line: Sequence[Member],
    *,
    opens: Instant,
    rpm: int,
    starts: Iterable[tuple[Instant, Member]],
    free_at: Mapping[Member, Instant],
    answer_seconds: float,
    allowance: Callable[[int], int],
) -> list[Instant]:
    """When each of `line` starts, whose members stand in its order.

    `starts` are those within the window, oldest first; `free_at` says when a member's request under way should be
    answered, and `allowance` is the line's. Those it finds no start for, as under a cap of 0, start at the end of all.
    """
    window, own = deque(starts), Counter[Member]()
    for _, member in window:
        own[member] += 1
    busy, queues = dict(free_at), dict[Member, deque[int]]()
    for place, member in enumerate(line):
        queues.setdefault(member, deque()).append(place)
    # Only the first ticket of each member can be next.
    heads = sorted((queue[0], member.key, member) for member, queue in queues.items())
    found, now = [opens] * len(line), opens
    while heads:
        while window and window[0][0] <= now - WINDOW:
            own[window.popleft()[1]] -= 1
        free = rpm - len(window)
        most = allowance(free) if free > 0 else 0
        going = next((one for one in heads if own[one[2]] < most and busy.get(one[2], now) <= now), None)
        if going is not None:
            place, key, member = going
            found[place] = now
            window.append((now, member))
            own[member] += 1
            busy[member] = Instant(now + answer_seconds)
            heads.remove(going)
            queues[member].popleft()
            if queues[member]:
                insort(heads, (queues[member][0], key, member))
            continue
        changes = [Instant(window[0][0] + WINDOW)] if window else []
        if free > 0:
            changes += [at for _, _, member in heads if (at := busy.get(member, now)) > now]
        if not changes:
            break
        now = min(changes)
    for place, _, _ in heads:
        found[place] = now
    return found
