"""Logs: one line an event, readable by people and machines, and no secret in either."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.telemetry import logs

SECRETS = (
    "sk-or-v1-0123456789abcdef",
    "xoxb-1234-abcd",
    "xapp-1-A1-2-ff",
    "Bearer abc.def/ghi+jk=",
    "bearer lower-case",
)
MEANS_NOTHING_SECRET = ("sk-orchid", "the bearer of news", "foxbox")


@pytest.fixture(autouse=True)
def _root_as_it_was() -> Iterator[None]:
    """`set_up` is for a whole process: put the logging of this one back."""
    names = (None, "aiosqlite", "asyncio", "alembic", "httpx", "aiohttp.access")
    root, levels = logging.getLogger(), {name: logging.getLogger(name).level for name in names}
    handlers = root.handlers[:]
    yield
    root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture(params=["text", "json"])
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def write(form: str, event: str, /, **extra: object) -> str:
    """Log one event, and get what was written."""
    out = io.StringIO()
    logs.set_up(level="INFO", form=form, stream=out)
    logs.logger("bot.test").info(event, extra=extra)
    return out.getvalue()


def test_json_is_an_object_a_line_with_everything_in_it() -> None:
    line = json.loads(write("json", "a lease was given", action="lease", lease=7))
    assert line.pop("at").endswith("+00:00")
    assert line == {"level": "info", "logger": "bot.test", "event": "a lease was given", "action": "lease", "lease": 7}


def test_text_is_for_eyes() -> None:
    _time, level, *rest = write("text", "a lease was given", action="lease", lease=7).split()
    assert (level, " ".join(rest)) == ("info", "a lease was given lease=7")


def test_what_varies_cannot_pass_for_what_is_fixed() -> None:
    line = json.loads(write("json", "the truth", event="a lie", logger="elsewhere", at="never"))
    assert (line["event"], line["logger"]) == ("the truth", "bot.test")
    assert line["at"] != "never"


def test_without_a_form_a_terminal_gets_text_and_a_pipe_json() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    pipe, terminal = io.StringIO(), Terminal()
    for out in (pipe, terminal):
        logs.set_up(level="INFO", form=None, stream=out)
        logs.logger("bot.test").info("hello")
    assert json.loads(pipe.getvalue())["event"] == "hello"
    assert not terminal.getvalue().startswith("{")


@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_is_written(form: str, secret: str) -> None:
    written = write(form, f"refused {secret}", header=secret, nested={"Authorization": secret})
    assert secret.split()[-1] not in written
    assert written.count("[secret]") == 3


@pytest.mark.parametrize("word", MEANS_NOTHING_SECRET)
def test_control_what_only_looks_like_one_stays(form: str, word: str) -> None:
    assert word in write(form, f"a word: {word}")


def test_no_secret_is_written_with_an_exception(form: str) -> None:
    out = io.StringIO()
    logs.set_up(level="INFO", form=form, stream=out)
    try:
        raise RuntimeError(f"could not send {SECRETS[0]}")
    except RuntimeError as error:
        logs.logger("bot.test").error("it failed", exc_info=error)
    assert "could not send [secret]" in out.getvalue()


@given(text=st.text())
@pytest.mark.parametrize("kind", ["text", "json"])
def test_a_line_stays_a_line(kind: str, text: str) -> None:
    written = write(kind, "said", said=text)
    assert len(written.splitlines()) == 1
    assert written.removesuffix("\n").isprintable()
    if kind == "json" and "[secret]" not in written:
        assert json.loads(written)["said"] == text


def test_an_exception_cannot_forge_a_line() -> None:
    out = io.StringIO()
    logs.set_up(level="INFO", form="text", stream=out)
    try:
        raise RuntimeError("oh\n12:00:00 info    all is well\x1b[2J")
    except RuntimeError as error:
        logs.logger("bot.test").error("it failed", exc_info=error)
    first, *rest = out.getvalue().splitlines()
    assert first.endswith("it failed")
    assert all(line.startswith("    ") and line.isprintable() for line in rest)


def test_the_level_holds_and_libraries_are_quieter() -> None:
    out = io.StringIO()
    logs.set_up(level="INFO", form="text", stream=out)
    logs.logger("bot.test").debug("not this")
    logging.getLogger("aiosqlite").info("nor this")
    logging.getLogger("aiosqlite").warning("but this")
    assert out.getvalue().count("\n") == 1
