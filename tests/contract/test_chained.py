"""Steps of which later ones use what earlier ones gave, over both kinds of database."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, bindparam, insert, select, update

from bot.clock import SystemClock
from bot.storage.dialects import Chained, Prepared, Steps, upsert
from bot.storage.tables import handled_messages, pools, turns
from bot.storage.units import Where
from tests.fakes.databases import opened

_POOLS = Prepared(select(pools.c.id, pools.c.started).order_by(pools.c.id))
_HANDLED = Prepared(select(handled_messages.c.message, handled_messages.c.turn))
VALUES: dict[str, Any] = {"pool": "p", "message": "m", "at": 7}


def steps(chain: Steps) -> None:
    """A pool's number is counted, a turn begins and a message is handled by it."""
    started = chain.gives(
        "number", update(pools).where(pools.c.id == bindparam("pool")).values(started=pools.c.started + 1).returning(
            pools.c.started)
    )  # fmt: skip
    words = ("conversation", "community", "member", "author_name", "question", "answer")
    turn = chain.gives(
        "turn",
        insert(turns)
        .values(
            dict.fromkeys(words, "x")
            | {"message": bindparam("message"), "whole": False, "asked_at": 1, "ended_at": started}
        )
        .returning(turns.c.id),
    )
    handled = upsert(handled_messages).values(message=bindparam("message"), turn=turn, handled_at=bindparam("at"))
    chain.gives("handled", handled.on_conflict_do_nothing().returning(handled_messages.c.turn))
    chain.does(insert(pools).values(id=bindparam("message"), started=turn))


CHAIN = Chained(steps)


class UndoneError(Exception):
    pass


async def test_later_steps_have_what_earlier_ones_gave(where: Where) -> None:
    def unit(connection: Connection) -> tuple[Any, ...]:
        connection.execute(insert(pools).values(id="p", started=4))
        given = CHAIN(connection, VALUES)
        return given, _HANDLED.all(connection), _POOLS.all(connection)

    async with opened(where, SystemClock()) as database:
        given, handled, kept = await database.write(unit)
        turn = given["turn"]
        assert given["number"] == 5
        assert given["handled"] == turn
        assert handled == [("m", turn)]
        assert kept == [("m", turn), ("p", 5)]
        ended_at = await database.read(lambda connection: connection.scalar(select(turns.c.ended_at)))
        assert ended_at == 5, "what was given, and not what was there before"


@pytest.mark.parametrize("missing", ["number", "handled"])
async def test_a_step_that_gives_nothing_says_so_and_all_can_be_undone(where: Where, missing: str) -> None:
    def unit(connection: Connection) -> None:
        if missing == "handled":
            connection.execute(insert(pools).values(id="p", started=4))
            connection.execute(insert(handled_messages).values(message="m", turn=1, handled_at=1))
        given = CHAIN(connection, VALUES)
        assert given.get(missing) is None
        assert (given.get("number") is None) == (missing == "number"), "the control: those before it gave theirs"
        raise UndoneError

    async with opened(where, SystemClock()) as database:
        with pytest.raises(UndoneError):
            await database.write(unit)
        assert await database.read(_POOLS.all) == []
