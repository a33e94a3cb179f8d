"""What every test may use: the virtual clock, and a guard that keeps tests on this machine."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from bot.storage.units import Where
from tests.fakes.databases import HOME, PostgresServer, migrated, server
from tests.fakes.virtual import VirtualClock, VirtualLoop

_HERE = Path(__file__).parent
_UNTRACED = frozenset({"properties", "simulation", "discord", "slack", "browser"})
"""Names of folders, and of parts of files: of what computes for long, or is about an adapter, which is not counted."""
SOAK = os.environ.get("POTLUCK_SOAK") == "1"
EVERYTHING_ON = os.environ.get("TEST_DATABASE", "sqlite")
"""With `TEST_DATABASE=postgres` all that needs a database runs over that, and only that."""

settings.register_profile("ci", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("soak", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("soak" if SOAK else "ci")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long counts run where they are asked for: `make soak`. What counts much is not counted as coverage, too.

    Tracing makes what computes for long half as dear again, and the lines it would find are found by other tests.
    """
    if not SOAK:
        items[:] = [item for item in items if "soak" not in item.keywords]
    for item in items:
        if _UNTRACED.intersection(re.split(r"[/_.]", str(item.path.relative_to(_HERE)))):
            item.add_marker(pytest.mark.no_cover)


@pytest.fixture(autouse=True)
def _logs_heard() -> None:
    """Each test hears the log from the start: what another one set up in the same process is undone."""
    if logging.root.manager.disable:
        logging.disable(logging.NOTSET)
    for name in [name for name in logging.root.manager.loggerDict if name.split(".")[0] in ("bot", "adapters")]:
        log = logging.getLogger(name)
        log.disabled, log.propagate = False, True
        if log.level != logging.NOTSET:  # to set it takes long where there are many logs: each forgets what it knows
            log.setLevel(logging.NOTSET)


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reaches another machine: a connection off the loopback range is an error of the test."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1"):
            raise AssertionError(f"a test tried to reach {address[0]}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Virtual time for tests marked `virtual`, the machine's for all others."""
    if item.get_closest_marker("virtual"):
        return {"virtual": VirtualLoop}
    return {"real": asyncio.new_event_loop}


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """A real PostgreSQL, to make databases in."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or str(os.getpid())
    with server(run[:8]) as found:
        yield found


@pytest.fixture(scope="session", autouse=True)
def _where_everything_is(request: pytest.FixtureRequest) -> Iterator[None]:
    with HOME.of(request.getfixturevalue("postgres") if EVERYTHING_ON == "postgres" else None):
        yield


@pytest.fixture(autouse=True)
def _home(request: pytest.FixtureRequest, _where_everything_is: None) -> Iterator[None]:
    """Where the whole deployments of this test keep everything: what they kept is gone after it."""
    kind = request.getfixturevalue("kind") if "kind" in request.fixturenames else EVERYTHING_ON
    with HOME.of(request.getfixturevalue("postgres") if kind == "postgres" else None):
        yield


@pytest.fixture(params=["sqlite", "postgres"] if EVERYTHING_ON == "sqlite" else [EVERYTHING_ON])
def kind(request: pytest.FixtureRequest) -> str:
    """Of the database: a test that uses it, or asks for where one is, runs on both."""
    return str(request.param)


@pytest.fixture
def where(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Where]:
    """Where a migrated database is."""
    with migrated(kind, request, tmp_path) as where:
        yield where


@pytest.fixture
async def loop() -> VirtualLoop:
    """The virtual loop the test runs on, to tell it of threads at work."""
    running = asyncio.get_running_loop()
    assert isinstance(running, VirtualLoop), "mark the test `virtual`"
    return running


@pytest.fixture
async def clock(loop: VirtualLoop) -> VirtualClock:
    return VirtualClock(loop)
