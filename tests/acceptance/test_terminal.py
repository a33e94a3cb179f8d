"""`potluck chat` and `potluck doctor` as people run them: under a pseudo-terminal, and in a pipe."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from tests.acceptance.processes import PATIENCE, POTLUCK, result, running

ENV = {"LANG": "C.UTF-8", "TERM": "xterm-256color"}
CTRL_C, CTRL_D = "\x03", "\x04"
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[=>])")


class Typist:
    """Someone at a terminal: types, and reads what the screen was sent, without the sequences that dress it."""

    def __init__(self, process: asyncio.subprocess.Process, terminal: int) -> None:
        self._process, self._terminal = process, terminal
        self._raw = b""
        self._read_to = 0
        asyncio.get_running_loop().add_reader(terminal, self._read)
        self._changed = asyncio.Event()

    def _read(self) -> None:
        data = b""
        with suppress(OSError):  # EIO: the other end is closed
            data = os.read(self._terminal, 65536)
        if not data:
            asyncio.get_running_loop().remove_reader(self._terminal)
        self._raw += data
        self._changed.set()

    @property
    def screen(self) -> str:
        return _SEQUENCE.sub("", self._raw.decode(errors="replace")).replace("\r\n", "\n")

    @property
    def raw(self) -> bytes:
        return self._raw

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    async def sees(self, text: str) -> None:
        """Wait until this is shown, after what was seen last."""
        try:
            async with asyncio.timeout(PATIENCE):
                while (at := self.screen.find(text, self._read_to)) < 0:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"{text!r} never came: {self.screen!r}") from None
        self._read_to = at + len(text)

    async def prompted(self) -> None:
        await self.sees("\n> ")

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE):
            return await self._process.wait()

    async def interrupted(self) -> int:
        """Press Ctrl-C at the prompt, again if nothing comes of it, as a person would; the exit code.

        Python's readline shows the prompt a moment before it listens for signals: one that comes between the two is
        noticed with the next key.
        """
        async with asyncio.timeout(PATIENCE):
            while True:
                self.type(CTRL_C)
                with suppress(TimeoutError):
                    async with asyncio.timeout(5):
                        return await self._process.wait()

    async def end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._terminal)
        if self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        os.close(self._terminal)


@asynccontextmanager
async def chat(folder: Path, *arguments: str, **env: str) -> AsyncIterator[Typist]:
    """`potluck chat` on a terminal of its own."""
    ours, theirs = pty.openpty()
    try:
        process = await asyncio.create_subprocess_exec(
            *(*POTLUCK, "chat", "--member", "ann", *arguments),
            cwd=folder,
            env=ENV | env,
            preexec_fn=partial(os.login_tty, theirs),  # so that Ctrl-C is a signal, and only for it
        )
    finally:
        os.close(theirs)
    typist = Typist(process, ours)
    try:
        yield typist
    finally:
        await typist.end()


async def test_ctrl_c_stops_an_answer_and_the_next_question_works(tmp_path: Path) -> None:
    async with chat(tmp_path) as ann:
        await ann.prompted()
        ann.type("tell me something long\n")
        await ann.sees("sandbox")
        ann.type(CTRL_C)
        await ann.sees("Stopped. What has come so far stays.")
        await ann.prompted()
        ann.type("hello again\n")
        await ann.sees("question 2 of this conversation")
        await ann.sees(" · free · 2 of today's 50 used · 48 left")
        await ann.prompted()
        ann.type(CTRL_D)
        assert await ann.ended() == 0


async def test_ctrl_c_twice_leaves_in_mid_answer_and_what_was_sent_is_settled(tmp_path: Path) -> None:
    async with chat(tmp_path) as ann:
        await ann.prompted()
        ann.type("tell me something long\n")
        await ann.sees("sandbox")
        ann.type(CTRL_C)
        await asyncio.sleep(0.02)  # two at once would be one signal
        ann.type(CTRL_C)
        assert await ann.ended() == 130
        assert "Traceback" not in ann.screen
    async with chat(tmp_path) as ann:
        await ann.sees("1 of today's 50 used")


async def test_ctrl_c_at_the_prompt_leaves(tmp_path: Path) -> None:
    async with chat(tmp_path) as ann:
        await ann.prompted()
        assert await ann.interrupted() == 130
        assert "Traceback" not in ann.screen


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_being_ended_settles_what_was_sent(tmp_path: Path, number: signal.Signals) -> None:
    async with chat(tmp_path) as ann:
        await ann.prompted()
        ann.type("tell me something long\n")
        await ann.sees("sandbox")
        ann.signal(number)
        assert await ann.ended() == 128 + number
    async with chat(tmp_path) as ann:
        await ann.sees("1 of today's 50 used")
        await ann.prompted()
        ann.type("/quit\n")
        assert await ann.ended() == 0


async def test_waiting_is_one_line_that_goes_and_can_be_stopped(tmp_path: Path) -> None:
    async with chat(tmp_path, POOL_RPM="1") as ann:
        await ann.prompted()
        ann.type("hello\n")
        await ann.sees("49 left")
        await ann.prompted()
        ann.type("hello again\n")
        await ann.sees("You are next in line: about")
        ann.type(CTRL_C)
        await ann.sees("Stopped.")
        await ann.prompted()
        assert b"\x1b[2K" in ann.raw, "the line was cleared away"


async def test_lines_can_be_edited_recalled_and_completed_and_are_kept_in_no_file(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    async with chat(tmp_path, HOME=str(home)) as ann:
        await ann.prompted()
        ann.type("/quotX\x7fa\n")  # backspace
        await ann.sees("Used 0, left 50")
        await ann.prompted()
        ann.type("\x1b[A\n")  # the arrow up
        await ann.sees("Used 0, left 50")
        await ann.prompted()
        ann.type("/po\t\n")
        await ann.sees("of today's pool are used")
        await ann.prompted()
        ann.type("/mo\tsh\tharb\n")
        await ann.sees("sandbox/harbor-24b:free")
        await ann.prompted()
        ann.type(CTRL_D)
        assert await ann.ended() == 0
    assert not _files(home)


async def test_a_key_is_typed_unseen_and_not_recalled(tmp_path: Path) -> None:
    key = "sk-or-v1-" + "a1b2c3d4e5f60718" * 4
    async with chat(tmp_path) as typist:
        await typist.prompted()
        typist.type("/key paste\r")
        await typist.sees("or a key that you have made there: ")
        typist.type(f"{key}\r")
        await typist.sees("Your account is linked")
        await typist.sees(f"…{key[-4:]}")
        await typist.prompted()
        typist.type("\x1b[A")
        await typist.sees("/key paste")
        assert key not in typist.screen


async def test_what_a_model_writes_cannot_reach_the_terminal(tmp_path: Path) -> None:
    async with chat(tmp_path) as ann:
        await ann.prompted()
        ann.type("sandbox:echo \x16\x1b[35mheron\x16\x07\n")  # Ctrl-V takes the next key as it is
        await ann.sees("user: sandbox:echo")
        await ann.sees("heron")
        await ann.sees("left")
        answer = ann.raw.partition(b"user: sandbox:echo")[2]
        assert b"[35mheron" in answer, "it was in the answer"
        assert b"\x1b[35m" not in answer
        assert b"\x07" not in answer


def _files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


# --- pipes -----------------------------------------------------------------------------------------------


async def _piped(folder: Path, text: bytes, **env: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *POTLUCK,
        "chat",
        cwd=folder,
        env=ENV | env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE):
        out, err = await process.communicate(text)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_a_pipe_gets_the_answer_alone(tmp_path: Path) -> None:
    code, out, err = await _piped(tmp_path, "wie heißt der Reiher?\n".encode())
    assert code == 0
    assert re.fullmatch(r".*question 1 of this conversation from member `\w+`\.\*\n", out, re.DOTALL)
    assert "left" not in out
    assert "\x1b" not in out
    assert err == "Free models may store what you write and learn from it: leave out anything private.\n"


async def test_a_pipe_that_gets_no_answer_fails_and_says_why(tmp_path: Path) -> None:
    code, out, err = await _piped(tmp_path, b"sandbox:moderation\n")
    assert (code, out) == (1, "")
    assert "A safety check declined this question." in err


@pytest.mark.parametrize(
    ("text", "locale", "said"),
    [(b"", "C.UTF-8", "There is no question"), (b" \n\n", "de_AT.UTF-8", "Es gibt keine Frage")],
)
async def test_an_empty_pipe_is_a_wrong_use(tmp_path: Path, text: bytes, locale: str, said: str) -> None:
    """Said in the language of the machine."""
    code, out, err = await _piped(tmp_path, text, LANG=locale)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert not _files(tmp_path), "nothing was started"


async def test_a_reader_that_goes_away_stops_the_answer(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(*POTLUCK, "chat"),
        cwd=tmp_path,
        env=ENV,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    process.stdin.write(b"tell me something long")
    process.stdin.close()
    async with asyncio.timeout(PATIENCE):
        assert await process.stdout.read(1)
        process.stdout._transport.close()  # type: ignore[attr-defined]  # as `head` does
        code, err = await process.wait(), await process.stderr.read()
    assert code == 1
    assert b"Traceback" not in err
    async with chat(tmp_path) as ann:
        await ann.sees("49 left")


async def test_a_name_that_is_none_is_a_wrong_use(tmp_path: Path) -> None:
    ended = await result("chat", "--member", "a b", folder=tmp_path)
    assert ended.code == 2
    assert "--member" in ended.err


# --- beside another --------------------------------------------------------------------------------------


async def test_what_is_changed_from_the_shell_beside_a_chat_holds_in_it(tmp_path: Path) -> None:
    async with chat(tmp_path) as ann:
        await ann.prompted()
        ended = await result("admin", "quota", "block", "terminal:ann", folder=tmp_path, env=ENV)
        assert ended.code == 0, ended.err
        async with asyncio.timeout(PATIENCE):
            while "has blocked you" not in ann.screen:  # it is looked for every second
                ann.type("/quota\n")
                await ann.prompted()
        ann.type("hello\n")
        await ann.sees("You cannot ask here at the moment.")


async def test_beside_a_running_potluck(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
    env = ENV | {"WEB_PORT": port}
    async with running("run", folder=tmp_path, env=env) as service:
        await service.line("Potluck")
        code, out, err = await _piped(tmp_path, b"hello", WEB_PORT=port)
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert "Another Potluck is using" in err
        assert f"http://127.0.0.1:{port}" in err

        looked = await result("doctor", "--json", folder=tmp_path, env=env)
        assert looked.code == 0, looked.out
        found = {one["check"]: one["found"] for one in json.loads(looked.out)["findings"]}
        assert "a Potluck is running on it" in found["database"]
        assert found["web page"] == f"a Potluck is running on port {port}"

        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        looked = await result("doctor", folder=elsewhere, env=env)
        assert looked.code == 1
        assert "another Potluck" in re.sub(r"\s+", " ", looked.out)
        assert not _files(elsewhere)
        service.signal(signal.SIGTERM)
        await service.ended()
