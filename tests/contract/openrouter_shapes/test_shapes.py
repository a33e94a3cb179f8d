"""Every shape through the real client over a real socket: its meaning, when it works again, one request."""

from __future__ import annotations

import logging
from collections import Counter
from typing import get_args

import pytest

from bot.clock import Instant
from bot.errors import FailureKind, NoRoute, UpstreamFailure
from tests.contract.asking import KEY, Sent, client_for, ending
from tests.fakes.openrouter_shapes import SHAPES, Shape
from tests.fakes.upstream import Upstream

NOW = Instant(1_790_000_000.0)


class StoppedClock:
    def now(self) -> Instant:
        return NOW

    def monotonic(self) -> float:
        return 0.0


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
async def test_a_shape_has_its_meaning(shape: Shape, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    sent = Sent()
    async with Upstream(shape.script(NOW)) as upstream:
        client = client_for(upstream.base_url, clock=StoppedClock())
        text, end = await ending(client, sent)
        await client.close()
    assert text == shape.text
    if isinstance(end, UpstreamFailure):
        expected = (shape.kind, shape.route, shape.retry_at(NOW), shape.limit)
        assert (end.kind, end.route, end.retry_at, end.limit) == expected
        if shape.stream is None and shape.status != 200:
            assert end.status == shape.status
        assert (end.usage is not None) is shape.counted
        assert "user_2potluck" not in end.detail
        assert "0123456789abcdef" not in end.detail
    else:
        assert shape.kind is None
        assert text
    assert end.generation == shape.generation, "by which it can be asked what it cost"
    assert (sent.calls, len(upstream.requests), upstream.connections) == (1, 1, 1)
    # What a provider says is for DEBUG, and so is everything below the service.
    assert caplog.text == ""
    assert KEY not in repr(end)


def test_the_table_has_every_kind_a_server_can_cause() -> None:
    """The others are about time, sockets and size: the hostile server has them."""
    seen = {shape.kind for shape in SHAPES} - {None}
    assert set(FailureKind) - seen == {FailureKind.UNREACHABLE, FailureKind.ENDLESS}
    assert {shape.route for shape in SHAPES} == {None, *get_args(NoRoute)}


def test_names_are_one_of_a_kind() -> None:
    assert [name for name, count in Counter(shape.name for shape in SHAPES).items() if count > 1] == []
